"""The backend's twin for the gateway's tests: log and nine agents as lists and dictionaries.

It obeys the contract of `serve.backend.Backend`: appends are atomic and repeat-safe, `ask` waits
for no one because everything is applied at once, `listen` tells the parts of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.names import AGENTS, Agent
from actors.progress import AgentStatus, AnswerPart
from actors.queries import (
    Query,
)
from events.catalogue import (
    ServiceKeyIssued,
    UserRegistered,
)
from events.envelope import NewEvent
from events.errors import DeadlineExceeded, Unavailable
from tests.unit.fakes.gateway_agents import FakeAgents


class FakeBackend(FakeAgents):
    """Everything that a gateway needs, in one object.

    `down` makes every method raise `Unavailable`, `stalled` lets no agent get anywhere, `mute`
    loses the answers, `dead` names agents that do not live, `stubborn` makes owners reject all.
    """

    def __init__(self, shards: int = 1) -> None:
        super().__init__(shards)
        self.shards = shards
        self.batches: list[tuple[NewEvent, ...]] = []
        self.down = self.stalled = False
        self.dead: set[str] = set()
        self.key_reads = 0
        self.asked: list[tuple[int, str, Query, int]] = []
        self.broken: Exception | None = None

    async def append(self, shard: int, events: Sequence[NewEvent]) -> tuple[int, ...]:
        """Append all or none; events that are there already keep their positions."""
        self._up()
        ids = [event.event_id for event in events]
        assert len(set(ids)) == len(ids), "a batch holds an event twice"
        log = self.logs[shard]
        self.batches.append(tuple(events))
        known = {event.event_id: position for position, event in enumerate(log, start=1)}
        positions = []
        for event in events:
            if event.event_id not in known:
                log.append(event)
                known[event.event_id] = len(log)
                self._apply(shard, event, len(log))
            positions.append(known[event.event_id])
        return tuple(positions)

    async def ask(
        self,
        shard: int,
        agent: Agent,
        query: Query,
        *,
        min_position: int = 0,
        timeout_s: float = 10,
    ) -> Any:
        """Answer from the dictionaries."""
        self._up()
        self.asked.append((shard, agent, query, min_position))
        if min_position > len(self.logs[shard]):
            raise DeadlineExceeded(f"{agent} did not reach {min_position} in {timeout_s} s")
        return self._answer(shard, agent, query)

    async def wait_handled(self, shard: int, position: int, *, timeout_s: float = 30) -> int:
        """Everything is handled at once, unless stalled."""
        self._up()
        if self.stalled:
            raise DeadlineExceeded(f"position {position} was not handled in {timeout_s} s")
        return len(self.logs[shard])

    async def brought_about(
        self, shard: int, event: NewEvent, kind: type, *, after: int, until: int
    ) -> bool:
        """Every change is made at once, unless the owners are stubborn."""
        self._up()
        return not self.stubborn

    @asynccontextmanager
    async def listen(
        self, shard: int, user: str, message_id: str
    ) -> AsyncIterator[AsyncIterator[AnswerPart]]:
        """Yield the parts that are told while the context lasts."""
        self._up()
        queue = self._listeners[message_id] = asyncio.Queue()

        async def parts() -> AsyncIterator[AnswerPart]:
            while True:
                yield await queue.get()

        try:
            yield parts()
        finally:
            del self._listeners[message_id]

    async def service_keys(self) -> dict[str, tuple[str, str]]:
        """Read the keys in the first shard."""
        self._up()
        self.key_reads += 1
        return {
            event.payload.digest: (event.payload.key_id, event.tenant)
            for event in self.logs[0]
            if isinstance(event.payload, ServiceKeyIssued)
        }

    async def is_registered(self, user: str) -> bool:
        """Look for the registration."""
        self._up()
        return any(
            isinstance(event.payload, UserRegistered) and event.user == user
            for log in self.logs
            for event in log
        )

    async def status(self) -> tuple[AgentStatus, ...]:
        """All agents are at the end of the log, unless stalled or dead."""
        self._up()
        return tuple(
            AgentStatus(
                shard=shard,
                agent=agent,
                through=0 if self.stalled else len(log),
                alive=agent not in self.dead,
            )
            for shard, log in enumerate(self.logs)
            for agent in AGENTS
        )

    async def last_position(self, shard: int) -> int:
        """Return the end of a log."""
        self._up()
        return len(self.logs[shard])

    def check(self) -> None:
        """There are no tasks to check."""

    @property
    def listeners(self) -> int:
        """How many are listening now."""
        return len(self._listeners)

    def payloads(self, kind: type) -> list[Any]:
        """Return all payloads of a kind."""
        return [e.payload for log in self.logs for e in log if isinstance(e.payload, kind)]

    def _up(self) -> None:
        if self.broken is not None:
            raise self.broken
        if self.down:
            raise Unavailable("the log cannot be reached; try again")
