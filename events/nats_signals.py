"""Signals over core NATS, on the connection of the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import nats.errors
import structlog
from nats.aio.msg import Msg

from events.errors import Unavailable
from events.jetstream_api import JetStreamApi
from events.signals import (
    ANSWERING_MAX,
    Answerer,
    SignalQueue,
    check_pattern,
    check_subject,
    given,
    too_late,
)

_PREFIX = "signals."

_log = structlog.get_logger()


class NatsSignals:
    """Publishes and receives under `signals.`; at most once, and only to who listens now."""

    def __init__(self, api: JetStreamApi) -> None:
        self._api = api
        self._client = api.client
        self._deadline_s = api.deadline_s

    async def publish(self, subject: str, body: bytes) -> None:
        """Send `body` to those who listen now.

        Raises:
            CommandRejected: the subject is not one.
            Unavailable: there is no connection.
        """
        check_subject(subject)
        if not self._client.is_connected:
            raise Unavailable(f"no connection for signal {subject}")
        try:
            await self._client.publish(_PREFIX + subject, body)
        except nats.errors.Error as error:
            raise Unavailable(f"signal {subject} was not sent ({error})") from error

    @contextlib.asynccontextmanager
    async def subscribe(self, subject: str) -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        """Listen while the context lasts; the server knows of it when the context is entered.

        Raises:
            CommandRejected: the subject is not one.
            Unavailable: there is no connection.
        """
        check_pattern(subject)
        queue = SignalQueue(subject)

        async def receive(message: Msg) -> None:
            queue.put(message.subject.removeprefix(_PREFIX), message.data)

        async with self._listening(subject, receive):
            yield aiter(queue)

    async def ask(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        """Return the answer of the one who answers under a subject.

        Raises:
            CommandRejected: the subject is not one.
            DeadlineExceeded: there was no answer in `timeout_s` seconds.
            Unavailable: nobody answers there, or has no answer this way; there is no connection.
        """
        check_subject(subject)
        try:
            reply = await self._api.request(_PREFIX + subject, body, deadline_s=timeout_s)
        except Unavailable as error:
            if isinstance(error.__cause__, nats.errors.TimeoutError):
                raise too_late(subject, timeout_s) from error
            raise
        return given(subject, reply.data)

    @contextlib.asynccontextmanager
    async def answer(self, subject: str, answerer: Answerer) -> AsyncIterator[None]:
        """Answer what is asked while the context lasts; the server knows of it once entered.

        Raises:
            CommandRejected: the subject is not one.
            Unavailable: there is no connection.
        """
        check_subject(subject)
        answering: set[asyncio.Task[None]] = set()

        async def asked(message: Msg) -> None:
            if len(answering) >= ANSWERING_MAX:
                await self._respond(message, b"")
                return
            # The next question is not to wait for the answer to this one.
            task = asyncio.create_task(self._answer(message, answerer))
            answering.add(task)
            task.add_done_callback(answering.discard)

        try:
            async with self._listening(subject, asked):
                yield
        finally:
            for task in tuple(answering):
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _listening(
        self, subject: str, receive: Callable[[Msg], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Receive what is sent while the context lasts; the server knows of it once entered.

        Raises:
            Unavailable: there is no connection.
        """
        subscription = None
        try:
            try:
                subscription = await self._client.subscribe(_PREFIX + subject, cb=receive)
                await self._client.flush(timeout=max(1, round(self._deadline_s)))
            except nats.errors.Error as error:
                raise Unavailable(f"no connection to listen to {subject} ({error})") from error
            yield
        finally:
            # One that was given up would come to life when the connection is back. A closed
            # connection has no subscriptions left to end.
            if subscription is not None:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()

    async def _answer(self, message: Msg, answerer: Answerer) -> None:
        await self._respond(message, await answerer(message.data))

    async def _respond(self, message: Msg, answer: bytes) -> None:
        if len(answer) > self._client.max_payload:
            answer = b""
        try:
            await message.respond(answer)
        except nats.errors.Error as error:
            # Who asked hears of the lost connection, too.
            _log.debug("answer_not_sent", subject=message.subject, error=repr(error))
