"""One agent, whole: shell, answering half and ports put together, wherever it is hosted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.answerer import Answerer
from actors.deciders.table import decider_of
from actors.embedding import Embedder
from actors.execution import Execution
from actors.names import Agent
from actors.ports import EmbeddingService, Recall
from actors.queries import (
    AdoptState,
    CountAll,
    GetState,
    Query,
    RollBackState,
    SearchMemories,
)
from actors.readers import read
from actors.shell import Shell
from actors.swapping import Swapping
from actors.tools import LocalTools
from events.clock import system_clock
from events.errors import CommandRejected
from events.journal import Journal
from events.signals import Signals
from projections.snapshots import SnapshotStore

if TYPE_CHECKING:
    from actors.searching import Searcher


class AgentProcess:
    """Runs one agent of one shard and answers queries to it."""

    def __init__(
        self,
        agent: Agent,
        *,
        journal: Journal,
        signals: Signals,
        snapshots: SnapshotStore,
        embedding: EmbeddingService,
        recall: Recall,
        embedder: Embedder | None = None,
        snapshot_every_events: int = 20_000,
        snapshot_every_s: float = 3600.0,
        retry_wait_s: float = 0.2,
    ) -> None:
        """Put an agent together; `embedder` is needed for the search agent's questions only."""
        execution = Execution(
            embedding=embedding,
            answerer=Answerer(recall, signals, journal.shard),
            tools=LocalTools(recall, system_clock),
            retry_wait_s=retry_wait_s,
        )
        self.shell = Shell(
            decider=decider_of(agent, journal.codec.keys.fingerprint),
            journal=journal,
            signals=signals,
            snapshots=snapshots,
            execution=execution,
            snapshot_every_events=snapshot_every_events,
            snapshot_every_s=snapshot_every_s,
            retry_wait_s=retry_wait_s,
        )
        self._swapping = Swapping(
            self.shell,
            snapshots,
            lambda: decider_of(agent, journal.codec.keys.fingerprint).projection,
        )
        self.searcher: Searcher | None = None
        if agent == "search":
            if embedder is None:
                raise TypeError("the search agent needs an embedder for questions")
            from actors.searching import Searcher  # with its index; one agent of nine needs it

            self.searcher = Searcher(self.shell, journal, embedder)

    async def run(self) -> None:
        """Work until cancelled; raises what makes going on impossible."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.shell.run())
            if self.searcher is not None:
                group.create_task(self.searcher.run())

    async def ask(self, query: Query, *, min_position: int = 0, timeout_s: float = 10) -> Any:
        """Answer a query, once `min_position` is handled.

        Raises:
            NotFound: there is no such thing.
            CommandRejected: this agent does not answer such queries.
            DeadlineExceeded: the agent did not get to `min_position` in `timeout_s` seconds.
        """
        match query:
            case GetState():
                return await self.shell.state()
            case AdoptState(position=position):
                return await self._swapping.adopt(position, timeout_s)
            case RollBackState():
                return await self._swapping.roll_back(timeout_s)
        if self.searcher is None:
            shell = self.shell
            return await shell.on_state(
                lambda: read(shell.projection, query, shell.keys),
                min_position=min_position,
                timeout_s=timeout_s,
            )
        match query:
            case SearchMemories():
                return await self.searcher.search(
                    query, min_position=min_position, timeout_s=timeout_s
                )
            case CountAll():
                return await self.searcher.count(query)
            case _:
                raise CommandRejected(f"the search agent does not answer {type(query).__name__}")
