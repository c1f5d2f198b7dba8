"""Reading the days that a question speaks of, counted from a day."""

from __future__ import annotations

from datetime import date

import pytest

from projections.retrieval.dates import days_named

#: A Wednesday.
TODAY = date(2026, 3, 11)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("What did I eat yesterday?", date(2026, 3, 10), date(2026, 3, 10)),
        ("Who called last week?", date(2026, 3, 2), date(2026, 3, 8)),
        ("Who called last weekend?", date(2026, 3, 7), date(2026, 3, 8)),
        ("Who called last Wednesday?", date(2026, 3, 4), date(2026, 3, 4)),
        ("Who called last Tuesday?", date(2026, 3, 10), date(2026, 3, 10)),
        ("Where was I last May?", date(2025, 5, 1), date(2025, 5, 31)),
        ("Where was I last February?", date(2026, 2, 1), date(2026, 2, 28)),
        ("What broke three days ago?", date(2026, 3, 8), date(2026, 3, 8)),
        ("What broke two weeks ago?", date(2026, 2, 22), date(2026, 2, 28)),
        ("What broke a month ago?", date(2026, 2, 1), date(2026, 2, 28)),
        ("What broke 3 months ago?", date(2025, 12, 1), date(2025, 12, 31)),
        ("Who wrote in the past 10 days?", date(2026, 3, 1), date(2026, 3, 11)),
        ("Trips of this year", date(2026, 1, 1), date(2026, 12, 31)),
        ("昨天吃了什么", date(2026, 3, 10), date(2026, 3, 10)),
        ("前天谁来了", date(2026, 3, 9), date(2026, 3, 9)),
        ("上周五谁来了", date(2026, 3, 6), date(2026, 3, 6)),
        ("上个月去了哪里", date(2026, 2, 1), date(2026, 2, 28)),
        ("两周前谁来了", date(2026, 2, 22), date(2026, 2, 28)),
        ("去年买了什么", date(2025, 1, 1), date(2025, 12, 31)),
        ("最近三天做了什么", date(2026, 3, 8), date(2026, 3, 11)),
    ],
)
def test_days_counted_from_a_day_are_read(text: str, first: date, last: date) -> None:
    """A week runs from Monday, "last May" is the latest that is over or was left."""
    assert days_named(text, TODAY)[0] == ((first, last),)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("the fair two weeks before 20 March 2025", date(2025, 3, 3), date(2025, 3, 9)),
        ("the day after March 1, 2025", date(2025, 3, 2), date(2025, 3, 2)),
        ("the fair of 20 March 2025", date(2025, 3, 20), date(2025, 3, 20)),
    ],
)
def test_days_counted_from_a_named_date_are_read(text: str, first: date, last: date) -> None:
    """Exact to the unit that is counted in."""
    assert days_named(text)[0] == ((first, last),)


def test_nothing_is_counted_when_there_is_no_day_to_count_from() -> None:
    """The words are then no dates at all."""
    assert days_named("Who called two weeks ago, or yesterday?") == ((), frozenset())


@pytest.mark.parametrize("text", ["999 years ago", "December 9999", "two weeks before 0001-01-03"])
def test_dates_beyond_the_calendar_do_no_harm(text: str) -> None:
    """Whoever asks so gets an answer all the same."""
    days, _ = days_named(text, TODAY)
    assert all(first <= last for first, last in days)
