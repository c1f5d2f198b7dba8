"""Read a question: whom it names, which days it speaks of, what kind of answer it wants."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

import msgspec

from projections.retrieval.chinese import given_name
from projections.retrieval.dates import Days, days_named
from projections.retrieval.kinds import Kind, kinds_wanted, wants_several

_NOW = re.compile(
    r"\b(now|currently|current|latest|most recent|recently|these days|today)\b|现在|目前|最近|最新",
    re.I,
)
_FIRST_PERSON = re.compile(r"\b(i|my|me|mine|i'm|i've)\b|我", re.I)
#: A sentence with the marks that end it.
_SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]*")
_IMAGE = re.compile(r"\[image:[^\]]*\]")
_NAME_PART_MIN = 2


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in a question.

    `speakers` are those it names, `bare` is its text without their names. `days` are the ranges it
    speaks of (first and last day), `months` the months named without a year (1 to 12). `wants` are
    the kinds of things it asks for; of `wants_several` see `kinds.wants_several`.
    """

    text: str
    bare: str
    speakers: frozenset[str] = frozenset()
    days: tuple[Days, ...] = ()
    months: frozenset[int] = frozenset()
    wants: Kind = Kind(0)
    wants_several: bool = False
    wants_latest: bool = False


def read_question(text: str, speakers: Iterable[str], today: date | None = None) -> Question:
    """Read a question asked of someone whose conversations have these speakers.

    `today` is the day that "last week" is counted from; without it, such words name no days.
    """
    named, bare = _named_speakers(text, speakers)
    days, months = days_named(text, today)
    return Question(
        text=text,
        bare=bare,
        speakers=named,
        days=days,
        months=months,
        wants=kinds_wanted(text),
        wants_several=wants_several(text),
        wants_latest=_NOW.search(text) is not None,
    )


def bare_question(text: str, speakers: Iterable[str]) -> str:
    """Return a question without the names of those it is about, as `Question.bare` has it."""
    return _named_speakers(text, speakers)[1]


def is_question(text: str) -> bool:
    """Tell whether a message ends by asking something."""
    return text.rstrip(" \"'”’)）~!！").endswith(("?", "？"))


def asking_share(text: str) -> float:
    """Return which share of a text asks, between 0 and 1.

    "I joined a choir last week. How are you?" ends by asking, and tells something all the same.
    """
    if "?" not in text and "？" not in text:
        return 0.0
    sentences = _SENTENCE.findall(_IMAGE.sub(" ", text))
    asking = sum(len(sentence) for sentence in sentences if is_question(sentence))
    return asking / max(sum(map(len, sentences)), 1)


def _named_speakers(text: str, speakers: Iterable[str]) -> tuple[frozenset[str], str]:
    """Return the speakers named, by full, first or given name, and the text without these names.

    A question in the first person names the speaker `user`, but loses no word by it. When nothing
    but names was asked, the text stays as it is.
    """
    named = set()
    bare = text
    for speaker in sorted(speakers, key=len, reverse=True):
        for name in (speaker, speaker.split(" ")[0], given_name(speaker) or ""):
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


def day_number(moment: datetime | date) -> int:
    """Return the day as days since 1970-01-01 (UTC), as the shelf keeps it."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
    return (moment - date(1970, 1, 1)).days
