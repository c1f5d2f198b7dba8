"""How a hit reads as a quotation: who said it or where it stands, and the sentences that answer.

Pure; the last step of the extractive answer.
"""

from __future__ import annotations

from actors.extraction.language import language_of, sentences
from actors.queries import FoundMemory
from projections.retrieval.words_tantivy import terms

#: A message or memory up to this length is quoted whole; of a longer one, what answers.
QUOTE_CHARS_MAX = 400
#: Of a document, so many sentences.
_SENTENCES_MAX = 2


def quoted_text(question: str, hit: FoundMemory) -> str:
    """Return the hit's words in quotation marks, with its speaker or title before them."""
    if hit.tier == "resource":
        said = [text for text in _sentences(hit.text) if text != hit.title and not _is_place(text)]
        text = _telling(question, said)
        return f"{hit.title}: “{text}”" if text and hit.title else f"“{text or hit.title}”"
    speaker = "" if hit.speaker == "user" else hit.speaker
    # A core memory names its speaker itself, for the block that it is a line of.
    text = _on_one_line(hit.tier, hit.text.removeprefix(f"{speaker}: ") if speaker else hit.text)
    if len(text) > QUOTE_CHARS_MAX:
        text = _telling(question, _sentences(text))
    return f"{speaker}: “{text}”" if speaker else f"“{text}”"


def _on_one_line(tier: str, text: str) -> str:
    """Return the lines of a memory as one: a name before what is told of it, steps after it."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if tier in ("semantic", "procedural") and len(lines) > 1:
        mark, joint = ("：", "；") if language_of(text) == "zh" else (": ", "; ")
        return f"{lines[0].rstrip(':： ')}{mark}{joint.join(lines[1:])}"
    return " ".join(lines)


def _telling(question: str, said: list[str]) -> str:
    """Return the sentences that hold most of the question's words, in their order."""
    asked = set(terms(question))
    shares = [len(asked.intersection(terms(text))) for text in said]
    best = sorted(range(len(said)), key=lambda at: (-shares[at], at))[:_SENTENCES_MAX]
    # The second only where it says as much on the matter as the first.
    chosen = [said[at] for at in sorted(best) if shares[at] == shares[best[0]]]
    text = " ".join(chosen)
    return text if len(text) <= QUOTE_CHARS_MAX else f"{text[: QUOTE_CHARS_MAX - 1]}…"


def _sentences(text: str) -> list[str]:
    return [" ".join(piece.text.lstrip("#*- ").split()) for piece in sentences(text)]


def _is_place(text: str) -> bool:
    """Tell whether a line is a heading's rule, a file's name or an address, and no sentence."""
    return " " not in text and text.isascii()
