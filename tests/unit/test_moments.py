"""Moments of the past: how they are written, and what position they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from actors.past.moments import Moments
from events.codec import Codec
from events.errors import CommandRejected
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.moments import moment_of, time_of
from events.sealing import KeyRing
from tests.unit.builders import NOON, new_message


def clock_of(times: Sequence[datetime]):  # type: ignore[no-untyped-def]
    left = list(times)
    return lambda: left.pop(0)


async def test_time_stands_for_the_events_recorded_until_then() -> None:
    """A time between two events is the first one's position; a clock that went back is no later."""
    later = [NOON + timedelta(hours=number) for number in (0, 1, 1, 3, 2)]
    codec = Codec(KeyRing(MemoryKeyStore(b"m" * 32)))
    journal = Journal(MemoryLog(0), codec, clock_of(later))
    for number in range(len(later)):
        await journal.append([new_message("hi", number)])

    moments = Moments(journal)
    for hours, position in ((-1, 0), (0, 1), (0.5, 1), (1, 3), (2, 3), (3, 5), (9, 5)):
        assert await moments.position_at(NOON + timedelta(hours=hours)) == position
    assert await moments.position_at(0) == 0
    assert await moments.position_at(5) == 5
    with pytest.raises(CommandRejected, match="ends at 5"):
        await moments.position_at(6)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("2026-01-07", datetime(2026, 1, 7, tzinfo=UTC)),
        ("2026-01-07T09:30", datetime(2026, 1, 7, 9, 30, tzinfo=UTC)),
        ("2026-01-07T09:30:00+02:00", datetime(2026, 1, 7, 7, 30, tzinfo=UTC)),
    ],
)
def test_moment_is_a_position_or_a_time(text: str, moment: int | datetime) -> None:
    """Digits are a position; a time without a zone is UTC."""
    assert moment_of(text) == moment


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "²", "9" * 30, "0001-01-01T00:00+14:00"])
def test_moment_is_refused_when_it_is_neither(text: str) -> None:
    """The line says what a moment is."""
    with pytest.raises(CommandRejected, match=r"no moment|larger than any"):
        moment_of(text)


@pytest.mark.parametrize("text", ["", "120", "soon", "2026-02-30", "9999-12-31T23:00-14:00"])
def test_time_is_refused_when_it_is_none(text: str) -> None:
    """A position is no time; neither is a day that no calendar has."""
    with pytest.raises(CommandRejected, match="ISO 8601"):
        time_of(text)
