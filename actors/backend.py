"""The gateway's way to log and agents: what is the same over Ray and in one process.

Satisfies `serve.backend.Backend`; only `ask` differs, and is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import structlog

from actors.board import ProgressBoard
from actors.embedding import Embedded
from actors.gate import PositionGate
from actors.hearing import BEGINNING, Heard, Place
from actors.names import Agent
from actors.past.queries import PastQuery
from actors.ports import EmbeddingService
from actors.progress import (
    AgentStatus,
    AnswerPart,
    Unheard,
    answers_subject,
    cancel_subject,
    decode_answer_part,
    encode_signal,
)
from actors.queries import AnswerSoFar, Foresee, GetAnswerSoFar, Query
from events.catalogue import AssistantCreated, AssistantDeleted, MessageReceived, Payload
from events.envelope import NewEvent
from events.errors import MirixError, Unavailable
from events.ids import shard_of
from events.journal import Batch, Journal
from events.signals import Signals
from projections.directory import DirectoryProjection

log = structlog.get_logger(__name__)

#: How long to listen in vain before the chat agent is asked how far the answer is.
SILENCE_S = 1.0
#: How long a change of a profile may take to be known here; the change itself is safe.
DIRECTORY_WAIT_S = 2.0


Caused = TypeVar("Caused", bound=Payload)


class Ask(Protocol):
    """Puts a query to an agent of a shard."""

    def __call__(
        self, shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
    ) -> Awaitable[Any]:
        """Return the agent's answer."""
        ...


class AskThePast(Protocol):
    """Puts a query about the past to the historian of a shard."""

    def __call__(self, shard: int, query: PastQuery, timeout_s: float) -> Awaitable[Any]:
        """Return the answer."""
        ...


class AgentsBackend:
    """Appends to the journals, asks the agents, and listens to what they tell."""

    def __init__(
        self,
        journals: Sequence[Journal],
        signals: Signals,
        ask: Ask,
        ask_past: AskThePast,
        embedding: EmbeddingService | None = None,
    ) -> None:
        self._journals = journals
        self._signals = signals
        self._ask = ask
        self._ask_past = ask_past
        self._embedding = embedding
        self._board = ProgressBoard(signals, len(journals))
        self._directories = [DirectoryProjection() for _ in journals]
        self._followed = [PositionGate() for _ in journals]
        self._tasks: list[asyncio.Task[None]] = []
        self._foreseeing: set[asyncio.Task[None]] = set()

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self._journals)

    async def start(self) -> None:
        """Read who may come in, then keep following; call once, in the serving event loop."""
        self._tasks.append(asyncio.create_task(self._board.run()))
        for journal, directory in zip(self._journals, self._directories, strict=True):
            end = await journal.last_position()
            for kind in sorted(directory.kinds):
                # One kind at a time is read by its subject: quick however long the log is.
                async for event in journal.read(0, end, frozenset({kind})):
                    directory.apply(event)
            self._tasks.append(asyncio.create_task(self._follow(journal, directory, end)))

    async def _follow(self, journal: Journal, directory: DirectoryProjection, end: int) -> None:
        followed = self._followed[journal.shard]
        followed.advance(end)
        async for batch in journal.follow(after=end, kinds=directory.kinds):
            for event in batch.events:
                directory.apply(event)
            followed.advance(batch.through)

    def check(self) -> None:
        """Raise what ended one of the background tasks; a replica that fails this is replaced."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """End the background tasks."""
        tasks = [*self._tasks, *self._foreseeing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def append(self, shard: int, events: Sequence[NewEvent]) -> tuple[int, ...]:
        """Append events atomically and durably; return their positions."""
        positions = await self._journals[shard].append(events)
        if any(isinstance(event.payload, AssistantCreated | AssistantDeleted) for event in events):
            # Who made or deleted a profile through this gateway finds it so here at once.
            with suppress(TimeoutError):
                async with asyncio.timeout(DIRECTORY_WAIT_S):
                    await self._followed[shard].wait_for(max(positions))
        return positions

    async def ask(
        self,
        shard: int,
        agent: Agent,
        query: Query,
        *,
        min_position: int = 0,
        timeout_s: float = 10,
    ) -> Any:
        """Ask an agent's projection, once it has applied `min_position`."""
        return await self._ask(shard, agent, query, min_position, timeout_s)

    def foresee(self, shard: int, event: NewEvent, message: MessageReceived) -> None:
        """Let the search for an answer begin while its message is on the way into the log."""
        coming = Foresee(user=event.user, tenant=event.tenant, message=message)
        telling = asyncio.create_task(self._foresee(shard, coming))
        self._foreseeing.add(telling)
        telling.add_done_callback(self._foreseeing.discard)

    async def _foresee(self, shard: int, coming: Foresee) -> None:
        try:
            await self.ask(shard, "search", coming)
        except MirixError as error:
            # Then the search begins when the search agent reads the message.
            log.debug("search_not_foreseen", error=error.message)

    async def ask_past(self, shard: int, query: PastQuery, *, timeout_s: float = 60) -> Any:
        """Ask about the past of a shard."""
        return await self._ask_past(shard, query, timeout_s)

    async def follow(
        self, shard: int, *, after: int, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield what is appended to a shard after a position, for ever; close the iterator."""
        async with aclosing(self._journals[shard].follow(after=after, kinds=kinds)) as batches:
            async for batch in batches:
                yield batch

    async def brought_about(
        self, shard: int, event: NewEvent, kind: type[Caused], *, after: int, until: int
    ) -> Caused | None:
        """Return the payload of `kind` that `event` brought about, or None; between positions."""
        # Read by its subject: only what is of this kind and this user, however long the log is.
        kinds = frozenset({kind.__name__})
        found = self._journals[shard].read(after, until, kinds, user=event.user)
        async with aclosing(found):
            async for one in found:
                if one.envelope.causation_id == event.event_id and isinstance(one.payload, kind):
                    return one.payload
        return None

    async def wait_handled(
        self, shard: int, position: int, *, user: str = "", first: int = 0, timeout_s: float = 30
    ) -> int:
        """Wait until all nine agents have handled `position` and what came of it."""
        return await self._board.wait_handled(shard, position, timeout_s, user=user, first=first)

    @asynccontextmanager
    async def listen(
        self, shard: int, user: str, message_id: str, *, after: Place | None = None
    ) -> AsyncIterator[AsyncIterator[AnswerPart]]:
        """Listen to the answer to a message; with `after`, to one that is already being made."""
        # One subscription for both: its parts, and that another listener went away.
        async with self._signals.subscribe(f"signals.*.{shard}.{message_id}") as told:
            yield self._parts(shard, user, message_id, told, after)

    async def _parts(
        self,
        shard: int,
        user: str,
        message_id: str,
        told: AsyncIterator[tuple[str, bytes]],
        after: Place | None,
    ) -> AsyncIterator[AnswerPart]:
        """Yield the parts up to `complete` or `error`, the content without gaps.

        Signals can be lost, with the agent or the connection; the answer itself cannot. After a
        silence or a gap the chat agent is asked how far it is. It is asked as well when another
        listener goes away: who asks, listens.
        """
        heard = Heard(after or BEGINNING)
        news = () if after is None else await self._caught_up(shard, user, message_id, heard)
        while True:
            for part in news:
                yield part
            if heard.ended:
                return
            try:
                async with asyncio.timeout(SILENCE_S):
                    subject, body = await anext(told)
            except TimeoutError:
                follows = None
            else:
                is_part = subject == answers_subject(shard, message_id)
                follows = heard.hear(decode_answer_part(body)) if is_part else None
            if follows is None:
                follows = await self._caught_up(shard, user, message_id, heard)
            news = follows

    async def _caught_up(
        self, shard: int, user: str, message_id: str, heard: Heard
    ) -> tuple[AnswerPart, ...]:
        """Return what a listener lacks; nothing when that cannot be known at the moment."""
        try:
            return heard.catch_up(await self.answer_so_far(shard, user, message_id))
        except Unavailable as error:
            log.debug("answer_not_asked", error=error.message)
            return ()

    async def answer_so_far(self, shard: int, user: str, message_id: str) -> AnswerSoFar:
        """Return how far the answer to a message is."""
        query = GetAnswerSoFar(user=user, message_id=message_id)
        so_far: AnswerSoFar = await self.ask(shard, "chat", query)
        return so_far

    async def unheard(self, shard: int, message_id: str, grace_s: float) -> None:
        """Tell the chat agent that nobody waits for an answer, unless somebody asks in time."""
        signal = encode_signal(Unheard(grace_s=grace_s))
        try:
            await self._signals.publish(cancel_subject(shard, message_id), signal)
        except Unavailable as error:
            # Then the answer is made for nobody: it costs its tokens and is in the log.
            log.debug("unheard_not_told", error=error.message)

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them."""
        if self._embedding is None:
            raise Unavailable("this gateway has no way to the embedder")
        return await self._embedding.embed(texts)

    async def service_keys(self) -> dict[str, tuple[str, str]]:
        """Return the service keys in use: keyed digest -> (key id, tenant)."""
        return {
            key.digest: (key.key_id, key.tenant)
            for directory in self._directories
            for key in directory.keys.values()
        }

    async def is_registered(self, user: str) -> bool:
        """Say whether a `UserRegistered` of this internal id is in the log."""
        return user in self._directories[shard_of(user, self.shards)].people

    async def is_assistant(self, shard: int, tenant: str, assistant_id: str) -> bool:
        """Say whether an organisation has an assistant profile of this id, as far as known here."""
        return self._directories[shard].assistants.get(assistant_id) == tenant

    async def status(self) -> tuple[AgentStatus, ...]:
        """Return how far each agent of each shard is."""
        return self._board.status()

    async def last_position(self, shard: int) -> int:
        """Return the end of a shard's log."""
        return await self._journals[shard].last_position()
