"""Days and ranges of days, and the arithmetic that both date readers share.

A `Mention` is one time expression of the text, resolved. The conventions: weeks run from Monday to
Sunday; a bare weekday or day of the month takes its side of today from the tense of the sentence.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Literal, NamedTuple

Tense = Literal["past", "future"]
Grain = Literal["day", "span", "month", "year", "vague"]


class Span(NamedTuple):
    """First and last day, both included."""

    first: date
    last: date


class Mention(NamedTuple):
    """A time expression: where it stands, which days it means (none when vague), how exactly."""

    start: int
    end: int
    span: Span | None
    grain: Grain


def day(of: date) -> Span:
    """Return the span of one day."""
    return Span(of, of)


def shift_days(today: date, count: int) -> Span | None:
    """Return the day `count` days from today, or none beyond the calendar."""
    try:
        return day(today + timedelta(days=count))
    except OverflowError:
        return None


def week(today: date, offset: int) -> Span:
    """Return Monday to Sunday of the week that is `offset` weeks from today's."""
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=offset)
    return Span(monday, monday + timedelta(days=6))


def weekend(today: date, offset: int) -> Span:
    """Return Saturday and Sunday of the week that is `offset` weeks from today's."""
    whole = week(today, offset)
    return Span(whole.last - timedelta(days=1), whole.last)


def weekday_of_week(today: date, weekday: int, offset: int) -> Span:
    """Return that weekday (Monday 0) of the week that is `offset` weeks from today's."""
    return day(week(today, offset).first + timedelta(days=weekday))


def nearest_weekday(today: date, weekday: int, tense: Tense) -> Span:
    """Return the last such weekday before today, or the next one from today on."""
    if tense == "past":
        return day(today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1))
    return day(today + timedelta(days=(weekday - today.weekday()) % 7))


def month(today: date, offset: int) -> Span | None:
    """Return the whole month that is `offset` months from today's."""
    index = today.year * 12 + today.month - 1 + offset
    return month_of(index // 12, index % 12 + 1)


def month_of(year: int, number: int) -> Span | None:
    """Return the whole month, or none when there is no such month."""
    if not (1 <= number <= 12 and 1 <= year <= 9999):
        return None
    return Span(date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1]))


def year(number: int) -> Span | None:
    """Return the whole year."""
    return Span(date(number, 1, 1), date(number, 12, 31)) if 1 <= number <= 9999 else None


def day_of(year_number: int, month_number: int, day_number: int) -> Span | None:
    """Return the day, or none when the calendar has no such day."""
    try:
        return day(date(year_number, month_number, day_number))
    except ValueError:
        return None


def day_of_month(whole: Span | None, number: int) -> Span | None:
    """Return that day of a month given as its span."""
    return whole and day_of(whole.first.year, whole.first.month, number)


def nearest_date(today: date, month_number: int, number: int, tense: Tense) -> Span | None:
    """Return the next such day of the year from today on, or the last one up to today."""
    years = (
        range(today.year, today.year - 9, -1)
        if tense == "past"
        else range(today.year, today.year + 9)
    )
    for candidate in years:
        found = day_of(candidate, month_number, number)
        if found and (found.first <= today if tense == "past" else found.first >= today):
            return found
    return None


def nearest_day_of_month(today: date, number: int, tense: Tense) -> Span | None:
    """Return the next such day of a month from today on, or the last one up to today."""
    for step in range(4):
        found = day_of_month(month(today, -step if tense == "past" else step), number)
        if found and (found.first <= today if tense == "past" else found.first >= today):
            return found
    return None


def nearest_month(today: date, number: int, tense: Tense) -> Span | None:
    """Return the next month of that name (this one included), or the last one."""
    if tense == "past":
        return month_of(today.year - (number > today.month), number)
    return month_of(today.year + (number < today.month), number)
