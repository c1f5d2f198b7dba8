"""A gateway over the real agents and the real past, all in one process; and a reader of streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
from fastapi import FastAPI

from actors.backend import AgentsBackend
from actors.embedding import HashEmbedder
from actors.local import local_backend
from actors.settings import RankingSettings
from events.catalogue import ServiceKeyIssued
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import NewEvent
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from serve.access import digest_of, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import KEY, V1

#: A key of another organisation than `KEY`.
OTHER_KEY = "a-service-key-of-another-tenant"
DEADLINE_S = 20.0


class PastGateway:
    """The application, its agents, and a clock that only tests move."""

    def __init__(
        self,
        app: FastAPI,
        backend: AgentsBackend,
        clock: FixedClock,
        keystore: MemoryKeyStore,
        journals: Sequence[Journal],
    ) -> None:
        self.app = app
        self.backend = backend
        self.clock = clock
        self.journals = journals
        self._keystore = keystore

    def client(self, key: str = KEY) -> httpx2.AsyncClient:
        """Return a client that holds a key."""
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url="http://gateway",
            headers={"X-API-Key": key},
        )

    async def end(self, shard: int = 0) -> int:
        """Return the end of a shard's log."""
        return await self.backend.last_position(shard)

    def erase(self, user: str) -> None:
        """Destroy the key of a person, by the opaque id, and let all who cache it know."""
        self._keystore.destroy(user)
        self.journals[0].codec.keys.forget(user)

    async def say(self, client: httpx2.AsyncClient, user: str, *texts: str) -> None:
        """Hand in messages and wait until everything has come of them; a minute later."""
        self.clock.advance(60)
        messages = [{"role": "user", "content": text} for text in texts]
        body = {"user_id": user, "messages": messages}
        answer = await client.post(f"{V1}/messages", params={"wait": "true"}, json=body)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def remembering(
    shards: int = 1,
    settings: ServeSettings | None = None,
    ranking: RankingSettings | None = None,
) -> AsyncIterator[tuple[PastGateway, httpx2.AsyncClient]]:
    """Yield a gateway over running agents, and a client of the default tenant."""
    keystore, clock = MemoryKeyStore(b"m" * 32), FixedClock()
    codec = Codec(KeyRing(keystore))
    journals = [Journal(MemoryLog(shard), codec, clock) for shard in range(shards)]
    await journals[0].append(
        [
            _issued(key, tenant, pepper_of(keystore))
            for key, tenant in ((KEY, "default"), (OTHER_KEY, "other"))
        ]
    )
    async with local_backend(journals, MemorySignals(), HashEmbedder(), ranking=ranking) as backend:
        app = build_app(settings or ServeSettings(), backend, keystore, clock=clock)
        gateway = PastGateway(app, backend, clock, keystore, journals)
        async with gateway.client() as client:
            yield gateway, client


def _issued(key: str, tenant: str, pepper: bytes) -> NewEvent:
    digest = digest_of(key, pepper)
    payload = ServiceKeyIssued(key_id=f"key_{tenant}", digest=digest)
    return NewEvent(
        event_id=f"evt_key_{tenant}", payload=payload, tenant=tenant, producer="bootstrap"
    )


class Stream:
    """One request whose answer has no end, read part by part as it is sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._left = asyncio.Event()
        self._text = ""

    async def receive(self) -> dict[str, Any]:
        """Tell the application that the client has gone, once it has."""
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a part of the answer."""
        await self._sent.put(dict(message))

    def leave(self) -> None:
        """Go away."""
        self._left.set()

    async def part(self) -> dict[str, str]:
        """Return the fields of the next part; none of them when the stream has ended."""
        async with asyncio.timeout(DEADLINE_S):
            while "\n\n" not in self._text and not self.ended:
                self._take(await self._sent.get())
        part, _, self._text = self._text.partition("\n\n")
        lines = [line.partition(": ") for line in part.splitlines()]
        return {name or "comment": value for name, _, value in lines}

    async def events(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the id and the data of the next `count` events."""
        found: list[tuple[str, dict[str, Any]]] = []
        async with asyncio.timeout(DEADLINE_S):  # heartbeats would keep it going for ever
            while len(found) < count:
                part = await self.part()
                assert part, "the stream has ended"
                if "data" in part:
                    found.append((part["id"], json.loads(part["data"])))
        return found

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs: Sequence[tuple[bytes, bytes]] = message["headers"]
            self.headers = {name.decode(): value.decode() for name, value in pairs}
        else:
            self._text += message["body"].decode()
            self.ended = not message.get("more_body", False)


@asynccontextmanager
async def streaming(
    app: FastAPI, path: str, headers: dict[str, str] | None = None, **query: str
) -> AsyncIterator[Stream]:
    """Open a stream; the client leaves at the end, and the application must come to its own."""
    stream = Stream()
    sent = {"X-API-Key": KEY, **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("gateway", 80),
    }
    async with AsyncExitStack() as stack:
        task = asyncio.create_task(app(scope, stream.receive, stream.send))
        stack.push_async_callback(_ended, task)
        stack.callback(stream.leave)
        yield stream


async def _ended(task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await task
