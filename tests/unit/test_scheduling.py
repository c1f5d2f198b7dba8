"""The clock of consolidation: everybody once in a window, whatever restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cluster.consolidating import consolidate, people_of, request_for
from cluster.scheduling import ConsolidationSchedule
from events.catalogue import ConsolidationRequested
from events.clock import FixedClock
from events.journal import Journal
from events.memory import TIERS
from tests.life import Life, system_in_one_process

DAY = timedelta(days=1)
NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)


class EnoughError(Exception):
    """Ends a schedule that would go on for ever."""


async def asked(journal: Journal) -> list[tuple[str, datetime]]:
    """Return who was asked for, and for which moment."""
    kinds = frozenset({ConsolidationRequested.__name__})
    found: list[tuple[str, datetime]] = []
    async for event in journal.read(kinds=kinds):
        assert isinstance(event.payload, ConsolidationRequested)
        found.append((event.user, event.payload.at))
    return found


async def two_people(life: Life) -> None:
    """Let two people say something."""
    for user in ("ann", "小红"):
        await life.say(user, [{"role": "user", "content": "My sister Imke plays the cello."}])


async def test_everybody_is_asked_for_once_in_a_window_whatever_restarts() -> None:
    """A second schedule of the same window finds all done; the next window begins anew."""
    async with system_in_one_process() as life:
        await two_people(life)
        first = ConsolidationSchedule([life.journal], DAY)
        assert [await first.ask_all(7), await first.ask_all(7)] == [2, 0]
        assert await ConsolidationSchedule([life.journal], DAY).ask_all(7) == 0
        assert await first.ask_all(8) == 2
        moments = [at for _, at in await asked(life.journal)]
        assert (
            moments
            == [datetime(1970, 1, 8, tzinfo=UTC)] * 2 + [datetime(1970, 1, 9, tzinfo=UTC)] * 2
        )


async def test_schedule_asks_when_a_window_begins_and_waits_for_the_next() -> None:
    """The clock is looked at again before long: it may be put forward meanwhile."""
    async with system_in_one_process() as life:
        await two_people(life)
        clock = FixedClock(NOON)
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                raise EnoughError
            clock.advance(13 * 3600 if len(waits) == 2 else seconds)

        schedule = ConsolidationSchedule([life.journal], DAY, clock=clock, sleep=sleep)
        with pytest.raises(EnoughError):
            await schedule.run()
        assert waits == [60.0, 60.0, 60.0]
        days = [at.day for _, at in await asked(life.journal)]
        assert days == [7, 7, 8, 8]


async def test_consolidation_of_a_person_is_waited_for_and_reported_by_tier() -> None:
    """What a job does for each: the request in the log, the reports of all six owners back."""
    async with system_in_one_process() as life:
        for text in ("My sister Imke plays the cello.", "My sister Imke plays the cello daily."):
            await life.say("ann", [{"role": "user", "content": text}])
        (person,) = await people_of(life.journal)
        request = request_for(person, "con_1", NOON, dry_run=True)
        reports = await consolidate(life.journal, request)
        assert [report.tier for report in reports] == list(TIERS)
        assert all(report.dry_run for report in reports)
        again = await consolidate(life.journal, request)
        assert again == reports
        assert len(await asked(life.journal)) == 1
