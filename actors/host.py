"""The nine agents as Ray actors, one process each, the embedder that they share, the historian.

Actors restart for ever (`max_restarts=-1`). Ray leaves an actor alive whose background task failed,
alive and silent: here the end of the task ends the process, so that Ray starts it again. Waiting
for the log to come back happens inside, failing happens outside.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import ray
import structlog

from actors.agent import AgentProcess
from actors.collecting import collect_seldom
from actors.connecting import connected
from actors.embedding import Embedded
from actors.embedding_models import FewHere, build_embedder
from actors.embedding_queue import EmbeddingQueue
from actors.logs import configure_logs
from actors.names import OWNERS, Agent
from actors.past.past import Past
from actors.past.queries import PastQuery
from actors.queries import Query
from actors.remote import ActorDirectory, embedding_service
from actors.settings import ActorSettings
from events.codec import Codec
from events.errors import MirixError
from events.journal import Journal
from events.sealing import KeyRing
from events.sqlite_keystore import SqliteKeyStore
from projections.snapshots import SnapshotDirectory

log = structlog.get_logger(__name__)

#: How much nicer (nice(2)) than the others memory agents are: they wake up with every message, as
#: do those who answer it, and as a rule nobody waits for them.
YIELDING = 10
#: The memory agents but for the one that is asked before every answer.
YIELD = frozenset(OWNERS) - {"core_memory"}


@ray.remote(num_cpus=0, max_restarts=-1)
class EmbedderActor:
    """One model for all agents of a machine: they send their texts in batches."""

    def __init__(self, settings: ActorSettings) -> None:
        configure_logs(settings.log_level)
        self._embedding = EmbeddingQueue(build_embedder(settings, settings.embedder_threads))
        collect_seldom()

    async def ready(self) -> int:
        """Return the process id, once the model is loaded."""
        return os.getpid()

    async def embed(self, texts: Sequence[str]) -> Embedded | MirixError:
        """Embed texts; a `MirixError` is returned, not raised: Ray would wrap it."""
        try:
            return await self._embedding.embed(texts)
        except MirixError as error:
            return error


@ray.remote(num_cpus=0, max_restarts=-1)
class AgentActor:
    """Hosts one agent of one shard."""

    # Ray awaits it in the actor's own event loop, where the work is to run.
    async def __init__(  # type: ignore[misc]  # mypy knows no asynchronous constructors
        self, settings: ActorSettings, shard: int, agent: Agent
    ) -> None:
        configure_logs(settings.log_level, agent=agent, shard=shard)
        if agent in YIELD:
            os.nice(YIELDING)  # of this thread, which does the work, and of those that it starts
        self._settings = settings
        self._shard = shard
        self._agent = agent
        self._process: AgentProcess | None = None
        self._ready = asyncio.Event()
        self._stopping = False
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        settings = self._settings
        async with AsyncExitStack() as stack:
            connection = await connected(stack, settings)
            keys = KeyRing(SqliteKeyStore(settings.keys_file, settings.master_key_file))
            journal = Journal(connection.log(self._shard), Codec(keys))
            embedding = embedding_service(settings)
            questions = embedding
            if self._agent == "search" and not settings.embedding_model:
                # A question is one short text: a model of its own spares it the way and the queue.
                own = EmbeddingQueue(await asyncio.to_thread(build_embedder, settings, 1))
                questions = embedding.asking(own)
                embedding = embedding.asking(FewHere(own, embedding.own))
            self._process = AgentProcess(
                self._agent,
                journal=journal,
                signals=connection.signals,
                snapshots=SnapshotDirectory(
                    settings.snapshots_dir / f"{self._shard}",
                    keys,
                    kept_max=settings.snapshots_kept,
                ),
                embedding=embedding,
                ask=partial(ActorDirectory(connection.signals).ask, self._shard),
                models=settings.models,
                shards=settings.log.shards,
                questions=questions,
                ranking=settings.ranking,
                snapshot_every_events=settings.snapshot_every_events,
                snapshot_every_s=settings.snapshot_every_s,
                retry_wait_s=settings.retry_wait_s,
                give_way_s=settings.give_way_s,
            )
            collect_seldom()
            self._ready.set()
            try:
                await self._process.run()
            finally:
                if self._stopping:
                    await self._process.shell.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stopping:
            return
        # Ray would keep an actor whose work has stopped. Ending the process makes it start again.
        error = None if task.cancelled() else task.exception()
        log.error("agent_ended", agent=self._agent, shard=self._shard, exc_info=error)
        os._exit(1)

    async def _working(self) -> AgentProcess:
        await self._ready.wait()
        assert self._process is not None  # set before `_ready`
        return self._process

    async def ready(self) -> int:
        """Return the process id, once the agent works."""
        await self._working()
        return os.getpid()

    async def ask(self, query: Query, min_position: int, timeout_s: float) -> Any:
        """Answer a query; a `MirixError` is returned, not raised: Ray would wrap it."""
        try:
            process = await self._working()
            return await process.ask(query, min_position=min_position, timeout_s=timeout_s)
        except MirixError as error:
            return error

    async def stop(self) -> None:
        """Stop following, keep a snapshot. Does not run when the process is killed."""
        self._stopping = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@ray.remote(num_cpus=0, max_restarts=-1)
class PastActor:
    """Answers for the past of one shard; reads on a connection of its own, writes nothing."""

    async def __init__(  # type: ignore[misc]  # mypy knows no asynchronous constructors
        self, settings: ActorSettings, shard: int
    ) -> None:
        configure_logs(settings.log_level, part="past", shard=shard)
        self._settings = settings
        self._shard = shard
        self._past: Past | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        settings = self._settings
        async with AsyncExitStack() as stack:
            connection = await connected(stack, settings)
            keys = KeyRing(SqliteKeyStore(settings.keys_file, settings.master_key_file))
            self._past = Past(
                Journal(connection.log(self._shard), Codec(keys)),
                snapshots=SnapshotDirectory(settings.snapshots_dir / f"{self._shard}", keys),
                embedding=embedding_service(settings),
                keys=keys,
                ranking=settings.ranking,
            )
            stack.push_async_callback(self._past.close)
            self._ready.set()
            await self._stopping.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stopping.is_set():
            return
        error = None if task.cancelled() else task.exception()
        log.error("past_ended", shard=self._shard, exc_info=error)
        os._exit(1)

    async def ready(self) -> int:
        """Return the process id, once the past can be asked."""
        await self._ready.wait()
        return os.getpid()

    async def ask(self, query: PastQuery, timeout_s: float) -> Any:
        """Answer a query; a `MirixError` is returned, not raised: Ray would wrap it."""
        try:
            await self._ready.wait()
            assert self._past is not None  # set before `_ready`
            return await self._past.ask(query, timeout_s=timeout_s)
        except MirixError as error:
            return error

    async def stop(self) -> None:
        """Stop what is being worked out and close the connection."""
        self._stopping.set()
        await asyncio.gather(self._task, return_exceptions=True)
