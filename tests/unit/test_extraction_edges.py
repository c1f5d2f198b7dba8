"""Time expressions at the edges of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.extraction import extract
from actors.extraction.finding import Utterance


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize(
    "text",
    ["Last week we moved, next year we rest, see you tomorrow", "上周搬家了，明年休息，后天见"],
)
def test_a_date_beyond_the_calendar_is_no_date(text: str, year: int) -> None:
    """At the edges of the calendar a time expression fixes nothing, and nothing fails."""
    said_at = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, tzinfo=UTC)
    for finding in extract(Utterance(text=text, said_at=said_at)):
        assert finding.content
