"""What an answer rests on: the marks in its text, or what the model says that it quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.queries import FoundMemory
from events.catalogue import Citation

#: `[2]`, `[1, 3]`, and as Chinese texts have it, `【2】` or `［1、3］`.
_MARK = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3}){0,9})\s*[\]】］]")
_NUMBER = re.compile(r"\d+")
#: In code brackets are indices.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)


def citations(
    text: str, recalled: Sequence[FoundMemory], cited: Sequence[int] | None = None
) -> tuple[Citation, ...]:
    """Return the memories that an answer rests on, in the order in which it names them.

    Args:
        text: the answer.
        recalled: the memories that were shown, by their number from 1.
        cited: indices into them of what the text quotes as its [1], [2] and so on; None: the
            numbers in the text are those of `recalled`.
    """
    if cited is not None:
        marked = [(place + 1, index) for place, index in enumerate(cited)]
    else:
        marked = [(number, number - 1) for number in _numbers(text)]
    return tuple(
        Citation(
            id=hit.id,
            tier=hit.tier,
            text=hit.text,
            score=hit.score,
            message_ids=hit.message_ids,
            mark=mark,
        )
        for mark, index in marked
        if 0 <= index < len(recalled)
        for hit in (recalled[index],)
    )


def _numbers(text: str) -> list[int]:
    """Return the numbers of the marks in a text, each once."""
    prose = _CODE.sub(" ", text)
    found = (int(one) for mark in _MARK.finditer(prose) for one in _NUMBER.findall(mark[1]))
    return list(dict.fromkeys(found))
