"""Signals over core NATS, on the connection of the log."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from events.errors import Unavailable
from events.signals import SignalQueue, check_pattern, check_subject

_PREFIX = "signals."


class NatsSignals:
    """Publishes and receives under `signals.`; at most once, and only to who listens now."""

    def __init__(self, client: Client, deadline_s: float) -> None:
        self._client = client
        self._deadline_s = deadline_s

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

        try:
            subscription = await self._client.subscribe(_PREFIX + subject, cb=receive)
            await self._client.flush(timeout=max(1, round(self._deadline_s)))
        except nats.errors.Error as error:
            raise Unavailable(f"no connection to listen to {subject} over ({error})") from error
        try:
            yield aiter(queue)
        finally:
            # A closed connection has no subscriptions left to end.
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()
