"""The bounds on request bodies, before anything parses them: bytes, seconds, and how many at once.

Pure ASGI. Nothing is read from a client before the application asks for it, and a route asks only
when it knows the caller. From then on the whole body has to arrive within a deadline (408), be no
larger than the bound (413), and only half of the requests that a replica serves at a time may wait
for bodies (503): the other half stays for those that send none, such as health.

When an answer leaves a body unread, the answer goes out at once. What the client is still sending
is then read and dropped, within bounds: a client that writes its whole body first would otherwise
see a reset instead of the answer. The connection ends there, or its next request would start in the
middle of this one.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.errors import PayloadTooLarge, Unavailable
from serve.problems import RequestTimeout
from serve.settings import ServeSettings

#: How much of an unread body is read and dropped, as a multiple of the bound.
DRAIN_FACTOR = 8
#: How long an answer waits for the rest of a body that is already on its way.
GRACE_S = 0.05
#: How long a caller that is not known may go on sending after the answer.
STRANGER_LINGER_S = 1.0


class BodyLimit:
    """Gives every request a `Body`, through which alone its bytes are read."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app = app
        self._bytes_max = settings.body_bytes_max
        self._timeout_s = settings.body_timeout_s
        self._places = _Places(max(1, settings.ongoing_requests_max // 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body bounded."""
        if scope["type"] != "http" or not (body_size := _declared(scope)):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        body = Body(
            receive, send, state, self._places, bytes_max=self._bytes_max, timeout_s=self._timeout_s
        )
        body.refuses_all = body_size > self._bytes_max
        state["body"] = body
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            body.release()


class _Places:
    """How many requests may wait for bytes of their bodies at a time."""

    def __init__(self, free: int) -> None:
        self._free = free

    def take(self) -> bool:
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1


class Body:
    """One request's body on its way in, and the way out of an answer that left some of it unread.

    `refuses_all` is set when the client declared more than the bound.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        state: dict[str, object],
        places: _Places,
        *,
        bytes_max: int,
        timeout_s: float,
    ) -> None:
        self.refuses_all = False
        self._receive = receive
        self._send = send
        self._state = state
        self._places = places
        self._bytes_max = bytes_max
        self._timeout_s = timeout_s
        self._deadline_s = 0.0
        self._placed = False
        self._received = 0
        self._more = True

    def check_declared(self) -> None:
        """Refuse at once what is declared to be too large.

        Raises:
            PayloadTooLarge: it is.
        """
        if self.refuses_all:
            raise self._too_large()

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            PayloadTooLarge: the body has passed the bound.
            RequestTimeout: it did not arrive in time.
            Unavailable: too many requests are waiting for their bodies.
        """
        if not self._more:
            return await self._receive()
        self.check_declared()
        loop = asyncio.get_running_loop()
        if not self._deadline_s:
            self._deadline_s = loop.time() + self._timeout_s
        if not self._take_place():
            raise Unavailable("too many requests are waiting for their bodies; send it again")
        try:
            async with asyncio.timeout_at(self._deadline_s):
                message = await self._next()
        except TimeoutError as error:
            raise RequestTimeout(
                f"the body did not arrive within {self._timeout_s:g} s; send it again, faster"
            ) from error
        if self._received > self._bytes_max:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Send a message; when a body is left unread, the connection ends with the answer."""
        if message["type"] == "http.response.start" and self._more:
            await self._drain(GRACE_S)
            if self._more:
                MutableHeaders(scope=message)["Connection"] = "close"
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (last and self._more):
            await self._send(message)
            return
        # The client has its whole answer from here on; the connection waits for what it sends.
        await self._send({**message, "more_body": True})
        known = "caller" in self._state
        await self._drain(self._timeout_s if known else STRANGER_LINGER_S)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def release(self) -> None:
        """Let another request wait for its body."""
        if self._placed:
            self._places.give_back()
            self._placed = False

    async def _drain(self, timeout_s: float) -> None:
        """Read and drop the rest of the body, within bounds; not when its time is already up."""
        now_s = asyncio.get_running_loop().time()
        until_s = now_s + timeout_s
        if self._deadline_s:
            until_s = min(until_s, self._deadline_s)
        if until_s <= now_s or not self._take_place():
            return
        try:
            async with asyncio.timeout_at(until_s):
                while self._more and self._received <= DRAIN_FACTOR * self._bytes_max:
                    await self._next()
        except TimeoutError:
            return  # `_more` still says that there is something left

    def _take_place(self) -> bool:
        self._placed = self._placed or self._places.take()
        return self._placed

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._more = message.get("more_body", False)
        else:
            self._more = False
        if not self._more:
            self.release()
        return message

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than the limit of {self._bytes_max} bytes; send it in parts"
        )


def _declared(scope: Scope) -> int:
    """Return the length that a request declares: 0 without a body, 1 when it does not say."""
    size = 0
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:19])  # more digits than any bound; Python refuses thousands of them
        if name == b"transfer-encoding":
            size = 1
    return size
