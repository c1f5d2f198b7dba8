"""Bodies that do not come: whoever sends slowly, too much or nothing at all holds up nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.types import Message

from serve.settings import ServeSettings
from tests.unit.fakes.gateway import KEY, V1, Gateway, running

DEADLINE_S = 10
SOON = ServeSettings(body_timeout_s=0.05, body_bytes_max=1_000)


class Client:
    """One connection to the application, whose body comes as the test sends it."""

    def __init__(self, gateway: Gateway, *, key: str = KEY, length: int | None = None) -> None:
        framing = ("transfer-encoding", "chunked") if length is None else ("content-length", length)
        headers = [("content-type", "application/json"), ("x-api-key", key), framing]
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.answered = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": f"{V1}/messages",
            "raw_path": f"{V1}/messages".encode(),
            "query_string": b"",
            "headers": [(name.encode(), str(value).encode()) for name, value in headers],
        }
        self.task = asyncio.ensure_future(gateway.app(scope, self._receive, self._send))

    def sends(self, body: bytes, *, more: bool = True) -> None:
        """Send a piece of the body."""
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def _receive(self) -> Message:
        self.asked.set()
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        if len(self.body) == int(self.headers["content-length"]):
            self.answered.set()

    async def refused(self, status: int) -> dict[str, Any]:
        """Wait for the end of the exchange; return the problem, after which the connection ends."""
        async with asyncio.timeout(DEADLINE_S):
            await self.task
        assert self.status == status, self.body
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["connection"] == "close"
        told: dict[str, Any] = msgspec.json.decode(self.body)
        return told


async def test_body_is_refused_when_it_does_not_arrive_in_time() -> None:
    """A declared and an endless body, one byte each: 408, and nothing is written."""
    async with running(SOON) as (gateway, _):
        events = gateway.events
        for length in (100, None):
            client = Client(gateway, length=length)
            client.sends(b"{")
            told = await client.refused(408)
            assert told["type"] == "urn:mirix:problem:request-timeout"
        assert gateway.events == events


async def test_stranger_is_refused_when_the_body_is_still_to_come() -> None:
    """Without a known key nothing is waited for: the answer is there before the body."""
    async with running(ServeSettings(body_timeout_s=600)) as (gateway, _):
        client = Client(gateway, key="wrong", length=9_000_000)
        client.sends(b"x")
        async with asyncio.timeout(DEADLINE_S):
            await client.answered.wait()
        client.sends(b"x" * 10, more=False)
        await client.refused(401)


async def test_body_is_refused_at_once_when_it_declares_too_much() -> None:
    """The answer is whole before the client has sent what it declared; the rest is dropped."""
    async with running(ServeSettings(body_timeout_s=600)) as (gateway, _):
        client = Client(gateway, length=9_000_000)
        client.sends(b"x")
        async with asyncio.timeout(DEADLINE_S):
            await client.answered.wait()
        assert client.status == 413
        assert not client.task.done()  # it goes on reading, so that the answer is not reset
        client.sends(b"x" * 1_000, more=False)
        await client.refused(413)


async def test_answer_is_not_held_up_when_the_rest_never_comes() -> None:
    """What is dropped after an answer has a deadline too."""
    async with running(SOON) as (gateway, _):
        client = Client(gateway, length=9_000_000)
        client.sends(b"x")
        await client.refused(413)


async def test_health_answers_when_bodies_trickle() -> None:
    """Half of the requests may wait for bodies; more are refused, and those without one pass."""
    async with running(ServeSettings(ongoing_requests_max=8)) as (gateway, client):
        await client.get(f"{V1}/agents/")  # the key is known from here on
        slow = [Client(gateway) for _ in range(4)]
        async with asyncio.timeout(DEADLINE_S):
            for one in slow:
                await one.asked.wait()
        told = await Client(gateway).refused(503)
        assert "waiting for their bodies" in told["detail"]
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        said = {"messages": [{"role": "user", "content": "hello"}]}
        for one in slow:
            one.sends(msgspec.json.encode(said), more=False)
            async with asyncio.timeout(DEADLINE_S):
                await one.task
            assert one.status == 202
        assert (await client.post(f"{V1}/messages", json=said)).status_code == 202
