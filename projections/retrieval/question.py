"""Read a question: whom it names, which days it speaks of, what kind of answer it wants."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import msgspec

Days = tuple[date, date]

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
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

_WHEN = re.compile(
    r"\b(when|what (?:date|day|month|year|time)|which (?:day|month|year)|how long|since)\b"
    r"|什么时候|何时|哪天|哪一天|几号|几月|哪年|多久",
    re.I,
)
_NOW = re.compile(
    r"\b(now|currently|current|latest|most recent|recently|these days|today)\b|现在|目前|最近|最新",
    re.I,
)
_FIRST_PERSON = re.compile(r"\b(i|my|me|mine|i'm|i've)\b|我", re.I)
_TIME_WORDS_EN = re.compile(
    r"\b(yesterday|today|tonight|tomorrow|ago|last|next|since|weekend|weeks?|months?|years?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|recently|just (?:got|had|went|came)"
    rf"|{'|'.join(name for name in _MONTHS if name != 'may')}|(?:19|20)\d{{2}})\b"
)
_TIME_WORDS_ZH = re.compile(
    r"昨[天晚]|今[天晚早]|明[天晚早]|前天|后天|[上下这]个?[周月]|周末|星期|去年|今年|明年|刚刚|\d月|\d号"
)
_NAME_PART_MIN = 2


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in a question.

    `speakers` are those it names, `bare` is its text without their names. `days` are the ranges it
    speaks of (first and last day), `months` the months named without a year (1 to 12).
    """

    text: str
    bare: str
    speakers: frozenset[str] = frozenset()
    days: tuple[Days, ...] = ()
    months: frozenset[int] = frozenset()
    wants_time: bool = False
    wants_latest: bool = False


def read_question(text: str, speakers: Iterable[str]) -> Question:
    """Read a question asked of someone whose conversations have these speakers."""
    named, bare = _named_speakers(text, speakers)
    days, months = _dates(text)
    return Question(
        text=text,
        bare=bare,
        speakers=named,
        days=days,
        months=months,
        wants_time=_WHEN.search(text) is not None,
        wants_latest=_NOW.search(text) is not None,
    )


def is_question(text: str) -> bool:
    """Tell whether a message ends by asking something."""
    return text.rstrip(" \"'”’)）~!！").endswith(("?", "？"))


def speaks_of_time(text: str) -> bool:
    """Tell whether a text says when something is or was."""
    # Every text passes here: lowered first, and only what may be Chinese looked through twice, it
    # takes a quarter of the time of one pattern that ignores case.
    if _TIME_WORDS_EN.search(text.lower()) is not None:
        return True
    return not text.isascii() and _TIME_WORDS_ZH.search(text) is not None


def _named_speakers(text: str, speakers: Iterable[str]) -> tuple[frozenset[str], str]:
    """Return the speakers named, by full or first name, and the text without these names.

    A question in the first person names the speaker `user`, but loses no word by it. When nothing
    but names was asked, the text stays as it is.
    """
    named = set()
    bare = text
    for speaker in sorted(speakers, key=len, reverse=True):
        for name in (speaker, speaker.split(" ")[0]):
            if len(name) < _NAME_PART_MIN:
                continue
            edge = r"\b" if name.isascii() else ""
            pattern = re.compile(rf"{edge}{re.escape(name)}{edge}(?:['’]s\b)?", re.I)
            if pattern.search(text):
                named.add(speaker)
                bare = pattern.sub(" ", bare)
        if speaker == "user" and _FIRST_PERSON.search(text):
            named.add(speaker)
    bare = " ".join(bare.split())
    return frozenset(named), bare if re.search(r"\w", bare) else text


def _dates(text: str) -> tuple[tuple[Days, ...], frozenset[int]]:
    """Return the ranges of days and the yearless months a text speaks of; finest reading wins."""
    days: list[Days] = []
    months: set[int] = set()

    def take(year: str | None, month: str, day: str | None) -> None:
        number = int(month) if month.isdigit() else _month_number(month)
        if year is None:
            months.add(number)
        else:
            days.extend(_range(int(year), number, int(day) if day else None))

    rest = text
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
            take(year, month or "", day)
        rest = pattern.sub(" ", rest)
    for match in _YEAR.finditer(rest):
        year = int(match.group(1) or match.group(2))
        days.append((date(year, 1, 1), date(year, 12, 31)))
    return tuple(days), frozenset(month for month in months if 1 <= month <= 12)


def _month_number(name: str) -> int:
    return next(at for at, month in enumerate(_MONTHS, 1) if month.startswith(name.lower()))


def _range(year: int, month: int, day: int | None) -> list[Days]:
    """Return the day, or the whole month without a day; nothing when there is no such date."""
    try:
        first = date(year, month, day or 1)
    except ValueError:
        return []
    if day:
        return [(first, first)]
    following = date(year + month // 12, month % 12 + 1, 1)
    return [(first, following - timedelta(days=1))]


def day_number(moment: datetime | date) -> int:
    """Return the day as days since 1970-01-01 (UTC), as the shelf keeps it."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
    return (moment - date(1970, 1, 1)).days
