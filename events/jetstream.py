"""The log on NATS JetStream: one stream a shard, one subject a user and kind.

Step 2 of the message path: what the gateway appends is durable when `append` returns (the server
syncs every write; `connection` refuses one that does not). Appends without an expectation share
atomic batches (`grouping`); how a batch is written is in `jetstream_writer`, how a stream is read
in `jetstream_reader`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from nats.aio.msg import Msg

from events.errors import CorruptLog, Unavailable
from events.grouping import GroupCommitter
from events.jetstream_api import JetStreamApi, Refused
from events.jetstream_reader import follow_stream
from events.jetstream_writer import JetStreamWriter
from events.log import Expected, NewRecord, Record
from events.subjects import check_bounds, pattern, token

#: Appends with an expectation that are on their way at once (the server takes 50 batches a stream).
_EXPECTING_MAX = 16
_READ_BATCH = 1000
#: Records asked for by position at once.
_DIRECT_MAX = 64


def stream_name(shard: int) -> str:
    """Return the name of a shard's stream."""
    return f"MIRIX_{shard}"


def subject_prefix(shard: int) -> str:
    """Return what the subjects of a shard begin with; user and kind follow."""
    return f"mirix.{shard}"


class JetStreamLog:
    """An append-only log of one shard; see the port for what each method promises."""

    def __init__(self, api: JetStreamApi, shard: int, deadline_s: float) -> None:
        self.shard = shard
        self._api = api
        self._stream = stream_name(shard)
        self._prefix = subject_prefix(shard)
        self._writer = JetStreamWriter(api, self._stream, self._prefix, deadline_s)
        self._group = GroupCommitter(self._writer.write)
        self._read_patience_s = deadline_s
        self._expecting = asyncio.Semaphore(_EXPECTING_MAX)

    async def append(
        self, records: Sequence[NewRecord], *, expected: Expected | None = None
    ) -> tuple[int, ...]:
        """Append all records or none, durably, and return their positions, as the port says."""
        check_bounds(records)
        if not records:
            return ()
        try:
            if expected is None:
                return await self._group.append(records)
            token(expected.kind)
            token(expected.user)
            distinct: dict[str, NewRecord] = {}
            for record in records:
                distinct.setdefault(record.record_id, record)
            async with self._expecting:
                positions = await self._writer.write(list(distinct.values()), expected)
        except Refused as refusal:
            raise Unavailable(refusal.message) from refusal
        position_of = dict(zip(distinct, positions, strict=True))
        return tuple(position_of[record.record_id] for record in records)

    async def last_position(self) -> int:
        """Return the position of the last record (0 when empty).

        Raises:
            CorruptLog: the log ends below what this process already saw, or has holes.
        """
        seen = self._writer.highest
        state = await self._api.stream_state(self._stream)
        if state.last_seq < seen:
            raise self._ends_early(state.last_seq, seen)
        self._saw(state.last_seq)
        return state.last_seq

    async def last_of(self, kind: str, user: str) -> Record | None:
        """Return the last record under (kind, user), or None."""
        subject = f"{self._prefix}.{token(user)}.{token(kind)}"
        reply = await self._api.direct_get(self._stream, {"last_by_subj": subject})
        return None if reply is None else _record_of(reply)

    async def at(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions, as the port says (direct gets, no consumer)."""
        asking = asyncio.Semaphore(_DIRECT_MAX)

        async def one(position: int) -> Record:
            async with asking:
                wanted = {"seq": position}  # 0 would ask for nothing at all
                reply = await self._api.direct_get(self._stream, wanted) if position > 0 else None
            if reply is None:
                raise self._ends_early(await self.last_position(), position)
            return _record_of(reply)

        return list(await asyncio.gather(*(one(position) for position in positions)))

    async def read(
        self, *, after: int = 0, until: int | None = None, kind: str = "*", user: str = "*"
    ) -> AsyncGenerator[Record, None]:
        """Yield the records with `after < position <= until`, as the port says."""
        last = await self.last_position()
        end = last if until is None else until
        if last < max(after, end):
            raise self._ends_early(last, max(after, end))
        if after >= end:
            return
        if not await self._holds_any(after, kind, user):
            if kind == user == "*":
                raise self._ends_early(after, end)
            return
        batches = self._batches(after, kind, user, _READ_BATCH, self._read_patience_s)
        async with aclosing(batches):
            async for records, left in batches:
                for record in records:
                    if record.position > end:
                        return
                    yield record
                if records[-1].position >= end:
                    return
                if left == 0:
                    if kind == user == "*":
                        raise self._ends_early(records[-1].position, end)
                    return

    async def follow(
        self, *, after: int = 0, kind: str = "*", user: str = "*", batch_max: int = 256
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Yield non-empty batches of records after `after`, for ever, as the port says."""
        batches = self._batches(after, kind, user, batch_max)
        async with aclosing(batches):
            async for records, _ in batches:
                yield records

    async def close(self) -> None:
        """Finish the appends in flight; the connection is closed by who opened it."""
        await self._group.close()

    async def _batches(
        self, after: int, kind: str, user: str, batch_max: int, patience_s: float = math.inf
    ) -> AsyncGenerator[tuple[Sequence[Record], int], None]:
        subject = f"{self._prefix}.{pattern(user)}.{pattern(kind)}"
        taken_batches = follow_stream(
            self._api,
            self._stream,
            subject,
            after=after,
            batch_max=batch_max,
            has_all=kind == user == "*",
            patience_s=patience_s,
        )
        async with aclosing(taken_batches):
            async for taken in taken_batches:
                self._saw(taken.records[-1].position)
                yield taken.records, taken.left

    async def _holds_any(self, after: int, kind: str, user: str) -> bool:
        """Return whether a record under the filter lies after `after` (direct get, no consumer)."""
        subject = f"{self._prefix}.{pattern(user)}.{pattern(kind)}"
        return await self._api.has_message(self._stream, subject, after + 1)

    def _saw(self, position: int) -> None:
        self._writer.highest = max(self._writer.highest, position)

    def _ends_early(self, end: int, wanted: int) -> CorruptLog:
        return CorruptLog(
            f"the log of shard {self.shard} ends at position {end}, but position {wanted} was "
            "already there; it lost records: restore it before anything is served",
            end + 1,
        )


def _record_of(reply: Msg) -> Record:
    """Return the record of a direct get."""
    headers = reply.headers or {}
    _, _, user, kind = headers["Nats-Subject"].split(".")
    position = int(headers["Nats-Sequence"])
    return Record(position=position, kind=kind, user=user, body=reply.data)
