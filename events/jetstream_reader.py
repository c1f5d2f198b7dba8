"""Reading a stream: an ordered consumer over pull requests, so that the reader sets the pace.

Rules:
- One request is out at a time and its messages and bytes are bounded; the next one goes out when
  less than half a window waits to be read. So a slow reader neither loses messages (a push consumer
  drops what passes the pending limits) nor fills the memory.
- Each message carries two numbers. The consumer's number is without gaps as long as nothing was
  lost on the way; when it jumps, or the server falls silent, the consumer is made anew behind the
  last position that was read. The stream's number is without gaps as long as the *log* lost nothing
  (nothing is ever deleted); when it jumps while the other does not, the log is corrupt.
- A new consumer is made only after the end of the stream was compared with what was already read.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Sequence

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from events.errors import CorruptLog, Unavailable
from events.jetstream_api import JetStreamApi, Refused
from events.log import Record

_WINDOW_MESSAGES = 1000
_WINDOW_BYTES = 8 * 1024 * 1024
_EXPIRES_S = 30.0
_HEARTBEAT_S = 0.5
_SILENCE_S_MAX = 3 * _HEARTBEAT_S
#: Seconds after which the server drops a consumer that nobody asks.
_INACTIVE_S = 60.0
_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 1.0

_log = structlog.get_logger()


class ReaderLost(Unavailable):
    """This consumer is of no more use; a new one goes on from the last position."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Records that were read together, and how many of the stream's were behind the last one."""

    records: Sequence[Record]
    left: int


class PullReader:
    """One ephemeral consumer, from its creation until it is lost or closed."""

    def __init__(self, api: JetStreamApi, stream: str, subject: str, after: int) -> None:
        self._api = api
        self._stream = stream
        self._subject = subject
        self._after = after
        self._name = f"r{secrets.token_hex(12)}"
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._arrived = asyncio.Event()
        self._buffer: deque[tuple[Record, int]] = deque()
        self._delivered = 0
        self._wanted = 0
        self._heard_at = 0.0
        self._lost = ""
        self._loop = asyncio.get_running_loop()
        #: Messages that the consumer had before it when it was made.
        self.left_at_start = 0

    async def open(self) -> None:
        """Make the consumer and listen for it.

        Raises:
            Unavailable: the server is away.
            CorruptLog: the stream ends before the position to read after, or has holes.
        """
        self._api.on_lost.add(self._interrupt)
        state = await self._api.stream_state(self._stream)
        if state.last_seq < self._after:
            raise CorruptLog(
                f"stream {self._stream} ends at {state.last_seq}, but {self._after} was read "
                "before; it lost records: restore it from a backup",
                state.last_seq + 1,
            )
        client = self._api.client
        self._inbox = client.new_inbox()
        try:
            self._subscription = await client.subscribe(self._inbox, cb=self._receive)
        except nats.errors.Error as error:
            raise Unavailable(f"no connection to read {self._stream} over; retry") from error
        info = await self._api.create_consumer(
            self._stream,
            {
                "name": self._name,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self._after + 1,
                "ack_policy": "none",
                "filter_subject": self._subject,
                "mem_storage": True,
                "num_replicas": 1,
                "inactive_threshold": int(_INACTIVE_S * 1e9),
            },
        )
        self.left_at_start = info.num_pending
        self._heard_at = self._loop.time()

    async def take(self, batch_max: int) -> Taken:
        """Return what has arrived, waiting for the first record.

        Raises:
            ReaderLost: nothing more comes from this consumer.
        """
        while not self._buffer:
            if self._lost:
                raise ReaderLost(f"reader of {self._stream} lost: {self._lost}")
            await self._ask()
            await self._wait()
        taken = [self._buffer.popleft() for _ in range(min(batch_max, len(self._buffer)))]
        if not self._wanted and len(self._buffer) <= _WINDOW_MESSAGES // 2:
            # So the server fills the next window while this one is worked through.
            await self._ask()
            await asyncio.sleep(0)  # for the client to send it
        return Taken(records=[record for record, _ in taken], left=taken[-1][1])

    async def close(self) -> None:
        """Stop listening and let the server drop the consumer."""
        self._api.on_lost.discard(self._interrupt)
        if self._subscription is None or self._api.client.is_closed:
            return
        # What cannot be told to the server now, its own inactivity threshold does later.
        with contextlib.suppress(nats.errors.Error, Unavailable):
            await self._subscription.unsubscribe()
            await self._api.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}", b"", None)

    def _interrupt(self) -> None:
        self._lost = self._lost or "the connection was lost"
        self._arrived.set()

    async def _wait(self) -> None:
        self._arrived.clear()
        if self._buffer or self._lost:
            return
        try:
            async with asyncio.timeout(_SILENCE_S_MAX):
                await self._arrived.wait()
        except TimeoutError:
            if self._loop.time() - self._heard_at >= _SILENCE_S_MAX:
                self._lost = f"the server was silent for {_SILENCE_S_MAX} s"

    async def _ask(self) -> None:
        """Ask for the next window, unless a request is out."""
        if self._wanted or self._lost:
            return
        self._wanted = _WINDOW_MESSAGES
        request = {
            "batch": _WINDOW_MESSAGES,
            "max_bytes": _WINDOW_BYTES,
            "expires": int(_EXPIRES_S * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_S * 1e9),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
        try:
            await self._api.send(subject, msgspec.json.encode(request), None, reply=self._inbox)
        except Unavailable as error:
            self._lost = error.message

    async def _receive(self, message: Msg) -> None:
        self._heard_at = self._loop.time()
        try:
            self._take_in(message)
        except Exception as error:
            # The client library would log it and go on without this message: end this reader.
            self._lost = f"a message could not be taken in ({error!r})"
            raise
        finally:
            self._arrived.set()

    def _take_in(self, message: Msg) -> None:
        if not message.reply:
            self._receive_status(message)
            return
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<left>
        tokens = message.reply.split(".")
        self._delivered += 1
        if self._lost:
            return
        if int(tokens[6]) != self._delivered:
            self._lost = f"message {self._delivered} did not arrive"
        else:
            _, _, user, kind = message.subject.split(".")
            record = Record(position=int(tokens[5]), kind=kind, user=user, body=message.data)
            self._buffer.append((record, int(tokens[8])))
            self._wanted -= 1

    def _receive_status(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        description = headers.get("Description", "")
        if status == "100" or description == "Batch Completed":
            return  # a heartbeat, or the end of a request whose messages were all counted
        # 404 and 408 end a request: nothing more for now. 409 ends it when its bytes are used up;
        # with any other reason, as with any other status, the consumer is gone.
        self._wanted = 0
        if status not in ("404", "408") and "MaxBytes" not in description:
            self._lost = f"{status} {description}"


async def follow_stream(
    api: JetStreamApi,
    stream: str,
    subject: str,
    *,
    after: int,
    batch_max: int,
    has_all: bool,
    patience_s: float,
) -> AsyncGenerator[Taken, None]:
    """Yield what arrives after `after`, for ever, across restarts of the server.

    `has_all` says that `subject` stands for every record, so that a gap is a loss. `patience_s`
    is how long the server may be away, in seconds.

    Raises:
        CorruptLog: the stream has a gap or ends before what was read.
        Unavailable: the connection was closed, or `patience_s` is over.
    """
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    seen = after
    wait_s = _RETRY_FIRST_S
    while True:
        reader = PullReader(api, stream, subject, seen)
        try:
            await reader.open()
            while True:
                taken = await reader.take(batch_max)
                seen = check_order(stream, taken.records, after=seen, has_all=has_all)
                wait_s = _RETRY_FIRST_S
                yield taken
                heard_at = loop.time()
        except (Unavailable, Refused) as error:
            if api.client.is_closed:
                raise Unavailable(f"the connection that reads {stream} was closed") from error
            if loop.time() - heard_at > patience_s:
                raise
            _log.warning("reader_lost", stream=stream, after=seen, reason=error.message)
        finally:
            await reader.close()
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _RETRY_MAX_S)


def check_order(stream: str, records: Sequence[Record], *, after: int, has_all: bool) -> int:
    """Return the last position of `records`, which follow `after`.

    Raises:
        CorruptLog: a position is missing (with `has_all`) or goes back.
    """
    for record in records:
        position = record.position
        if position != after + 1 and (has_all or position <= after):
            raise CorruptLog(
                f"stream {stream} goes from position {after} to {position}; records are lost: "
                "restore it from a backup",
                after + 1,
            )
        after = position
    return after
