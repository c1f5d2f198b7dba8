"""Signals: messages that nobody needs tomorrow (tokens of an answer, progress of an agent).

Steps 6 and 7 of the message path. They are not events: a subscriber that is away misses them, one
that is slow loses the oldest, and what matters is in the log anyway. One who is asked answers who
asks, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

import structlog

from events.errors import DeadlineExceeded, Unavailable
from events.subjects import pattern, token

#: Signals that one subscriber may have waiting; the oldest are dropped beyond it.
WAITING_MAX = 4096
#: Questions that one who answers may have before it; who asks beyond it is told so.
ANSWERING_MAX = 1024

#: Returns the answer to a question; an empty one says that there is none this way.
Answerer: TypeAlias = Callable[[bytes], Awaitable[bytes]]

_log = structlog.get_logger()


class Signals(Protocol):
    """Publishes and receives ephemeral messages under dotted subjects."""

    async def publish(self, subject: str, body: bytes) -> None:
        """Send `body` to those who listen now, at most once.

        Raises:
            CommandRejected: the subject is not one.
            Unavailable: there is no connection.
        """
        ...

    def subscribe(
        self, subject: str
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, bytes]]]:
        """Listen while the context lasts: yields (subject, body) pairs.

        `*` stands for one token, a last `>` for all the rest. What is published after the context
        was entered arrives, in order, until `WAITING_MAX` wait; then the oldest are dropped.
        """
        ...

    async def ask(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        """Return the answer of the one who answers under a subject.

        Raises:
            CommandRejected: the subject is not one.
            DeadlineExceeded: there was no answer in `timeout_s` seconds.
            Unavailable: nobody answers there, or has no answer this way; there is no connection.
        """
        ...

    def answer(self, subject: str, answerer: Answerer) -> AbstractAsyncContextManager[None]:
        """Answer what is asked under a subject while the context lasts, many at a time.

        `answerer` does not raise. An answer that is too large to be sent is as good as none.
        """
        ...


class SignalQueue:
    """A subscriber's bounded queue: never blocks who publishes, drops the oldest."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING_MAX)
        self.dropped = 0

    def put(self, subject: str, body: bytes) -> None:
        """Add a signal, in place of the oldest when the queue is full."""
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("signals_dropped", subject=self._subject, waiting_max=WAITING_MAX)
        self._queue.put_nowait((subject, body))

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield signals for ever."""
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        """Return the next signal; who gives up waiting for it can wait again."""
        return await self._queue.get()


class MemorySignals:
    """The twin of `nats_signals.NatsSignals`, within one event loop."""

    def __init__(self) -> None:
        self._listeners: list[tuple[str, SignalQueue]] = []
        self._answerers: dict[str, Answerer] = {}

    async def publish(self, subject: str, body: bytes) -> None:
        """Hand `body` to the queues that listen."""
        check_subject(subject)
        for wanted, queue in self._listeners:
            if matches(wanted, subject):
                queue.put(subject, body)

    @asynccontextmanager
    async def subscribe(self, subject: str) -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        """Listen while the context lasts."""
        check_pattern(subject)
        listener = (subject, SignalQueue(subject))
        self._listeners.append(listener)
        try:
            yield aiter(listener[1])
        finally:
            self._listeners.remove(listener)

    async def ask(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        """Return the answer of the one who answers under a subject."""
        check_subject(subject)
        answerer = self._answerers.get(subject)
        if answerer is None:
            raise Unavailable(f"nobody answers {subject}")
        try:
            async with asyncio.timeout(timeout_s):
                answer = await answerer(body)
        except TimeoutError as error:
            raise too_late(subject, timeout_s) from error
        return given(subject, answer)

    @asynccontextmanager
    async def answer(self, subject: str, answerer: Answerer) -> AsyncIterator[None]:
        """Answer what is asked while the context lasts."""
        check_subject(subject)
        self._answerers[subject] = answerer
        try:
            yield
        finally:
            del self._answerers[subject]


def given(subject: str, answer: bytes) -> bytes:
    """Return an answer, or raise `Unavailable` where it is empty."""
    if not answer:
        raise Unavailable(f"{subject} cannot be answered this way")
    return answer


def too_late(subject: str, timeout_s: float) -> DeadlineExceeded:
    """Return the error of a question without an answer in time."""
    return DeadlineExceeded(f"{subject} was not answered in {timeout_s:g} s; ask again")


def check_subject(subject: str) -> None:
    """Raise `CommandRejected` unless every token of `subject` is one."""
    for part in subject.split("."):
        token(part)


def check_pattern(subject: str) -> None:
    """Raise `CommandRejected` unless `subject` is a subject, with `*` and a last `>` allowed."""
    for part in subject.removesuffix(".>").split("."):
        if subject != ">":
            pattern(part)


def matches(wanted: str, subject: str) -> bool:
    """Return whether `subject` is among those that `wanted` stands for."""
    wants, parts = wanted.split("."), subject.split(".")
    if wants[-1] == ">":
        wants = wants[:-1]
        if len(parts) <= len(wants):
            return False
        parts = parts[: len(wants)]
    return len(wants) == len(parts) and all(
        want in ("*", part) for want, part in zip(wants, parts, strict=True)
    )
