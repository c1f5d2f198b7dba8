"""The bound on request bodies, before anything parses them.

Pure ASGI. A declared length over the bound is refused at once, an undeclared one when it is passed.
What a client is still sending is read and dropped, up to a few times the bound, before the answer
goes out: a client that writes its whole body first would otherwise see a reset instead of the 413,
and a kept connection would start its next request in the middle of this one.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.errors import PayloadTooLarge
from serve.problems import answer_error

#: How much of a refused body is read and dropped, as a multiple of the bound.
DRAIN_FACTOR = 8


class BodyLimit:
    """Refuses bodies over `bytes_max` with 413."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._bytes_max)
        declared = _declared_length(scope)
        if declared is None or declared <= self._bytes_max:
            await self._app(scope, body.receive, body.send)
            return
        await body.drain()
        request_id = scope.get("state", {}).get("request_id", "")
        answer = answer_error(_too_large(self._bytes_max), scope["path"], request_id)
        await answer(scope, receive, body.send)


class _Body:
    """Counts what comes in; says goodbye to a connection whose body was not read to its end."""

    def __init__(self, receive: Receive, send: Send, bytes_max: int) -> None:
        self._receive = receive
        self._send = send
        self._bytes_max = bytes_max
        self._received = 0
        self._more = True
        self._refused = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            PayloadTooLarge: the body has passed the bound; the rest of it was dropped.
        """
        message = await self._next()
        if self._received > self._bytes_max:
            await self.drain()
            raise _too_large(self._bytes_max)
        return message

    async def drain(self) -> None:
        """Read and drop the rest of the body, within bounds."""
        self._refused = True
        while self._more and self._received <= DRAIN_FACTOR * self._bytes_max:
            await self._next()

    async def send(self, message: Message) -> None:
        """Send a message; the connection ends with it when unread bytes are left on it."""
        if message["type"] == "http.response.start" and self._refused and self._more:
            MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._more = message.get("more_body", False)
        else:
            self._more = False
        return message


def _too_large(bytes_max: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the body is larger than the limit of {bytes_max} bytes; send it in parts"
    )


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
