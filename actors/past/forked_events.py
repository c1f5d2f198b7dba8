"""The history of a fork as events to read: the log's up to the fork, then its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from events.envelope import Envelope, Event
from events.journal import EventReader


class ForkedEvents:
    """An `EventReader` over the beginning of a log and what a fork put behind it.

    Args:
        reader: the log.
        at: the position up to which the log's events count.
        kept: the fork's events, numbered from the next position on.
    """

    def __init__(self, reader: EventReader, at: int, kept: Sequence[Event]) -> None:
        self._reader = reader
        self._at = at
        self._kept = kept

    @property
    def shard(self) -> int:
        """The shard that was forked."""
        return self._reader.shard

    async def last_position(self) -> int:
        """Return the position of the fork's last event."""
        return self._at + len(self._kept)

    async def at(self, positions: Sequence[int]) -> list[Event]:
        """Return the events at these positions, in the order given, as far as they are there."""
        old = await self._reader.at([one for one in positions if one <= self._at])
        found = {event.position: event for event in (*old, *self._kept)}
        return [found[position] for position in positions if position in found]

    async def read(
        self,
        after: int = 0,
        until: int | None = None,
        kinds: frozenset[str] | None = None,
        user: str = "*",
    ) -> AsyncGenerator[Event, None]:
        """Yield the events with `after < position <= until`; those of erased users are left out."""
        end = await self.last_position() if until is None else until
        if after < self._at:
            events = self._reader.read(after, min(end, self._at), kinds, user)
            async with aclosing(events):
                async for event in events:
                    yield event
        for event in self._kept[max(0, after - self._at) : max(0, end - self._at)]:
            if user in ("*", event.user) and (kinds is None or event.envelope.type in kinds):
                yield event

    async def envelopes(
        self, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[int, Envelope], None]:
        """Yield positions and envelopes, those of erased users in the log too."""
        end = await self.last_position() if until is None else until
        if after < self._at:
            async with aclosing(self._reader.envelopes(after, min(end, self._at))) as envelopes:
                async for found in envelopes:
                    yield found
        for event in self._kept[max(0, after - self._at) : max(0, end - self._at)]:
            yield event.position, event.envelope
