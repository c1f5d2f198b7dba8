"""The backend's twin for the gateway's tests: log and nine agents as lists and dictionaries.

It obeys the contract of `serve.backend.Backend`: appends are atomic and repeat-safe, `ask` waits
for no one because everything is applied at once, `listen` tells the parts of an answer. The past of
the agents is their twins over the beginning of the log; the past of the log is the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from actors.embedding import Embedded, HashEmbedder
from actors.embedding_queue import LocalEmbedding
from actors.hearing import BEGINNING, Heard, Place
from actors.names import AGENTS, Agent
from actors.past.past import Past
from actors.past.queries import AskPast, PastQuery, Recalled
from actors.progress import AgentStatus, AnswerPart
from actors.queries import AnswerSoFar, GetMessage, Query
from events.catalogue import (
    MemoryChangeRejected,
    MessageReceived,
    ServiceKeyIssued,
    UserRegistered,
)
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import NewEvent
from events.errors import DeadlineExceeded, Unavailable
from events.journal import Batch, Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.snapshots import NoSnapshots
from tests.unit.fakes.gateway_agents import NOW, FakeAgents


class FakeBackend(FakeAgents):
    """Everything that a gateway needs, in one object.

    `down` makes every method raise `Unavailable`, `stalled` lets no agent get anywhere, `mute`
    loses the answers, `endless` hides the end of the log, `dead` names agents that do not live,
    `stubborn` makes owners reject all. `lost` is what ends those who follow the log, `following`
    how many of them there are, `end_reads` how often somebody asked for the end of the log.
    """

    def __init__(self, shards: int = 1) -> None:
        super().__init__(shards)
        self.shards = shards
        self.batches: list[tuple[NewEvent, ...]] = []
        self.down = self.stalled = False
        self.foreseen: list[tuple[str, str]] = []
        self.dead: set[str] = set()
        self.key_reads = self.end_reads = 0
        self.endless = False
        self.asked: list[tuple[int, str, Query, int]] = []
        self.broken: Exception | None = None
        self.asked_past: list[tuple[int, PastQuery, float]] = []
        codec = Codec(KeyRing(MemoryKeyStore(b"m" * 32)))
        self._journals = [
            Journal(MemoryLog(shard), codec, FixedClock(NOW)) for shard in range(shards)
        ]
        self._written = [0] * shards
        self.unheard_of: list[tuple[str, float]] = []
        self.following = 0
        self.lost: Exception | None = None

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
        if self.following:
            await self._journal(shard)
        return tuple(positions)

    async def _journal(self, shard: int) -> Journal:
        """Return a real journal of the shard's events; it is written when somebody reads it."""
        events = self.logs[shard][self._written[shard] :]
        self._written[shard] += len(events)
        if events:
            await self._journals[shard].append(events)
        return self._journals[shard]

    async def ask_past(self, shard: int, query: PastQuery, *, timeout_s: float = 60) -> Any:
        """Answer from the log; what agents would have answered, from twins of them."""
        self._up()
        self.asked_past.append((shard, query, timeout_s))
        embedding = LocalEmbedding(HashEmbedder())
        journal = await self._journal(shard)
        past = Past(journal, snapshots=NoSnapshots(), embedding=embedding, keys=journal.codec.keys)
        if not isinstance(query, AskPast):
            return await past.ask(query)
        position = await past.position_at(query.as_of)
        then = FakeAgents(self.shards)
        then.logs[shard] = self.logs[shard][:position]
        for at, event in enumerate(then.logs[shard], start=1):
            then._apply(shard, event, at)
        return Recalled(position=position, answer=then._answer(shard, query.agent, query.query))

    async def follow(
        self, shard: int, *, after: int, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield what is appended behind a position, until the log is lost."""
        self._up()
        self.following += 1
        try:
            journal = await self._journal(shard)
            async with aclosing(journal.follow(after=after, kinds=kinds)) as batches:
                async for batch in batches:
                    if self.lost is not None:
                        raise self.lost
                    yield batch
        finally:
            self.following -= 1

    def foresee(self, shard: int, event: NewEvent, message: MessageReceived) -> None:
        """Note which message is coming: no search takes time here."""
        self.foreseen.append((event.event_id, message.message_id))

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
        if min_position > (0 if self.stalled else len(self.logs[shard])):
            raise DeadlineExceeded(f"{agent} did not reach {min_position} in {timeout_s} s")
        return self._answer(shard, agent, query)

    async def wait_handled(
        self, shard: int, position: int, *, user: str = "", first: int = 0, timeout_s: float = 30
    ) -> int:
        """Everything is handled at once, unless stalled."""
        self._up()
        if self.stalled:
            raise DeadlineExceeded(f"position {position} was not handled in {timeout_s} s")
        return len(self.logs[shard])

    async def brought_about(
        self, shard: int, event: NewEvent, kind: type[Any], *, after: int, until: int
    ) -> Any:
        """Every change is made at once, unless the owners are stubborn; they say so."""
        self._up()
        if not self.stubborn:
            return None if kind is MemoryChangeRejected else event.payload
        if kind is not MemoryChangeRejected:
            return None
        about = {"tier": "semantic", "memory_id": event.entity, "request_id": event.event_id}
        return MemoryChangeRejected(**about, reason="cannot: they are stubborn")

    @asynccontextmanager
    async def listen(
        self, shard: int, user: str, message_id: str, *, after: Place | None = None
    ) -> AsyncIterator[AsyncIterator[AnswerPart]]:
        """Yield the parts that are told while the context lasts, or that were told before."""
        self._up()
        queue = asyncio.Queue[AnswerPart]()
        if after is not None:
            so_far = await self.answer_so_far(shard, user, message_id)
            for part in Heard(after or BEGINNING).catch_up(so_far):
                queue.put_nowait(part)

        async def parts() -> AsyncIterator[AnswerPart]:
            while True:
                yield await queue.get()

        self._listeners.append((message_id, queue))
        try:
            yield parts()
        finally:
            self._listeners.remove((message_id, queue))

    async def answer_so_far(self, shard: int, user: str, message_id: str) -> AnswerSoFar:
        """Every answer is given at once, or never."""
        query = GetMessage(user=user, message_id=f"ans_{message_id}")
        answer = await self.ask(shard, "chat", query)
        return AnswerSoFar(state="unknown" if answer is None else "given", answer=answer)

    async def unheard(self, shard: int, message_id: str, grace_s: float) -> None:
        """Note it: there is nothing to give up."""
        self.unheard_of.append((message_id, grace_s))

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Embed by the twin's hashes."""
        self._up()
        return await LocalEmbedding(HashEmbedder()).embed(texts)

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

    async def is_assistant(self, shard: int, tenant: str, assistant_id: str) -> bool:
        """Know none: the chat agent is asked, as for one that was just made."""
        self._up()
        return False

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
        """Return the end of a log, unless it is away."""
        self._up()
        self.end_reads += 1
        if self.endless:
            raise Unavailable("the log cannot be reached; try again")
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
