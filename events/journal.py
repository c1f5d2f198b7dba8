"""The journal: typed events in and out of a shard's log.

Step 2 of the message path (the gateway appends) and step 3 (the agents follow). What is above this
module sees events; what is below sees bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec

from events.clock import Clock, system_clock
from events.codec import Codec
from events.envelope import NOBODY, Envelope, Event, NewEvent
from events.log import EventLog, Expected, Record, RecordReader

#: Bounds on what is held between reading and decoding.
CHUNK_RECORDS_MAX = 256
CHUNK_BYTES_MAX = 4 * 1024 * 1024


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived together: the wanted events, and the position that was reached.

    `events` may be empty; `through` moves on all the same, so that a reader can keep its place.
    """

    events: tuple[Event, ...]
    through: int


class EventReader(Protocol):
    """The reading half of a journal: what a live log, a backup and an exported file have alike."""

    @property
    def shard(self) -> int:
        """The shard whose events these are."""
        ...

    async def last_position(self) -> int:
        """Return the position of the last event (0 when there is none)."""
        ...

    async def at(self, positions: Sequence[int]) -> list[Event]:
        """Return the events at these positions, in the order given, less those of erased users.

        Raises:
            CorruptLog: the log holds no such position.
        """
        ...

    def read(
        self,
        after: int = 0,
        until: int | None = None,
        kinds: frozenset[str] | None = None,
        user: str = "*",
    ) -> AsyncGenerator[Event, None]:
        """Yield the events with `after < position <= until`; those of erased users are left out."""
        ...

    def envelopes(
        self, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[int, Envelope], None]:
        """Yield positions and envelopes, those of erased users too; payloads stay closed."""
        ...


class JournalReader:
    """Reads the typed events of one shard."""

    def __init__(self, log: RecordReader, codec: Codec) -> None:
        self._records = log
        self._codec = codec

    @property
    def shard(self) -> int:
        """The shard whose log this is."""
        return self._records.shard

    @property
    def codec(self) -> Codec:
        """The codec, with its key ring."""
        return self._codec

    async def last_position(self) -> int:
        """Return the position of the last event (0 when there is none)."""
        return await self._records.last_position()

    async def last_of(self, kind: str, user: str) -> Event | None:
        """Return the last event of a kind under a user, or None."""
        record = await self._records.last_of(kind, user)
        return None if record is None else self._codec.decode(record)

    async def at(self, positions: Sequence[int]) -> list[Event]:
        """Return the events at these positions, in the order given, less those of erased users.

        Raises:
            CorruptLog: the log holds no such position, or altered what is there.
        """
        return list(self._opened(await self._records.at(positions)))

    async def read(
        self,
        after: int = 0,
        until: int | None = None,
        kinds: frozenset[str] | None = None,
        user: str = "*",
    ) -> AsyncGenerator[Event, None]:
        """Yield the events with `after < position <= until` (default: the end as of now).

        Events of erased users are left out.

        Raises:
            CorruptLog: the log lost or altered something.
        """
        async with aclosing(self._chunks(after, until, kinds, user)) as chunks:
            async for chunk in chunks:
                for event in self._opened(chunk):
                    yield event

    async def batches(
        self, after: int = 0, until: int | None = None, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield the events that `read` yields, many at a time: for those who fold a whole log.

        The last batch goes through the end of what was asked for.

        Raises:
            CorruptLog: the log lost or altered something.
        """
        end = await self.last_position() if until is None else until
        through = after
        async with aclosing(self._chunks(after, end, kinds, "*")) as chunks:
            async for chunk in chunks:
                through = chunk[-1].position
                yield Batch(events=tuple(self._opened(chunk)), through=through)
        if through < end:
            yield Batch(events=(), through=end)

    async def _chunks(
        self, after: int, until: int | None, kinds: frozenset[str] | None, user: str
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the records that are wanted in lists of bounded length and size."""
        kind = next(iter(kinds)) if kinds is not None and len(kinds) == 1 else "*"
        chunk: list[Record] = []
        size = 0
        records = self._records.read(after=after, until=until, kind=kind, user=user)
        async with aclosing(records):
            async for record in records:
                if kinds is not None and record.kind not in kinds:
                    continue
                chunk.append(record)
                size += len(record.body)
                if len(chunk) >= CHUNK_RECORDS_MAX or size >= CHUNK_BYTES_MAX:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    async def envelopes(
        self, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[int, Envelope], None]:
        """Yield the positions and envelopes with `after < position <= until` (default: the end).

        Raises:
            CorruptLog: the log lost something, or holds bytes that are no event.
        """
        async with aclosing(self._records.read(after=after, until=until)) as records:
            async for record in records:
                yield record.position, self._codec.envelope(record)

    def _opened(self, records: Sequence[Record]) -> Iterator[Event]:
        """Decode records one after another; those of erased users are left out."""
        # Looked up once for all of them: a key ring asks its store about users without a key.
        erased: dict[str, bool] = {NOBODY: False}
        for event in self._codec.decode_each(records):
            user = event.user
            if not event.envelope.sealed and user not in erased:
                erased[user] = self._codec.keys.is_erased(user)
            if event.envelope.sealed or not erased[user]:
                yield event


class Journal(JournalReader):
    """Appends, reads and follows the events of one shard."""

    def __init__(self, log: EventLog, codec: Codec, clock: Clock = system_clock) -> None:
        super().__init__(log, codec)
        self._log = log
        self._clock = clock

    async def append(
        self, events: Sequence[NewEvent], *, expected: Expected | None = None
    ) -> tuple[int, ...]:
        """Append all events or none, durably, and return their positions.

        An event that is there already by its id keeps its position.

        Raises:
            VersionConflict: `expected` does not hold.
            CommandRejected: the events are too many or too large.
            KeyDestroyed: an event belongs to an erased user.
            Unavailable: the log cannot be reached; append the same events again.
        """
        await self._prepare_keys(events)
        recorded_at = self._clock()
        records = [self._codec.encode(event, self.shard, recorded_at) for event in events]
        return await self._log.append(records, expected=expected)

    async def _prepare_keys(self, events: Sequence[NewEvent]) -> None:
        """Have the keys at hand before encoding; making one is a durable write of the key store.

        On a thread of its own: it must not hold up whatever else this event loop serves. A key that
        leaves the cache before it is used costs that wait once more, and nothing else.
        """
        keys = self._codec.keys
        users = {event.user for event in events if event.payload.personal} - {NOBODY}
        wanting = [user for user in users if not keys.is_cached(user)]
        if wanting:
            await asyncio.to_thread(keys.prepare, wanting)

    async def follow(
        self, after: int = 0, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield batches of events after `after`, for ever.

        Only kinds in `kinds` are decoded (None: all); events of erased users are left out.

        Raises:
            CorruptLog: the log lost or altered something.
        """
        # Following everything keeps the check for gaps; a subject filter would lose it.
        batches = self._log.follow(after=after)
        async with aclosing(batches):
            async for records in batches:
                wanted = [one for one in records if kinds is None or one.kind in kinds]
                events = tuple(self._opened(wanted))
                yield Batch(events=events, through=records[-1].position)
