"""English time expressions: the table of what people write and the days that it means.

`resolve_en(text, today, tense)` returns the mentions in the order of the text. Each rule of the
table is a pattern and a plain function of its match; longer readings stand before shorter ones,
and a stretch of text that one rule took is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from actors.extraction.date_words_en import (
    DAY,
    DAY_TH,
    HOLIDAYS,
    LONG_MON,
    MON,
    MONTHS,
    NUMBERS,
    UNIT,
    WD,
    WEEKDAYS,
    YEAR,
    N,
)
from actors.extraction.timespan import (
    Grain,
    Mention,
    Span,
    Tense,
    day_of,
    day_of_month,
    month,
    month_of,
    nearest_date,
    nearest_day_of_month,
    nearest_month,
    nearest_weekday,
    shift_days,
    week,
    weekday_of_week,
    weekend,
    year,
)

Rule = Callable[[re.Match[str], date, Tense], Span | None]


def _count(text: str) -> int:
    word = text.split()[1] if text.startswith("a couple") else text.split()[0]
    return int(word) if word.isdigit() else NUMBERS[word]


def _away(match: re.Match[str], today: date, sign: int) -> Span | None:
    count, unit = sign * _count(match["n"]), match["u"]
    if unit in ("month",):
        return month(today, count)
    if unit in ("year", "yr"):
        return year(today.year + count)
    return shift_days(today, count * {"week": 7, "wk": 7, "fortnight": 14}.get(unit, 1))


def _date(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    groups = match.groupdict()
    number, written = MONTHS[groups["mon"]], groups.get("y")
    if written:
        return day_of(int(written), number, int(groups["d"]))
    return nearest_date(today, number, int(groups["d"]), tense)


def _date_range(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    last = _date(match, today, tense)
    first = last and day_of(last.first.year, last.first.month, int(match["d0"]))
    return Span(first.first, last.first) if first and last and first <= last else last


def _numeric(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    first, second, written = int(match["d"]), int(match["m"]), match["y"]
    number, month_number = (second, first) if second > 12 else (first, second)
    if written:
        return day_of(int(written) + (2000 if len(written) == 2 else 0), month_number, number)
    return nearest_date(today, month_number, number, tense)


def _month_named(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    number, which = MONTHS[match["mon"]], match["which"] or ""
    if match["y"]:
        return month_of(int(match["y"]), number)
    if which.startswith("last"):
        return month_of(today.year - (number >= today.month), number)
    if which.startswith("next"):
        return month_of(today.year + (number <= today.month), number)
    if which.startswith("this"):
        return month_of(today.year, number)
    return nearest_month(today, number, tense)


OFFSET = {
    "last": -1,
    "this": 0,
    "next": 1,
    "this past": -1,
    "past": -1,
    "the past": -1,
    "previous": -1,
    "coming": 0,
    "this coming": 0,
    "following": 1,
}


def _weekday(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    weekday, which = WEEKDAYS[match["wd"]], " ".join((match["which"] or "").split())
    if which in ("last", "past", "this past", "the past"):
        return nearest_weekday(today, weekday, "past")
    if which in ("next", "this"):
        return weekday_of_week(today, weekday, OFFSET[which])
    if which in ("coming", "this coming"):
        return nearest_weekday(today + timedelta(days=1), weekday, "future")
    return nearest_weekday(today, weekday, tense)


def _edge_of_month(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    which = match["which"] or "this"
    whole = month(today, {"last": -1, "next": 1}.get(which.split()[-1], 0))
    if whole is None:
        return None
    last = match["edge"] in ("end", "last day")
    return Span(whole.last, whole.last) if last else Span(whole.first, whole.first)


def _offset(match: re.Match[str]) -> int:
    return OFFSET[" ".join(match["which"].split())]


_WHICH = r"(?P<which>last|this past|this|next)"
RULES: tuple[tuple[str, Grain, Rule], ...] = (
    (
        r"(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})",
        "day",
        lambda m, t, _: day_of(int(m["y"]), int(m["m"]), int(m["d"])),
    ),
    (
        r"(?:the )?day after (?:tom+or+ow|tmr+w?)|overmorrow",
        "day",
        lambda m, t, _: shift_days(t, 2),
    ),
    (r"(?:the )?day before (?:yesterday|yday)", "day", lambda m, t, _: shift_days(t, -2)),
    (
        r"a week (?P<s>ago|from) (?:today|now)",
        "day",
        lambda m, t, _: shift_days(t, -7 if m["s"] == "ago" else 7),
    ),
    (rf"{N} {UNIT} ago", "day", lambda m, t, _: _away(m, t, -1)),
    (
        rf"(?:in|within) {N} {UNIT}(?:'? time)?|{N.replace('<n>', '<n2>')} "
        rf"{UNIT.replace('<u>', '<u2>')}"
        r" from (?:now|today)",
        "day",
        lambda m, t, _: _ahead(m, t),
    ),
    (
        rf"(?:from )?(?:the )?(?P<d0>\d{{1,2}})(?:st|nd|rd|th)?(?: of "
        rf"{LONG_MON.replace('<mon>', '<mon0>')})?"
        rf"\s?(?:-|–|to|till|until|and)\s?(?:the )?{DAY}(?: of)? {MON}{YEAR}",
        "span",
        _date_range,
    ),
    (
        (
            rf"{MON} (?:the )?(?P<d0>\d{{1,2}})(?:st|nd|rd|th)?\s?(?:-|–|to|till"
            rf"|until)\s?(?:the )?{DAY}{YEAR}"
        ),
        "span",
        _date_range,
    ),
    (rf"(?:the )?{DAY} (?:of )?{MON}{YEAR}", "day", _date),
    (rf"{MON} (?:the )?{DAY}(?!\d|:|\s?[ap]m){YEAR}", "day", _date),
    (
        (
            r"(?P<edge>end|start|beginning|first day|last day) of (?P<which>last|this|next"
            r"|the) month"
        ),
        "day",
        _edge_of_month,
    ),
    (
        rf"(?:the )?{DAY_TH} (?:of )?(?P<which>last|this|next) month",
        "day",
        lambda m, t, _: day_of_month(month(t, _offset(m)), int(m["d"])),
    ),
    (
        (
            rf"{WD} (?:of )?(?P<which>last|this|next) week|(?P<which2>last|this|next) week,? "
            rf"(?:on )?{WD.replace('<wd>', '<wd2>')}"
        ),
        "day",
        lambda m, t, _: weekday_of_week(
            t, WEEKDAYS[m["wd"] or m["wd2"]], OFFSET[m["which"] or m["which2"]]
        ),
    ),
    (
        rf"a week on {WD}|{WD.replace('<wd>', '<wd2>')} week",
        "day",
        lambda m, t, _: shift_days(
            nearest_weekday(t, WEEKDAYS[m["wd"] or m["wd2"]], "future").first, 7
        ),
    ),
    (rf"(?P<which>last|this past|this coming|this|next|coming|past)\s+{WD}", "day", _weekday),
    (rf"{_WHICH} weekend", "span", lambda m, t, _: weekend(t, _offset(m))),
    (
        r"(?:over |at |on |for )the weekend|(?:all|the whole) weekend",
        "span",
        lambda m, t, tense: weekend(t, -1 if tense == "past" and t.weekday() < 5 else 0),
    ),
    (rf"{_WHICH} week", "span", lambda m, t, _: week(t, _offset(m))),
    (rf"{_WHICH} month", "month", lambda m, t, _: month(t, _offset(m))),
    (rf"{_WHICH} year", "year", lambda m, t, _: year(t.year + _offset(m))),
    (
        rf"(?:back in |in |since |early |late |mid-)(?P<which>last |this |next )?{LONG_MON}{YEAR}"
        rf"|(?P<which2>last|next|this) {LONG_MON.replace('<mon>', '<mon2>')}",
        "month",
        lambda m, t, tense: _month_any(m, t, tense),
    ),
    (
        rf"{LONG_MON} (?P<y>(?:19|20)\d\d)",
        "month",
        lambda m, t, _: month_of(int(m["y"]), MONTHS[m["mon"]]),
    ),
    (
        rf"the {DAY_TH}(?=[,.;!?]| at\b| in the\b| with\b|$)",
        "day",
        lambda m, t, tense: nearest_day_of_month(t, int(m["d"]), tense),
    ),
    (r"(?:back in|in) (?P<y>(?:19|20)\d\d)", "year", lambda m, t, _: year(int(m["y"]))),
    (
        (
            rf"on (?:the )?{DAY_TH}|(?:by|until|till|from|for) the "
            rf"{DAY_TH.replace('<d>', '<d2>')}(?! (?:time|floor|year|month|week|day|birthday))"
        ),
        "day",
        lambda m, t, tense: nearest_day_of_month(t, int(m["d"] or m["d2"]), tense),
    ),
    (
        r"(?P<h>christmas eve|christmas day|boxing day|new year'?s (?:eve|day)|halloween"
        r"|valentine'?s day"
        r"|(?<=on )christmas)",
        "day",
        lambda m, t, tense: nearest_date(t, *HOLIDAYS[m["h"]], tense),
    ),
    (
        rf"(?P<which>)(?<!every )(?<!each )(?<!\d[- ]){WD}(?!s\b|'s|-| reset| routine)",
        "day",
        _weekday,
    ),
    (
        (
            r"today|tonight|tonite|2nite|2day|this (?:morning|afternoon|evening|lunchtime)"
            r"|earlier today"
        ),
        "day",
        lambda m, t, _: shift_days(t, 0),
    ),
    (
        r"yesterday|yday|yesterdy|last (?:night|evening|nite)",
        "day",
        lambda m, t, _: shift_days(t, -1),
    ),
    (r"tom+or+ow|tmr+w?|tomoz|2mor+ow?|2moz", "day", lambda m, t, _: shift_days(t, 1)),
    (r"(?P<d>\d{1,2})/(?P<m>\d{1,2})(?:/(?P<y>\d{4}|\d{2}))?(?![/\d])", "day", _numeric),
)


def _ahead(match: re.Match[str], today: date) -> Span | None:
    if match["n"]:
        return _away(match, today, 1)
    inner = re.match(rf"{N} {UNIT}", match[0])
    return inner and _away(inner, today, 1)


def _month_any(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    if match["mon2"]:
        inner = re.match(rf"(?P<which>\w+) {LONG_MON}(?P<y>)", match[0])
        return inner and _month_named(inner, today, tense)
    return _month_named(match, today, tense)


_COMPILED = tuple((re.compile(rf"(?<![\w/-])(?:{p})(?![\w])"), g, f) for p, g, f in RULES)
# One cheap look decides whether the table is tried at all: most messages hold no time expression.
_ANY = re.compile(
    r"(?<![a-z])(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep"
    r"|oct|nov|dec|tom+or|tmr|2m|yes|yd|"
    r"to(?:day|ni)|2[nd]|week|day|last|next|this|past|coming|ago|in |over|christ|xmas"
    r"|boxing|new year|hallo|valen|end|start|"
    r"beg|first day)|\d[/-]\d|\dth|\dst|\dnd|\drd|weekend|fortnight|ago|month|year"
)
# `pushed from Thursday to Sunday` is no range.
_MOVED = re.compile(
    r"\b(?:moved|pushed|rescheduled|postponed|shifted|changed|switched|brought "
    r"forward|put back|bumped|swapped|delayed)\b.{0,20}\bfrom $"
)
_JOIN = re.compile(r"\s*(?:-|–|to|till|until|through|thru)\s*(?:the )?")


def resolve_en(lowered: str, today: date, tense: Tense = "future") -> tuple[Mention, ...]:
    """Return the time expressions of a lower-case English text, resolved against `today`.

    Args:
        lowered: the text in lower case, straight apostrophes.
        today: the date written on the message.
        tense: which side of today a bare weekday, day or month means.
    """
    if not _ANY.search(lowered):
        return ()
    found: list[Mention] = []
    for pattern, grain, rule in _COMPILED:
        for match in pattern.finditer(lowered):
            if any(m.start < match.end() and match.start() < m.end for m in found):
                continue
            try:
                span = rule(match, today, tense)
            except (OverflowError, ValueError):
                continue  # beyond the calendar: it fixes no date
            if span is not None:
                exact = grain if span.first != span.last or grain == "day" else "day"
                if exact == "day" and span.first != span.last:
                    exact = "span"
                found.append(Mention(match.start(), match.end(), span, exact))
    found.sort()
    return _joined(found, lowered)


def _joined(found: list[Mention], lowered: str) -> tuple[Mention, ...]:
    merged: list[Mention] = []
    for mention in found:
        before = merged[-1] if merged else None
        if (
            before
            and not _MOVED.search(lowered, 0, before.start)
            and before.span
            and mention.span
            and _JOIN.fullmatch(lowered, before.end, mention.start)
        ):
            last = mention.span.last
            while last < before.span.first and (last - before.span.first).days > -8:
                last += timedelta(days=7)
            if last >= before.span.first:
                merged[-1] = Mention(
                    before.start, mention.end, Span(before.span.first, last), "span"
                )
                continue
        merged.append(mention)
    return tuple(merged)
