"""The extractive answer: without a language model, quote what was found and say from where.

Pure: question and hits in, text and citations out. It never invents; when nothing fits it says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.extraction.language import language_of
from actors.queries import FoundMemory
from events.catalogue import Citation
from events.memory import Value

MODEL = "extractive"
QUOTES_MAX = 3
#: A hit is quoted when it scores at least this share of the best one.
QUOTED_SHARE_MIN = 0.75
QUOTE_CHARS_MAX = 400

_PHRASES = {
    "en": {
        "none": "I have nothing in memory about that.",
        "one": "From memory: {0}",
        "many": "From memory:",
        "on": " ({0})",
    },
    "zh": {
        "none": "我的记忆里没有这方面的内容。",
        "one": "根据记忆：{0}",
        "many": "根据记忆：",
        "on": "（{0}）",
    },
}


class ExtractiveAnswer(Value, frozen=True, kw_only=True):
    """An answer made of quotations, and the memories that it quotes."""

    text: str
    citations: tuple[Citation, ...]


def extractive_answer(question: str, hits: Sequence[FoundMemory]) -> ExtractiveAnswer:
    """Quote the best hits, best first.

    Args:
        question: what was asked; the answer is in its language.
        hits: what the search found, best first.
    """
    phrases = _PHRASES[language_of(question)]
    quoted = _worth_quoting(question, hits)
    if not quoted:
        return ExtractiveAnswer(text=phrases["none"], citations=())
    lines = [_quote(hit, number, phrases) for number, hit in enumerate(quoted, start=1)]
    if len(lines) == 1:
        text = phrases["one"].format(lines[0])
    else:
        text = "\n".join((phrases["many"], *(f"- {line}" for line in lines)))
    citations = tuple(
        Citation(
            id=hit.id, tier=hit.tier, text=hit.text, score=hit.score, message_ids=hit.message_ids
        )
        for hit in quoted
    )
    return ExtractiveAnswer(text=text, citations=citations)


def _worth_quoting(question: str, hits: Sequence[FoundMemory]) -> list[FoundMemory]:
    """Keep the hits near the best; one of a memory and the message that it was drawn from."""
    quoted: list[FoundMemory] = []
    sources = set[str]()
    asked = _folded(question)
    for hit in hits:
        if len(quoted) == QUOTES_MAX or (quoted and hit.score < QUOTED_SHARE_MIN * quoted[0].score):
            break
        if sources.intersection(hit.message_ids) or not _tells(hit, asked):
            continue
        sources.update(hit.message_ids)
        quoted.append(hit)
    return quoted


def _tells(hit: FoundMemory, asked: str) -> bool:
    """Whether a hit can be an answer: not the same question again, nor another one."""
    text = hit.text.rstrip()
    is_question = hit.tier == "conversation" and text.endswith(("?", "？"))
    return _folded(text) != asked and not is_question


def _quote(hit: FoundMemory, number: int, phrases: dict[str, str]) -> str:
    text = " ".join(hit.text.split())
    if len(text) > QUOTE_CHARS_MAX:
        text = text[: QUOTE_CHARS_MAX - 1] + "…"
    said = f"{hit.speaker}: “{text}”" if hit.speaker not in ("", "user") else f"“{text}”"
    when = hit.occurred_at[:10]
    return f"{said}{phrases['on'].format(when) if when else ''} [{number}]"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
