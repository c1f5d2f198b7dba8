"""JetStream's request API, as little of it as a log needs, with errors by who must act.

The raw API instead of nats-py's `JetStreamContext`: atomic batches have no helper there, and a
reply of the server is one typed decode away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from events.errors import CorruptLog, MirixError, Misconfigured, Unavailable
from events.log import BODY_BYTES_MAX

# Error codes of the server (nats-server, server/errors.json).
STREAM_NAME_IN_USE = 10058
STREAM_NOT_FOUND = 10059
WRONG_LAST_SEQUENCE = (10071, 10164)
WRONG_LAST_MESSAGE_ID = 10070
DUPLICATE_IN_BATCH = 10201
NO_MESSAGE_FOUND = 10037

#: Between two looks at replicas that are behind.
_BEHIND_WAIT_S = 0.02

#: Room for headers and the body's frame above the bound on a body.
_MESSAGE_BYTES_MAX = BODY_BYTES_MAX + 64 * 1024


class Refused(MirixError):
    """The server answered with an error: `Refused(message, err_code)`."""

    status = 503
    title = "Refused by the log's server"

    @property
    def err_code(self) -> int:
        """The server's own number for what is wrong."""
        return int(self.args[1])


class _Failure(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class Ack(msgspec.Struct, frozen=True):
    """The server's answer to a publish or to the commit of a batch."""

    seq: int = 0
    duplicate: bool = False
    count: int = 0
    error: _Failure | None = None


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds; `messages` is less than `last_seq` when some are missing."""

    messages: int
    first_seq: int
    last_seq: int
    deleted: list[int] = []


class _StreamInfo(msgspec.Struct, frozen=True):
    config: dict[str, Any] | None = None
    state: StreamState | None = None
    error: _Failure | None = None


class ConsumerInfo(msgspec.Struct, frozen=True):
    """The server's answer to the creation of a consumer."""

    name: str = ""
    num_pending: int = 0
    error: _Failure | None = None


class _Found(msgspec.Struct, frozen=True):
    error: _Failure | None = None


_ack_decoder = msgspec.json.Decoder(Ack)
_info_decoder = msgspec.json.Decoder(_StreamInfo)
_consumer_decoder = msgspec.json.Decoder(ConsumerInfo)
_found_decoder = msgspec.json.Decoder(_Found)


class JetStreamApi:
    """Requests to the server over one connection, each with a deadline."""

    def __init__(self, client: Client, deadline_s: float) -> None:
        self.client = client
        self.deadline_s = deadline_s
        #: Called when the connection is lost: who waits for an answer need not wait on.
        self.on_lost: set[Callable[[], object]] = set()

    def connection_lost(self) -> None:
        """Tell all who wait for the server that its answer will not come."""
        for interrupt in tuple(self.on_lost):
            interrupt()

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Msg:
        """Return the reply of the server, or of whoever answers under a subject.

        Raises:
            Unavailable: no connection, no responder or no reply within the deadline.
        """
        if not self.client.is_connected:
            # The client would buffer and send it after a reconnect, when nobody waits any more.
            raise Unavailable(f"no connection to the log's server; {subject} was not sent")
        asking = asyncio.ensure_future(
            self.client.request(
                subject, body, timeout=deadline_s or self.deadline_s, headers=headers
            )
        )
        self.on_lost.add(asking.cancel)
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        try:
            reply = await asking
            if task is not None and task.cancelling() > cancelled_before:
                # The client waits with `asyncio.wait_for`, which in Python 3.11 forgets that it was
                # cancelled when the answer comes at that very moment; who cancelled would wait on.
                raise asyncio.CancelledError
            return reply
        except nats.errors.Error as error:
            raise Unavailable(
                f"the log's server did not answer {subject} ({type(error).__name__}); retry"
            ) from error
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling() > cancelled_before:
                raise
            raise Unavailable(f"the connection was lost before {subject} was answered") from error
        finally:
            self.on_lost.discard(asking.cancel)

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> Ack:
        """Publish with a reply and return the acknowledgement.

        Raises:
            Refused: the server answered with an error.
            Unavailable: there was no answer; the message may be stored or not.
        """
        ack = _ack_decoder.decode((await self.request(subject, body, headers)).data)
        _raise_for(ack.error, subject)
        return ack

    async def send(
        self, subject: str, body: bytes, headers: dict[str, str] | None, reply: str = ""
    ) -> None:
        """Publish without waiting (a message inside a batch, a request answered elsewhere).

        Raises:
            Unavailable: there is no connection.
        """
        try:
            await self.client.publish(subject, body, reply=reply, headers=headers)
        except nats.errors.Error as error:
            raise Unavailable(f"{subject} was not sent ({type(error).__name__}); retry") from error

    async def stream_state(self, stream: str) -> StreamState:
        """Return what the stream holds.

        Raises:
            CorruptLog: messages are missing between its first and its last.
            Unavailable: there was no answer.
        """
        info = await self._stream_info(stream)
        _raise_for(info.error, stream)
        state = info.state
        assert state is not None, "an answer without an error has a state"
        if state.last_seq and (state.first_seq != 1 or state.messages != state.last_seq):
            raise CorruptLog(
                f"stream {stream} ends at {state.last_seq} and begins at {state.first_seq}, but "
                f"holds {state.messages} messages; records are lost: restore it from a backup",
                await self._first_missing(stream),
            )
        return state

    async def _first_missing(self, stream: str) -> int:
        """Return the first position that a stream with holes does not have; 0: not known."""
        state = (await self._stream_info(stream, deleted_details=True)).state
        if state is None:
            return 0
        return 1 if state.first_seq != 1 else min(state.deleted, default=0)

    async def create_consumer(self, stream: str, config: dict[str, Any]) -> ConsumerInfo:
        """Create an ephemeral consumer and return what the server says about it."""
        subject = f"$JS.API.CONSUMER.CREATE.{stream}.{config['name']}"
        body = msgspec.json.encode({"stream_name": stream, "config": config, "action": "create"})
        info = _consumer_decoder.decode((await self.request(subject, body)).data)
        _raise_for(info.error, subject)
        return info

    async def has_message(self, stream: str, subject: str, from_seq: int) -> bool:
        """Return whether a message under `subject` (wildcards allowed) is not before `from_seq`."""
        wanted = {"seq": from_seq, "next_by_subj": subject}
        return await self.direct_get(stream, wanted) is not None

    async def direct_get(self, stream: str, wanted: dict[str, Any]) -> Msg | None:
        """Return one message of a stream, or None when there is none such.

        Any replica answers, also one that the latest messages have not reached yet: the leader is
        asked whether what it lacks is there.

        Raises:
            Unavailable: there was no answer, or the replicas stay behind.
        """
        body = msgspec.json.encode(wanted)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.deadline_s
        while True:
            reply = await self.request(f"$JS.API.DIRECT.GET.{stream}", body)
            status = (reply.headers or {}).get("Status", "")
            if status not in ("", "404"):
                raise Unavailable(f"{wanted} of {stream} cannot be read now: {status}; retry")
            if status == "":
                return reply
            if not await self._leader_has(stream, body):
                return None
            if loop.time() > give_up_at:
                raise Unavailable(f"replicas of {stream} are behind, {wanted} is not there; retry")
            await asyncio.sleep(_BEHIND_WAIT_S)

    async def _leader_has(self, stream: str, wanted: bytes) -> bool:
        found = await self.request(f"$JS.API.STREAM.MSG.GET.{stream}", wanted)
        failure = _found_decoder.decode(found.data).error
        if failure is not None and failure.err_code == NO_MESSAGE_FOUND:
            return False
        _raise_for(failure, stream)
        return True

    async def ensure_stream(self, stream: str, subjects: str, replicas: int) -> None:
        """Create the stream, or check that the one that is there keeps what it acknowledged.

        Raises:
            Misconfigured: it is there with another configuration.
            Unavailable: there was no answer.
        """
        wanted = stream_config(stream, subjects, replicas)
        info = await self._stream_info(stream)
        if info.error is not None and info.error.err_code == STREAM_NOT_FOUND:
            reply = await self.request(
                f"$JS.API.STREAM.CREATE.{stream}", msgspec.json.encode(wanted)
            )
            info = _info_decoder.decode(reply.data)
            if info.error is not None and info.error.err_code == STREAM_NAME_IN_USE:
                info = await self._stream_info(stream)  # another process was first
        _raise_for(info.error, stream)
        there = info.config or {}
        differing = {
            key: f"{there.get(key)!r} instead of {value!r}"
            for key, value in wanted.items()
            if there.get(key) != value
        }
        if differing:
            raise Misconfigured(
                f"stream {stream} is set up differently: {differing}; change it on the server or "
                "give this system a server of its own"
            )

    async def _stream_info(self, stream: str, *, deleted_details: bool = False) -> _StreamInfo:
        wanted = msgspec.json.encode({"deleted_details": True}) if deleted_details else b""
        return _info_decoder.decode(
            (await self.request(f"$JS.API.STREAM.INFO.{stream}", wanted)).data
        )


def stream_config(stream: str, subjects: str, replicas: int) -> dict[str, Any]:
    """Return the configuration under which an acknowledged record stays for good.

    No compression (one flipped bit kept the server busy for ever at its start), nothing can be
    deleted or purged, a full disk refuses what is new instead of dropping what is old.
    """
    return {
        "name": stream,
        "subjects": [subjects],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": _MESSAGE_BYTES_MAX,
        "duplicate_window": 120_000_000_000,  # nanoseconds
        "num_replicas": replicas,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "allow_atomic": True,
    }


def _raise_for(failure: _Failure | None, subject: str) -> None:
    if failure is not None:
        raise Refused(
            f"the log's server refused {subject}: {failure.description} ({failure.err_code})",
            failure.err_code,
        )
