"""Which language a message is in, and its sentences and clauses with their places.

First step of the reading that all six tiers share. Everything works on character offsets of the
original text, so that a rule can say where a secret, a date or a step stands.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from actors.extraction.vocabulary import words

Language = Literal["en", "zh"]

# Rules read this much of one message; longer texts are documents and are read section by section.
SCANNED_CHARS = 6000

HAN = re.compile(r"[\u3400-\u9fff]")
HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
LATIN_WORD = re.compile(r"[A-Za-z]+")
ADDRESS_LIKE = re.compile(r"https?://\S{1,2000}|\S{1,100}@\S{1,100}")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

# Full stops that do not end a sentence: initials, titles, decimals, file endings.
TITLES = words("mr mrs ms dr prof st no nr vs etc approx e.g i.e jr sr a.m p.m")
ENDING = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？!?；…]+[”’」』）]*|\n+")
CLAUSE = re.compile(
    (
        r"[,，;；:：、]\s*|\s[-–—]+\s|——|(?=\b(?:and|but|so|because|then|cos|cuz) (?:i|we"
        r"|my|he|she|it|the|they|our|his|her)(?:'\w+)? )"
    ),
    re.IGNORECASE,
)
CLAUSE_ZH = re.compile(r"[,，;；:：]\s*|——|\s+-+\s+|[（）()]")


class Piece(NamedTuple):
    """A stretch of the message: its text and where it starts and ends."""

    text: str
    start: int
    end: int


def language_of(text: str) -> Language:
    """Return the language of the text; a Chinese message may hold English words."""
    sample = ADDRESS_LIKE.sub(" ", text[:SCANNED_CHARS])
    han = len(HAN.findall(sample))
    return "zh" if han and han * 2 >= len(LATIN_WORD.findall(sample)) else "en"


def sentences(text: str) -> tuple[Piece, ...]:
    """Return the sentences of the text, without the blanks around them."""
    pieces: list[Piece] = []
    start = 0
    for match in ENDING.finditer(text):
        if match[0] == "." and _is_abbreviation(text, start, match.start()):
            continue
        _append(pieces, text, start, match.end())
        start = match.end()
    _append(pieces, text, start, len(text))
    return tuple(pieces)


def clauses(sentence: Piece, language: Language) -> tuple[Piece, ...]:
    """Return the clauses of a sentence: what stands between commas, dashes and conjunctions."""
    pattern = CLAUSE if language == "en" else CLAUSE_ZH
    pieces: list[Piece] = []
    start = 0
    for match in pattern.finditer(sentence.text):
        if match[0] in (",", ":") and sentence.text[match.end() : match.end() + 1].isdigit():
            continue
        _append(pieces, sentence.text, start, match.end(), sentence.start)
        start = match.end()
    _append(pieces, sentence.text, start, len(sentence.text), sentence.start)
    return tuple(pieces)


def _append(pieces: list[Piece], text: str, start: int, end: int, offset: int = 0) -> None:
    part = text[start:end]
    stripped = part.strip()
    if stripped:
        begin = start + len(part) - len(part.lstrip())
        pieces.append(Piece(stripped, offset + begin, offset + begin + len(stripped)))


def _is_abbreviation(text: str, start: int, dot: int) -> bool:
    before = text[max(start, dot - 6) : dot].rsplit(None, 1)
    word = before[-1].lower() if before else ""
    numbered = word.isdigit() and dot - start <= 3
    return word in TITLES or (len(word) == 1 and word.isalpha() and word != "i") or numbered
