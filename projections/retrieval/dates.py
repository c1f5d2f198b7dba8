"""Read which days a question speaks of: dates, months, years, and days counted from a reference.

"Last week" needs a day that it is counted from. A search takes that of the person's newest passage,
not the clock: the same question of the same log is read alike, whenever it is asked again.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date

Days = tuple[date, date]

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTS_ZH = "一二三四五六七八九十"
_WEEKDAYS_ZH = "一二三四五六日"

_MONTH = "|".join(f"{name}|{name[:3]}" for name in MONTHS)
_COUNT = rf"\d{{1,3}}|an?|the|{'|'.join(_COUNTS)}|couple of|few"
_UNIT = r"(day|week|month|year)s?"

_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b[ ,]*(\d{{4}})?", re.I)
_MONTH_FIRST = re.compile(
    rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)[ ,]*(\d{{4}})?", re.I
)
_MONTH_YEAR = re.compile(rf"\b({_MONTH})\b,?(?: of)? ?(\d{{4}})\b", re.I)
# `may` and `march` are words too: without a year the month must follow a preposition.
_MONTH_ALONE = re.compile(rf"\b(?:in|during|since|last|this|early|late|mid) ({_MONTH})\b", re.I)
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_CHINESE_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(?:(\d{1,2})[日号])?")
_YEAR = re.compile(r"\b((?:19|20)\d{2})\b|((?:19|20)\d{2})年")
#: "two weeks before 11 August 2023": what stands right in front of a date.
_AWAY = re.compile(rf"\b({_COUNT}) {_UNIT} (before|after|prior to) $", re.I)

#: What every wording below has some of; most questions have none, and are done with.
_ANY = re.compile(
    r"\d|\b(?:ago|last|past|previous|this|today|tonight|yesterday|in|during|since|early|late|mid)\b"
    r"|[天周月年昨今]|星期|周末",
    re.I,
)

_LAST_MONTH = re.compile(rf"\b(?:last|this past) ({'|'.join(MONTHS)})\b", re.I)
_AGO = re.compile(
    rf"\b({_COUNT}) {_UNIT} ago\b|(\d{{1,3}}|[{_COUNTS_ZH}两])个?(天|周|星期|月|年)前", re.I
)
_DURING = re.compile(
    rf"\b(?:last|past|previous) (\d{{1,3}}|{'|'.join(_COUNTS)}|couple of|few) {_UNIT}\b"
    rf"|(?:最近|过去)(?:的|这)?(\d{{1,3}}|[{_COUNTS_ZH}两])个?(天|周|星期|月|年)",
    re.I,
)
_WEEKDAY = re.compile(
    rf"\blast ({'|'.join(WEEKDAYS)})\b|上(?:个?星期|个?礼拜|周)([{_WEEKDAYS_ZH}天])", re.I
)
_NAMED: tuple[tuple[re.Pattern[str], Callable[[date], Days]], ...] = (
    (re.compile(r"\byesterday\b|\blast night\b|昨[天晚]", re.I), lambda at: _one(at, -1)),
    (re.compile(r"\btoday\b|\btonight\b|今[天晚]", re.I), lambda at: _one(at, 0)),
    (re.compile(r"前天"), lambda at: _one(at, -2)),
    (re.compile(r"\b(?:last|previous) weekend\b|上个?周末", re.I), lambda at: _week(at, -1, 5)),
    (re.compile(r"\b(?:last|previous) week\b|上(?:周|个?星期)", re.I), lambda at: _week(at, -1)),
    (re.compile(r"\bthis week\b|[这本](?:周|个?星期)", re.I), lambda at: _week(at, 0)),
    (re.compile(r"\b(?:last|previous) month\b|上个?月", re.I), lambda at: _months_away(at, -1)),
    (re.compile(r"\bthis month\b|这个月|本月", re.I), lambda at: _months_away(at, 0)),
    (re.compile(r"\b(?:last|previous) year\b|去年", re.I), lambda at: _year(at.year - 1)),
    (re.compile(r"\bthis year\b|今年", re.I), lambda at: _year(at.year)),
    (re.compile(r"前年"), lambda at: _year(at.year - 2)),
)
_UNITS_ZH = {"天": "day", "周": "week", "星期": "week", "月": "month", "年": "year"}
_FEW = 3


def days_named(text: str, today: date | None = None) -> tuple[tuple[Days, ...], frozenset[int]]:
    """Return the ranges of days (first and last) a text speaks of, and its yearless months.

    The finest reading of a date wins. What is counted from today is left out without a `today`.
    """
    if not _ANY.search(text):
        return (), frozenset()
    days, rest = _counted(text, today) if today is not None else ([], text)
    months: set[int] = set()
    for pattern, order in (
        (_ISO, (1, 2, 3)),
        (_DAY_FIRST, (3, 2, 1)),
        (_MONTH_FIRST, (3, 1, 2)),
        (_MONTH_YEAR, (2, 1, None)),
        (_MONTH_ALONE, (None, 1, None)),
        (_CHINESE_DATE, (1, 2, 3)),
    ):
        for match in pattern.finditer(rest):
            year, month, day = (match.group(at) if at else None for at in order)
            number = int(month) if month and month.isdigit() else _month_number(month or "")
            if year is None:
                months.add(number)
            else:
                away = _AWAY.search(rest[: match.start()])
                days += _moved(_range(int(year), number, int(day) if day else None), away)
        rest = pattern.sub(" ", rest)
    for match in _YEAR.finditer(rest):
        days.append(_year(int(match.group(1) or match.group(2))))
    return tuple(days), frozenset(month for month in months if 1 <= month <= 12)


def _counted(text: str, today: date) -> tuple[list[Days], str]:
    """Return what is counted from today, and the text without it."""
    days: list[Days] = []

    def ago(match: re.Match[str]) -> str:
        count, unit = _amount(match)
        if unit == "day":
            days.append(_one(today, -count))
        elif unit == "week":
            days.append((_away(today, -7 * count - 3), _away(today, -7 * count + 3)))
        elif unit == "month":
            days.append(_months_away(today, -count))
        else:
            days.append(_year(max(today.year - count, 1)))
        return " "

    def during(match: re.Match[str]) -> str:
        count, unit = _amount(match)
        days.append((_away(today, -count * _DAYS_OF[unit]), today))
        return " "

    def weekday(match: re.Match[str]) -> str:
        if match.group(1):
            away = (today.weekday() - WEEKDAYS.index(match.group(1).lower()) - 1) % 7 + 1
            days.append(_one(today, -away))
        else:
            monday, _ = _week(today, -1)
            days.append(_one(monday, _WEEKDAYS_ZH.index(match.group(2).replace("天", "日"))))
        return " "

    def month(match: re.Match[str]) -> str:
        number = _month_number(match.group(1))
        days.extend(_range(today.year - (number >= today.month), number, None))
        return " "

    for pattern, read in (
        (_LAST_MONTH, month),
        (_AGO, ago),
        (_DURING, during),
        (_WEEKDAY, weekday),
    ):
        text = pattern.sub(read, text)
    for pattern, range_from in _NAMED:
        if pattern.search(text):
            days.append(range_from(today))
            text = pattern.sub(" ", text)
    return days, text


_DAYS_OF = {"day": 1, "week": 7, "month": 30, "year": 365}


def _amount(match: re.Match[str]) -> tuple[int, str]:
    """Return the count and the unit of the English or the Chinese half of a match."""
    count, unit, count_zh, unit_zh = match.groups()
    if unit:
        return _number(count), unit.lower()
    return _number(count_zh), _UNITS_ZH[unit_zh]


def _number(word: str) -> int:
    word = word.lower()
    if word.isdecimal():
        return int(word)
    if word in _COUNTS:
        return _COUNTS.index(word) + 1
    if word in _COUNTS_ZH:
        return _COUNTS_ZH.index(word) + 1
    return {"couple of": 2, "两": 2, "few": _FEW}.get(word, 1)


def _moved(ranges: list[Days], away: re.Match[str] | None) -> list[Days]:
    """Return ranges moved by what stands before their date ("two weeks before"), if anything.

    What is so many weeks away is meant to the week, so many months to the month.
    """
    if away is None:
        return ranges
    span = _DAYS_OF[away.group(2).lower()]
    shift = _number(away.group(1)) * (span if away.group(3).lower() == "after" else -span)
    return [
        (_away(first, shift - span // 2), _away(last, shift + span // 2)) for first, last in ranges
    ]


def _month_number(name: str) -> int:
    return next(at for at, month in enumerate(MONTHS, 1) if month.startswith(name.lower()))


def _range(year: int, month: int, day: int | None) -> list[Days]:
    """Return the day, or the whole month without a day; nothing when there is no such date."""
    try:
        first = date(year, month, day or 1)
    except ValueError:
        return []
    if day:
        return [(first, first)]
    return [(first, date(year, month, monthrange(year, month)[1]))]


def _away(day: date, days: int) -> date:
    """Return the day so many days later (earlier, below zero), within what a calendar holds."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def _one(today: date, away_days: int) -> Days:
    day = _away(today, away_days)
    return day, day


def _week(today: date, away: int, first_day: int = 0) -> Days:
    """Return a week from Monday, or from a later day of it (0 is Monday), to Sunday."""
    monday = _away(today, 7 * away - today.weekday())
    return _away(monday, first_day), _away(monday, 6)


def _months_away(today: date, away: int) -> Days:
    months = max(today.year * 12 + today.month - 1 + away, 12)
    year, month = months // 12, months % 12 + 1
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def _year(year: int) -> Days:
    return date(year, 1, 1), date(year, 12, 31)
