"""A reader that is cancelled ends, whatever it was waiting for at that moment."""

from __future__ import annotations

import asyncio

from actors.backend import AgentsBackend
from events.codec import Codec
from events.connection import connect
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.nats_server import NatsServer
from events.sealing import KeyRing


async def test_a_backend_that_has_just_started_can_be_stopped(nats_server: NatsServer) -> None:
    """Starting and stopping at once, many times, so that every moment of the start is met."""
    settings = await nats_server.prepare()
    codec = Codec(KeyRing(MemoryKeyStore()))

    async def never(*_: object) -> None:
        raise AssertionError("nobody is asked here")

    async with connect(settings) as connection:
        for turns in range(150):
            journal = Journal(connection.log(0), codec)
            backend = AgentsBackend([journal], connection.signals, never, never)
            await backend.start()
            for _ in range(turns % 30):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await backend.stop()
