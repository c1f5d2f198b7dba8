"""Moments: what position a time or a number stands for, and where to find events by what they are.

The positions of times, ids and users come from a `LogIndex`, which reads envelopes only. It is made
with the first question that needs it, and follows the log from question to question.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC
from typing import TYPE_CHECKING

from actors.past.queries import AsOf
from events.envelope import Envelope
from events.errors import CommandRejected
from events.journal import EventReader

if TYPE_CHECKING:
    from projections.log_index import LogIndex

#: Envelopes taken in before others get their turn.
_CHUNK_EVENTS = 1000


class Moments:
    """The moments of one shard's log."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._index: LogIndex | None = None
        self._catching_up = asyncio.Lock()

    async def position_at(self, as_of: AsOf) -> int:
        """Return the position that a moment stands for.

        Raises:
            CommandRejected: the log does not go that far.
        """
        if not isinstance(as_of, int):
            moment = as_of if as_of.tzinfo is not None else as_of.replace(tzinfo=UTC)
            return (await self.index()).position_at(moment)
        end = await self._reader.last_position()
        if not 0 <= as_of <= end:
            raise CommandRejected(
                f"there is no position {as_of} in shard {self._reader.shard}: its log ends at"
                f" {end}; ask for 0 to {end}"
            )
        return as_of

    async def index(self) -> LogIndex:
        """Return the index, caught up with the log as it is now.

        Cancelled on the way, what was read stays: the next call goes on from there.
        """
        async with self._catching_up:
            if self._index is None:
                # Not before somebody asks: it costs memory that idle processes do without.
                from projections.log_index import LogIndex

                self._index = LogIndex()
            index = self._index
            end = await self._reader.last_position()
            if index.end < end:
                async with aclosing(self._reader.envelopes(index.end, end)) as envelopes:
                    chunk: list[tuple[int, Envelope]] = []
                    async for located in envelopes:
                        chunk.append(located)
                        if len(chunk) == _CHUNK_EVENTS or located[0] == end:
                            index.extend(chunk)
                            chunk = []
                            await asyncio.sleep(0)
            return index
