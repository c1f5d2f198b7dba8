"""A gateway over the fake backend, and a client that holds its key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from events.clock import FixedClock
from events.memory_keystore import MemoryKeyStore
from serve.access import bootstrap, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings
from tests.unit.fakes.gateway_agents import NOW
from tests.unit.fakes.gateway_backend import FakeBackend

KEY = "a-preset-service-key-for-tests"
V1 = "/api/v1"
PROBLEM = "application/problem+json"


class Gateway:
    """The application, what it stands on, and a client of it."""

    def __init__(self, settings: ServeSettings, shards: int) -> None:
        self.backend = FakeBackend(shards)
        self.keystore = MemoryKeyStore(b"m" * 32)
        self.clock = FixedClock(NOW)
        self.settings = settings
        self.app = build_app(settings, self.backend, self.keystore, clock=self.clock)

    def client(self, key: str | None = KEY) -> httpx2.AsyncClient:
        """Return a client, with a key or without."""
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url="http://gateway",
            headers={} if key is None else {"X-API-Key": key},
        )

    @property
    def events(self) -> int:
        """How many events are in all logs."""
        return sum(map(len, self.backend.logs))


@asynccontextmanager
async def running(
    settings: ServeSettings | None = None, shards: int = 1
) -> AsyncIterator[tuple[Gateway, httpx2.AsyncClient]]:
    """Yield a gateway with one service key, and a client that holds it."""
    gateway = Gateway(settings or ServeSettings(status_age_s_max=0), shards)
    await bootstrap(gateway.backend, pepper_of(gateway.keystore), KEY)
    async with gateway.client() as client:
        yield gateway, client


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Return the problem that a response carries, checking that it is a proper one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith(PROBLEM)
    told: dict[str, Any] = response.json()
    assert told["status"] == status
    assert told["type"]
    assert told["title"]
    assert told["detail"]
    assert told["instance"]
    for fault in told.get("errors", ()):
        assert set(fault) == {"location", "detail"}
    return told
