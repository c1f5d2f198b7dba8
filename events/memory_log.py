"""The log's in-memory twin: the same contract, for tests and for asking what-if."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from events.errors import CorruptLog, Unavailable, VersionConflict
from events.log import Expected, NewRecord, Record
from events.subjects import check_bounds, pattern, token


class MemoryLog:
    """Keeps one shard's records in a list; for use within one event loop."""

    def __init__(self, shard: int = 0) -> None:
        self.shard = shard
        self._records: list[Record] = []
        self._position_of: dict[str, int] = {}
        self._last_of: dict[tuple[str, str], int] = {}
        self._grown = asyncio.Condition()
        self._closed = False

    async def append(
        self, records: Sequence[NewRecord], *, expected: Expected | None = None
    ) -> tuple[int, ...]:
        """Append all records or none and return their positions, as the port says."""
        self._check_open()
        check_bounds(records)
        async with self._grown:
            if any(record.record_id not in self._position_of for record in records):
                self._check(expected)
            positions = tuple(self._add(record) for record in records)
            self._grown.notify_all()
        return positions

    async def last_position(self) -> int:
        """Return the position of the last record (0 when empty)."""
        self._check_open()
        return len(self._records)

    async def last_of(self, kind: str, user: str) -> Record | None:
        """Return the last record under (kind, user), or None."""
        self._check_open()
        position = self._last_of.get((token(kind), token(user)))
        return None if position is None else self._records[position - 1]

    async def at(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions, as the port says."""
        self._check_open()
        for position in positions:
            if not 0 < position <= len(self._records):
                raise _ends_early(self.shard, len(self._records), position)
        return [self._records[position - 1] for position in positions]

    async def read(
        self, *, after: int = 0, until: int | None = None, kind: str = "*", user: str = "*"
    ) -> AsyncGenerator[Record, None]:
        """Yield the records with `after < position <= until`, as the port says."""
        self._check_open()
        pattern(kind), pattern(user)
        end = len(self._records)
        if end < max(after, until or 0):
            raise _ends_early(self.shard, end, max(after, until or 0))
        for index in range(after, end if until is None else until):
            record = self._records[index]
            if _fits(record, kind, user):
                yield record

    async def follow(
        self, *, after: int = 0, kind: str = "*", user: str = "*", batch_max: int = 256
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Yield non-empty batches of records after `after`, for ever, as the port says."""
        self._check_open()
        pattern(kind), pattern(user)
        if len(self._records) < after:
            raise _ends_early(self.shard, len(self._records), after)
        seen = after
        while True:
            async with self._grown:
                while not self._closed and len(self._records) <= seen:
                    await self._grown.wait()
            self._check_open()
            slice_ = self._records[seen : seen + batch_max]
            seen += len(slice_)
            batch = [record for record in slice_ if _fits(record, kind, user)]
            if batch:
                yield batch

    async def close(self) -> None:
        """End the log; those who follow it are told."""
        self._closed = True
        async with self._grown:
            self._grown.notify_all()

    def forget_ids(self) -> None:
        """Recognise no earlier record by its id any more, as when the window has passed."""
        self._position_of.clear()

    def _check(self, expected: Expected | None) -> None:
        if expected is None:
            return
        last = self._last_of.get((token(expected.kind), token(expected.user)), 0)
        if last != expected.position:
            raise VersionConflict(
                f"the last {expected.kind} of {expected.user} is at position {last}, not "
                f"{expected.position}; read again and retry"
            )

    def _add(self, new: NewRecord) -> int:
        known = self._position_of.get(new.record_id)
        if known is not None:
            return known
        position = len(self._records) + 1
        self._records.append(Record(position=position, kind=new.kind, user=new.user, body=new.body))
        self._position_of[new.record_id] = position
        self._last_of[(new.kind, new.user)] = position
        return position

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"the log of shard {self.shard} is closed")


def _fits(record: Record, kind: str, user: str) -> bool:
    return kind in ("*", record.kind) and user in ("*", record.user)


def _ends_early(shard: int, end: int, wanted: int) -> CorruptLog:
    return CorruptLog(
        f"the log of shard {shard} ends at position {end}, but position {wanted} was already "
        "there; it lost records: restore it before anything is served",
        end + 1,
    )
