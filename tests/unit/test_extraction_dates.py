"""The date conventions, as tables and as properties that hold on every day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.extraction.dates import resolve_en
from actors.extraction.dates_zh import number_zh, resolve_zh
from actors.extraction.timespan import Span, Tense

TODAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 12, 31))
WEEKDAYS_EN = "monday tuesday wednesday thursday friday saturday sunday"
WEDNESDAY = date(2026, 3, 4)


def only(text: str, today: date, *, chinese: bool = False, tense: Tense = "future") -> Span:
    """Return the span of the one time expression of the text."""
    mentions = (resolve_zh if chinese else resolve_en)(text, today, tense)
    assert len(mentions) == 1, (text, mentions)
    assert mentions[0].span is not None
    return mentions[0].span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tommorow", "2026-03-05"),
        ("the day before yesterday", "2026-03-02"),
        ("a couple of weeks ago", "2026-02-18"),
        ("a fortnight ago", "2026-02-18"),
        ("in ten days", "2026-03-14"),
        ("last friday", "2026-02-27"),
        ("next wednesday", "2026-03-11"),
        ("this sunday", "2026-03-08"),
        ("friday next week", "2026-03-13"),
        ("a week on saturday", "2026-03-14"),
        ("the 2nd of april", "2026-04-02"),
        ("march 3rd", "2027-03-03"),
        ("5 may 2024", "2024-05-05"),
        ("2026-07-09", "2026-07-09"),
        ("12/25", "2026-12-25"),
        ("the 7th of next month", "2026-04-07"),
        ("the end of last month", "2026-02-28"),
        ("last week", "2026-02-23/2026-03-01"),
        ("next weekend", "2026-03-14/2026-03-15"),
        ("last month", "2026-02-01/2026-02-28"),
        ("two years ago", "2024-01-01/2024-12-31"),
        ("in may", "2026-05-01/2026-05-31"),
        ("june 3-7", "2026-06-03/2026-06-07"),
        ("friday to sunday", "2026-03-06/2026-03-08"),
    ],
)
def test_resolve_en_follows_the_convention_when_expression_is_known(
    text: str, expected: str
) -> None:
    """Each expression means the days of the table, seen from a Wednesday."""
    first, _, last = expected.partition("/")
    span = only(text, WEDNESDAY)
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last or first)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("大后天", "2026-03-07"),
        ("明儿", "2026-03-05"),
        ("大前天", "2026-03-01"),
        ("三天后", "2026-03-07"),
        ("两周前", "2026-02-18"),
        ("上周五", "2026-02-27"),
        ("下周三", "2026-03-11"),
        ("这周日", "2026-03-08"),
        ("下下周一", "2026-03-16"),
        ("下个月3号", "2026-04-03"),
        ("这个月十八号", "2026-03-18"),
        ("上个月底", "2026-02-28"),
        ("去年五月二十号", "2025-05-20"),
        ("2027年1月2日", "2027-01-02"),
        ("上周", "2026-02-23/2026-03-01"),
        ("下周末", "2026-03-14/2026-03-15"),
        ("前年", "2024-01-01/2024-12-31"),
        ("明年3月", "2027-03-01/2027-03-31"),
        ("周五到周日", "2026-03-06/2026-03-08"),
        ("5月3号到6号", "2026-05-03/2026-05-06"),
    ],
)
def test_resolve_zh_follows_the_convention_when_expression_is_known(
    text: str, expected: str
) -> None:
    """Each expression means the days of the table, seen from a Wednesday."""
    first, _, last = expected.partition("/")
    span = only(text, WEDNESDAY, chinese=True)
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last or first)


@given(today=TODAYS, count=st.integers(1, 400))
def test_counted_days_shift_exactly_in_both_languages(today: date, count: int) -> None:
    """N days ago is N days back and in N days is N days on, whatever the calendar does."""
    assert only(f"{count} days ago", today).first == today - timedelta(days=count)
    assert only(f"{count}天后", today, chinese=True).first == today + timedelta(days=count)


@given(today=TODAYS, weekday=st.integers(0, 6))
def test_weekdays_keep_their_week_when_named_with_a_direction(today: date, weekday: int) -> None:
    """`last` looks back up to seven days; `next`, 上 and 下 name the day of a neighbour week."""
    name = WEEKDAYS_EN.split()[weekday]
    monday = today - timedelta(days=today.weekday())
    last = only(f"last {name}", today).first
    assert last.weekday() == weekday
    assert 1 <= (today - last).days <= 7
    assert only(f"next {name}", today).first == monday + timedelta(days=7 + weekday)
    mark = "一二三四五六日"[weekday]
    assert only(f"上周{mark}", today, chinese=True).first == monday + timedelta(days=weekday - 7)
    assert only(f"这周{mark}", today, chinese=True).first == monday + timedelta(days=weekday)


@given(today=TODAYS, number=st.integers(1, 31), tense=st.sampled_from(["past", "future"]))
def test_day_of_month_lies_on_the_side_of_its_tense(today: date, number: int, tense: Tense) -> None:
    """A bare day of the month is the nearest such day on the side that the tense says."""
    span = only(f"{number}号", today, chinese=True, tense=tense)
    assert span.first.day == number
    assert span.first <= today if tense == "past" else span.first >= today


@given(text=st.text(max_size=80), today=TODAYS)
def test_resolvers_accept_any_text(text: str, today: date) -> None:
    """No text makes a resolver fail, and every mention lies within the text."""
    for resolve in (resolve_en, resolve_zh):
        for mention in resolve(text.lower(), today):
            assert 0 <= mention.start < mention.end <= len(text.lower())
            assert mention.span is None or mention.span.first <= mention.span.last


@given(value=st.integers(1, 99))
def test_chinese_numerals_are_read_below_one_hundred(value: int) -> None:
    """A numeral reads as the number that it writes."""
    tens, ones = divmod(value, 10)
    digits = "零一二三四五六七八九"
    head = ("" if tens == 1 else digits[tens]) + "十" if tens else ""
    assert number_zh(head + (digits[ones] if ones else "")) == value
