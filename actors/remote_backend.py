"""The gateway's backend over Ray: opened once in each replica, in its event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from actors.backend import AgentsBackend
from actors.connecting import connected
from actors.logs import configure_logs
from actors.names import Agent
from actors.past.queries import PastQuery
from actors.queries import Query
from actors.remote import ActorDirectory, embedding_service
from actors.settings import ActorSettings
from events.codec import Codec
from events.journal import Journal
from events.keystore import KeyStore
from events.sealing import KeyRing
from events.sqlite_keystore import SqliteKeyStore


@asynccontextmanager
async def open_backend(settings: ActorSettings) -> AsyncIterator[tuple[AgentsBackend, KeyStore]]:
    """Open log, keys and the way to the agents while the context lasts."""
    configure_logs(settings.log_level, part="gateway")
    async with AsyncExitStack() as stack:
        connection = await connected(stack, settings)
        keystore = SqliteKeyStore(settings.keys_file, settings.master_key_file)
        codec = Codec(KeyRing(keystore))
        journals = [Journal(connection.log(shard), codec) for shard in range(settings.log.shards)]
        directory = ActorDirectory(connection.signals)

        async def ask(
            shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
        ) -> Any:
            return await directory.ask(shard, agent, query, min_position, timeout_s)

        async def ask_past(shard: int, query: PastQuery, timeout_s: float) -> Any:
            return await directory.ask_past(shard, query, timeout_s)

        backend = AgentsBackend(
            journals, connection.signals, ask, ask_past, embedding_service(settings)
        )
        await backend.start()
        try:
            yield backend, keystore
        finally:
            await backend.stop()
