"""One utterance, read once for all tiers: language, sentences with moods, secrets, dates.

Everything is worked out when a tier first asks for it, so an agent that needs only links never pays
for dates. A reading is never shared between messages.
"""

from __future__ import annotations

import re
from functools import cached_property

from actors.extraction.dates import resolve_en
from actors.extraction.dates_zh import resolve_zh
from actors.extraction.finding import Utterance
from actors.extraction.gates import QUOTED, Mood, is_fiction, mood_of
from actors.extraction.language import (
    SCANNED_CHARS,
    WORD,
    Language,
    Piece,
    clauses,
    language_of,
    sentences,
)
from actors.extraction.secrets import Secret, mask, scan_secrets
from actors.extraction.timespan import Mention, Tense

_QUOTES = str.maketrans({"’": "'", "‘": "'", "＇": "'"})


class Clause:
    """A clause or sentence with its lower-case form, its words and its time expressions."""

    def __init__(self, piece: Piece, owner: Reading) -> None:
        self.text, self.start, self.end = piece
        self.owner = owner
        self.low = owner.low[piece.start : piece.end]

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the clause in lower case."""
        return frozenset(WORD.findall(self.low))

    @cached_property
    def plain(self) -> str:
        """The lower-case text with long quotations blanked: others said them, not the speaker."""
        if '"' in self.low or "“" in self.low or "'" in self.low:
            return QUOTED.sub(lambda m: m[0] if len(m[0]) < 14 else " " * len(m[0]), self.low)
        return self.low

    def mentions(self, tense: Tense) -> tuple[Mention, ...]:
        """Return the time expressions of the clause, in places of the clause."""
        resolve = resolve_zh if self.owner.language == "zh" else resolve_en
        return resolve(self.low, self.owner.utterance.said_at.date(), tense)

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """The clauses of the sentence."""
        piece = Piece(self.text, self.start, self.end)
        return tuple(Clause(p, self.owner) for p in clauses(piece, self.owner.language))

    @cached_property
    def mood(self) -> Mood:
        """How the sentence is meant."""
        return mood_of(self.text, self.low, self.owner.language)

    @property
    def secret(self) -> bool:
        """Whether a secret stands in it."""
        return any(s.start < self.end and self.start < s.end for s in self.owner.secrets)

    @property
    def shown(self) -> str:
        """The text without its secrets."""
        return self.owner.show(self.start, self.end)


class Reading:
    """One utterance with what the rules of all tiers ask about it."""

    def __init__(self, utterance: Utterance) -> None:
        self.utterance = utterance
        self.text = utterance.text[:SCANNED_CHARS]
        lowered = self.text.translate(_QUOTES).lower()
        # A few letters (the Turkish dotted capital I) change length in lower case; places must not.
        self.low = lowered if len(lowered) == len(self.text) else _lower_in_place(self.text)
        self.language: Language = language_of(self.text)

    @cached_property
    def sentences(self) -> tuple[Clause, ...]:
        """The sentences of the message."""
        return tuple(Clause(piece, self) for piece in sentences(self.text))

    @cached_property
    def fiction(self) -> bool:
        """Whether the message is about a made-up or quoted text."""
        return is_fiction(self.text, self.low, self.language)

    @cached_property
    def secrets(self) -> tuple[Secret, ...]:
        """The secret values of the message."""
        return scan_secrets(self.text)

    def show(self, start: int, end: int) -> str:
        """Return a stretch of the message without its secrets, on one line."""
        spans = [(s.start, s.end) for s in self.secrets]
        return re.sub(r"\s+", " ", mask(self.text[start:end], spans, start)).strip()

    @cached_property
    def whole(self) -> str:
        """The message without its secrets, bounded for the readable fields."""
        return self.show(0, len(self.text))[:800]

    def around(self, start: int, end: int, limit: int = 400) -> str:
        """Return the whole message when it is short, else what stands around the stretch."""
        if len(self.text) <= limit:
            return self.whole
        half = max(0, (limit - (end - start)) // 2)
        return self.show(max(0, start - half), min(len(self.text), end + half))

    @cached_property
    def own_voice(self) -> bool:
        """Whether the speaker tells something of the own life: no fiction, not the assistant."""
        return not self.fiction and self.utterance.role != "assistant"


def _lower_in_place(text: str) -> str:
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text.translate(_QUOTES))
