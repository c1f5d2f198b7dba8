"""The port from the gateway to the log and the nine agents.

Everything that an endpoint does is one of ten things: append events, ask an agent, ask the past,
follow the log, wait until a position has been handled, see what came of an event, let an answer be
foreseen, listen to it as it is made (or stop listening), embed texts, look at health.
`actors.backend` implements it over Ray and in one process (tests); the gateway knows neither.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from actors.embedding import Embedded
from actors.hearing import Place
from actors.names import Agent
from actors.past.queries import PastQuery
from actors.progress import AgentStatus, AnswerPart
from actors.queries import AnswerSoFar, Query
from events.catalogue import MessageReceived, Payload
from events.envelope import NewEvent
from events.journal import Batch

Caused = TypeVar("Caused", bound=Payload)


class Backend(Protocol):
    """The log and the agents, as the gateway needs them. All methods may raise `Unavailable`."""

    @property
    def shards(self) -> int:
        """How many shards there are; a user's is `events.ids.shard_of(user, shards)`."""
        ...

    async def append(self, shard: int, events: Sequence[NewEvent]) -> tuple[int, ...]:
        """Append events atomically and durably; return their positions."""
        ...

    async def ask(
        self,
        shard: int,
        agent: Agent,
        query: Query,
        *,
        min_position: int = 0,
        timeout_s: float = 10,
    ) -> Any:
        """Ask an agent's projection, once it has applied `min_position`.

        Raises:
            NotFound: there is no such thing (or not this user's).
            DeadlineExceeded: the projection did not get to `min_position` in time.
        """
        ...

    def foresee(self, shard: int, event: NewEvent, message: MessageReceived) -> None:
        """Let the search for the answer to a message begin while its event is being appended.

        Nothing waits for it, and nothing is lost without it.
        """
        ...

    async def ask_past(self, shard: int, query: PastQuery, *, timeout_s: float = 60) -> Any:
        """Ask about the past of a shard.

        Raises:
            CommandRejected: a position that is not in the log.
            NotFound: there is no such thing, or not for this user or tenant.
            DeadlineExceeded: the state could not be rebuilt in time.
        """
        ...

    def follow(
        self, shard: int, *, after: int, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield what is appended to a shard after a position, for ever; close the iterator.

        With `kinds`, only events of these types are opened; batches come all the same.
        """
        ...

    async def brought_about(
        self, shard: int, event: NewEvent, kind: type[Caused], *, after: int, until: int
    ) -> Caused | None:
        """Return the payload of `kind` that `event` brought about, or None; between positions.

        `after` is where `event` itself is, `until` a position through which it has been handled.
        """
        ...

    async def wait_handled(
        self, shard: int, position: int, *, user: str = "", first: int = 0, timeout_s: float = 30
    ) -> int:
        """Wait until all nine agents have handled `position` and what came of it can be found.

        What others than `user` said before may still be in the works, and so may an answer to what
        was said before `first`.

        Returns the position that they reached.

        Raises:
            DeadlineExceeded: they did not get there in time; the work goes on.
        """
        ...

    def listen(
        self, shard: int, user: str, message_id: str, *, after: Place | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[AnswerPart]]:
        """Listen to the answer to a message; enter before appending the message.

        With `after`, to an answer that is already being made, or made: from that place on. The
        content comes without gaps; where it starts over, a `thinking` part at offset 0 says so.
        """
        ...

    async def answer_so_far(self, shard: int, user: str, message_id: str) -> AnswerSoFar:
        """Return how far the answer to a message is."""
        ...

    async def unheard(self, shard: int, message_id: str, grace_s: float) -> None:
        """Tell the chat agent that nobody listens any more: after `grace_s` it gives the answer up.

        Unless somebody asks how far it is, or still listens. Never raises `Unavailable`.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them."""
        ...

    async def service_keys(self) -> dict[str, tuple[str, str]]:
        """Return the service keys in use: keyed digest -> (key id, tenant)."""
        ...

    async def is_registered(self, user: str) -> bool:
        """Say whether a `UserRegistered` of this (internal) user id is in the log."""
        ...

    async def is_assistant(self, shard: int, tenant: str, assistant_id: str) -> bool:
        """Say whether an organisation has this assistant profile; a new one may not be known yet.

        No hop: for those who would otherwise ask the chat agent before every message.
        """
        ...

    async def status(self) -> tuple[AgentStatus, ...]:
        """Return how far each agent of each shard is."""
        ...

    async def last_position(self, shard: int) -> int:
        """Return the end of a shard's log."""
        ...

    def check(self) -> None:
        """Raise what ended one of the backend's own tasks; a replica that raises is replaced."""
        ...


__all__ = ["AgentStatus", "AnswerPart", "Backend"]
