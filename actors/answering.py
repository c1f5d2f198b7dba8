"""The extractive answer: without a language model, quote what was found and say from where.

Pure: question and hits in, text and citations out. It never invents; when nothing fits it says so.
How a quotation reads is `quoting`'s matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.extraction.language import language_of
from actors.queries import FoundMemory
from actors.quoting import quoted_text
from events.catalogue import Citation
from events.memory import Value
from projections.retrieval.question import read_question

MODEL = "extractive"
QUOTES_MAX = 3
#: What is less relevant is no answer. At this floor, 2 of 32 English and none of 32 Chinese
#: questions that nothing answered got a quotation, 30 of 33 and 28 of 34 others their answer
#: (`docs/retrieval.md`).
RELEVANCE_MIN = 0.3
#: A hit is quoted beside the most relevant one when it has at least this share of its relevance.
QUOTED_SHARE_MIN = 0.6

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
#: Who asks so wants to hear what no longer holds.
_FORMER = re.compile(
    r"\b(?:used to|before|previous(?:ly)?|former(?:ly)?|earlier|originally|did i (?:live|work))\b"
    r"|以前|之前|从前|原来|曾经|过去",
    re.I,
)


class ExtractiveAnswer(Value, frozen=True, kw_only=True):
    """An answer made of quotations, and the memories that it quotes."""

    text: str
    citations: tuple[Citation, ...]


def extractive_answer(question: str, hits: Sequence[FoundMemory]) -> ExtractiveAnswer:
    """Quote the best hits that are about the question, best first.

    Args:
        question: what was asked; the answer is in its language.
        hits: what the search found, best first.
    """
    phrases = _PHRASES[language_of(question)]
    quoted = _worth_quoting(question, hits)
    if not quoted:
        return ExtractiveAnswer(text=phrases["none"], citations=())
    lines = [_quote(question, hit, number, phrases) for number, hit in enumerate(quoted, start=1)]
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
    """Keep the hits about the question; one of a memory and the message that it was drawn from.

    Who asks for what is so now gets the newest alone.
    """
    asked = _folded(question)
    former = _FORMER.search(question) is not None
    telling = [
        hit
        for hit in hits
        if hit.relevance >= RELEVANCE_MIN and _tells(hit, asked) and (former or not hit.superseded)
    ]
    least = QUOTED_SHARE_MIN * max((hit.relevance for hit in telling), default=0.0)
    near = [hit for hit in telling if hit.relevance >= least]
    if read_question(question, ()).wants_latest:
        return sorted(near, key=lambda hit: hit.said_at, reverse=True)[:1]
    quoted: list[FoundMemory] = []
    sources = set[str]()
    for hit in near:
        if not sources.intersection((hit.id, *hit.message_ids)):
            sources.update((hit.id, *hit.message_ids))
            chunks = (one for one in near if one.id == hit.id)
            quoted.append(max(chunks, key=lambda one: one.relevance))
    return quoted[:QUOTES_MAX]


def _tells(hit: FoundMemory, asked: str) -> bool:
    """Whether a hit can be an answer: not the same question again, nor another one."""
    text = hit.text.rstrip()
    is_question = hit.tier == "conversation" and text.endswith(("?", "？"))
    return _folded(text) != asked and not is_question


def _quote(question: str, hit: FoundMemory, number: int, phrases: dict[str, str]) -> str:
    when = hit.occurred_at[:10]
    return f"{quoted_text(question, hit)}{phrases['on'].format(when) if when else ''} [{number}]"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
