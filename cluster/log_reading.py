"""Read the log itself, for people: envelope and payload of each event as JSON values.

What a person said is decrypted with the local keys; vault secrets stay sealed, they are only shown
through the audited reveal.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from actors.past.showing import view_of
from cluster import wiring
from cluster.data_dir import DataDir, SystemRecord
from cluster.sources import opaque_id
from events.codec import Codec
from events.connection import Connection, connect
from events.envelope import Event
from events.errors import CommandRejected, NotFound
from events.ids import shard_of
from events.journal import Journal
from events.sealing import KeyRing
from serve.identity import Identities


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: of a type, of a user (the client's id or the opaque one), with a text.

    `producer` is who appended them. `since` and `until` are positions or times, both included.
    """

    kind: str = ""
    user: str = ""
    pattern: str = ""
    producer: str = ""
    correlation: str = ""
    since: int | datetime | None = None
    until: int | datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what can never match.

        Raises:
            CommandRejected: it ends before it begins.
        """
        match self.since, self.until:
            case int(first), int(last):
                is_empty = first > last
            case datetime() as begin, datetime() as end:
                is_empty = begin > end
            case _:
                is_empty = False  # a position and a time: the log tells
        if is_empty:
            raise CommandRejected("since is after until: nothing lies between them")

    def fits(self, event: Event) -> bool:
        """Say whether an event is of that producer and correlation, and of that time."""
        envelope = event.envelope
        return (
            self.producer in ("", envelope.producer)
            and self.correlation in ("", envelope.correlation_id)
            and not _is_before(event, self.since)
            and (self.until is None or not _is_after(event, self.until))
        )


def _is_before(event: Event, moment: int | datetime | None) -> bool:
    match moment:
        case None:
            return False
        case int():
            return event.position < moment
        case _:
            return event.envelope.recorded_at < moment


def _is_after(event: Event, moment: int | datetime) -> bool:
    if isinstance(moment, int):
        return event.position > moment
    return event.envelope.recorded_at > moment


@asynccontextmanager
async def read_log(directory: DataDir, record: SystemRecord) -> AsyncIterator[LogReader]:
    """Open the log of a running system."""
    async with connect(wiring.log_settings(record)) as connection:
        yield LogReader(directory, connection)


class LogReader:
    """Reads the log of a running system. Opened by `read_log`."""

    def __init__(self, directory: DataDir, connection: Connection) -> None:
        self._shards = connection.settings.shards
        keystore = wiring.keystore(directory)
        codec = Codec(KeyRing(keystore))
        self._identities = Identities.of(keystore, self._shards)
        self._journals = [Journal(connection.log(shard), codec) for shard in range(self._shards)]

    async def check(self, wanted: Filter) -> None:
        """See that the positions of a filter are there.

        Raises:
            CommandRejected: one is beyond the end of the log.
        """
        ends = [await journal.last_position() for journal in self._journals_for(wanted)]
        for option, moment in (("--since", wanted.since), ("--until", wanted.until)):
            if isinstance(moment, int) and moment > max(ends):
                raise CommandRejected(
                    f"{option}: position {moment} is beyond the end of the log, {max(ends)}"
                )

    async def last(self, wanted: Filter, count: int) -> list[dict[str, Any]]:
        """Return the last `count` events that are wanted, shard by shard, oldest first."""
        found: list[dict[str, Any]] = []
        for journal in self._journals_for(wanted):
            end = await journal.last_position()
            # Look back in steps, so that the end of a long log is quickly there.
            span, after, kept = max(count * 4, 256), end, list[dict[str, Any]]()
            while after > 0 and len(kept) < count:
                until, after = after, max(0, after - span)
                span *= 4
                events = self._read(journal, wanted, after, until)
                kept = [event async for event in events] + kept
            found += kept[-count:]
        return found

    async def matching(self, wanted: Filter) -> AsyncIterator[dict[str, Any]]:
        """Yield all events that are wanted."""
        for journal in self._journals_for(wanted):
            async for shown in self._read(journal, wanted, 0, None):
                yield shown

    async def follow(self, wanted: Filter, shard: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Yield events of a shard as they come, for ever."""
        journal = self._journals[shard]
        batches = journal.follow(after=await journal.last_position(), kinds=self._kinds(wanted))
        async with aclosing(batches):
            async for batch in batches:
                for event in batch.events:
                    shown = _shown(event)
                    if self._is_wanted(event, shown, wanted):
                        yield shown

    async def one(self, reference: str) -> dict[str, Any]:
        """Return the event with this id, or at `shard:position` or `position`.

        Raises:
            NotFound: there is none; for a position, with the end of the log.
        """
        at = re.fullmatch(r"(?:(\d+):)?(\d+)", reference)
        if at:
            return await self._at(int(at[1] or 0), int(at[2]))
        async for shown in self.matching(Filter()):
            if shown["event_id"] == reference:
                return shown
        raise NotFound(f"no event {reference} in the log")

    async def _at(self, shard: int, position: int) -> dict[str, Any]:
        if shard >= self._shards:
            raise NotFound(f"no shard {shard}; there are {self._shards}, counted from 0")
        journal = self._journals[shard]
        # Asked first: to read behind the end is to the log as if it had lost what was there.
        end = await journal.last_position()
        which = f"the log of shard {shard}" if self._shards > 1 else "the log"
        if not 0 < position <= end:
            begins = "" if position else "; positions begin at 1"
            raise NotFound(f"no event at position {position}; {which} ends at {end}{begins}")
        async for event in journal.read(after=position - 1, until=position):
            return _shown(event)
        raise NotFound(f"the event at position {position} is of a user who was erased")

    def _journals_for(self, wanted: Filter) -> list[Journal]:
        if not wanted.user:
            return self._journals
        return [self._journals[shard_of(opaque_id(wanted.user, self._identities), self._shards)]]

    async def _read(
        self, journal: Journal, wanted: Filter, after: int, until: int | None
    ) -> AsyncIterator[dict[str, Any]]:
        events = journal.read(after=after, until=until, kinds=self._kinds(wanted))
        async with aclosing(events):
            async for event in events:
                shown = _shown(event)
                if self._is_wanted(event, shown, wanted):
                    yield shown

    def _kinds(self, wanted: Filter) -> frozenset[str] | None:
        return frozenset({wanted.kind}) if wanted.kind else None

    def _is_wanted(self, event: Event, shown: dict[str, Any], wanted: Filter) -> bool:
        if not wanted.fits(event):
            return False
        if wanted.user and event.user != opaque_id(wanted.user, self._identities):
            return False
        if not wanted.pattern:
            return True
        text = msgspec.json.encode(shown).decode()
        return re.search(wanted.pattern, text, re.IGNORECASE) is not None


def _shown(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(view_of(event))
    return shown
