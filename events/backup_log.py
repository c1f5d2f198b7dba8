"""The log in a backup: read like a live one, from segments that lie anywhere."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from events.errors import CorruptLog, NotFound
from events.log import Record
from events.segments import Segment, check_chain, read_segment
from events.subjects import pattern, token

#: Returns the bytes of a file of the backup, or raises `NotFound`.
Fetch = Callable[[str], Awaitable[bytes]]


class BackupLog:
    """The reading half of a log (`RecordReader`) over the segments of one shard.

    Hashes, the chain and contiguity are checked while reading. The records of one segment are kept,
    so that readers of single events do not fetch it again for each.
    """

    def __init__(self, shard: int, segments: Sequence[Segment], fetch: Fetch) -> None:
        """Read `segments`, which begin at position 1.

        Raises:
            CorruptLog: they do not follow one another.
        """
        check_chain(shard, segments)
        self.shard = shard
        self._segments = tuple(segments)
        self._fetch = fetch
        self._kept: tuple[Segment, Sequence[Record]] | None = None

    async def last_position(self) -> int:
        """Return the position of the last record (0 when empty)."""
        return self._segments[-1].last if self._segments else 0

    async def last_of(self, kind: str, user: str) -> Record | None:
        """Return the last record under (kind, user), or None; looks back from the end."""
        wanted = (token(kind), token(user))
        for segment in reversed(self._segments):
            for record in reversed(await self._records(segment)):
                if (record.kind, record.user) == wanted:
                    return record
        return None

    async def at(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions, as the port says; each segment is read once."""
        last = await self.last_position()
        found: dict[int, Record] = {}
        for position in sorted(set(positions)):
            if not 0 < position <= last:
                raise self._ends_early(last, position)
            segment = self._segments[self._index(position)]
            found[position] = (await self._records(segment))[position - segment.first]
        return [found[position] for position in positions]

    async def read(
        self, *, after: int = 0, until: int | None = None, kind: str = "*", user: str = "*"
    ) -> AsyncGenerator[Record, None]:
        """Yield the records with `after < position <= until`, as the port says."""
        pattern(kind), pattern(user)
        last = await self.last_position()
        end = last if until is None else until
        if last < max(after, end):
            raise self._ends_early(last, max(after, end))
        for segment in self._segments[self._index(after + 1) :]:
            if segment.first > end:
                return
            records = await self._records(segment)
            for record in records[max(0, after + 1 - segment.first) :]:
                if record.position > end:
                    return
                if kind in ("*", record.kind) and user in ("*", record.user):
                    yield record

    def _index(self, position: int) -> int:
        """Return which segment holds a position."""
        return bisect_left(self._segments, position, key=lambda segment: segment.last)

    def _ends_early(self, last: int, wanted: int) -> CorruptLog:
        return CorruptLog(
            f"the backup of shard {self.shard} has positions 1 to {last}, but position {wanted} "
            "was asked for; use a later backup"
        )

    async def _records(self, segment: Segment) -> Sequence[Record]:
        kept = self._kept
        if kept is not None and kept[0] is segment:
            return kept[1]
        self._kept = kept = None  # no two segments in memory
        try:
            content = await self._fetch(segment.name)
        except NotFound as error:
            raise CorruptLog(
                f"{segment.name} is missing (positions {segment.first} to {segment.last}); "
                "use another copy of this backup"
            ) from error
        # Beside the event loop: a full segment is a fifth of a second of inflating.
        records = await asyncio.to_thread(lambda: tuple(read_segment(content, segment)))
        self._kept = (segment, records)
        return records
