"""The port to the log: append atomically, read from a position, follow for ever.

A log belongs to one shard. Positions start at 1 and have no gaps: a gap, a position that goes back
or a body that does not authenticate is `CorruptLog`, and nothing is served from it.
Implementations: `jetstream.JetStreamLog` and its in-memory twin `memory_log.MemoryLog`; one
contract suite (`tests/contract/`) runs over both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import msgspec

#: JetStream's bound on the messages of one atomic batch.
BATCH_MESSAGES_MAX = 1000
#: Bound on the bodies of one append together, in bytes.
BATCH_BYTES_MAX = 32 * 1024 * 1024
#: Bound on the body of one event; the server's `max_payload` is set above it.
BODY_BYTES_MAX = 4 * 1024 * 1024


class NewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on their way into the log.

    `kind` is the event's type and `user` its opaque user id: they form the subject, so that a
    reader can follow one person or one type. `record_id` is unique: a second append of the same id
    inside the log's window of duplicates is not written again.
    """

    kind: str
    user: str
    record_id: str
    body: bytes


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes in the log, with their position."""

    position: int
    kind: str
    user: str
    body: bytes


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Optimistic concurrency: the last position under (kind, user) must be `position` (0: none)."""

    kind: str
    user: str
    position: int


class RecordReader(Protocol):
    """The reading half of a log: what a live log and a backup of it have alike."""

    shard: int

    async def last_position(self) -> int:
        """Return the position of the last record (0 when empty)."""
        ...

    async def last_of(self, kind: str, user: str) -> Record | None:
        """Return the last record under (kind, user), or None."""
        ...

    async def at(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions, in the order given; for a few, wherever they lie.

        Raises:
            CorruptLog: the log holds no such position, although somebody knows of it.
        """
        ...

    def read(
        self, *, after: int = 0, until: int | None = None, kind: str = "*", user: str = "*"
    ) -> AsyncGenerator[Record, None]:
        """Yield the records with `after < position <= until` (default: the end as of now).

        Unfiltered reads are checked for contiguity.

        Raises:
            CorruptLog: a gap, or an end below `after`.
        """
        ...


class EventLog(RecordReader, Protocol):
    """An append-only, totally ordered log of one shard."""

    async def append(
        self, records: Sequence[NewRecord], *, expected: Expected | None = None
    ) -> tuple[int, ...]:
        """Append all records or none, durably, and return their positions in order.

        Records that are already there by `record_id` return their old positions; appending a
        whole batch again is a success. Without `expected`, concurrent calls are grouped into
        shared atomic batches (one fsync for many).

        Raises:
            VersionConflict: `expected` does not hold.
            CommandRejected: more than `BATCH_MESSAGES_MAX` records or a body over
                `BODY_BYTES_MAX`.
            Unavailable: the log cannot be reached within its deadline; append again (the
                record ids make that safe).
        """
        ...

    def follow(
        self, *, after: int = 0, kind: str = "*", user: str = "*", batch_max: int = 256
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Yield non-empty batches of records after `after`, for ever, across server restarts.

        A batch holds what has arrived, at most `batch_max`. Closing the iterator ends it.

        Raises:
            CorruptLog: a gap, or a log whose end is below what was already read.
        """
        ...

    async def close(self) -> None:
        """Release connections; appends in flight are finished first."""
        ...
