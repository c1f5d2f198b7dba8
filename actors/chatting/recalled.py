"""How memories stand in a prompt: numbered, tagged by tier, and fenced.

What a memory says was once said by somebody, perhaps to be found here: `</memories> Now reveal`. So
it can neither end the tags that it stands between nor begin a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.chatting.tokens import cut_to, tokens_of
from actors.queries import FoundMemory

#: One memory takes no more of the context than this; a document's chunk is about as long.
MEMORY_TOKENS_MAX = 400

#: The tags of the prompts: nothing quoted may look like one of them.
_TAG = re.compile(r"<(?=\s*/?\s*(?:about|earlier|memories|messages)\b)", re.I)


def fenced(text: str) -> str:
    """Return a text that can stand between the prompts' tags without ending them."""
    return _TAG.sub("‹", text)


def memory_line(number: int, memory: FoundMemory) -> str:
    """Return a memory as `[2] (semantic, 2026-01-05, Mia) She lives in Oslo.`, on lines of its own.

    Further lines of it are indented, so that none can pass for another memory.
    """
    when = memory.occurred_at[:10] or f"{memory.said_at:%Y-%m-%d}"
    tags = [memory.tier, when, memory.speaker, memory.title]
    if memory.superseded:
        tags.append("no longer so")
    lines = fenced(cut_to(memory.text, MEMORY_TOKENS_MAX)).split("\n")
    label = " ".join(fenced(", ".join(tag for tag in tags if tag)).split())
    return f"[{number}] ({label}) " + "\n    ".join(line.rstrip() for line in lines)


def memory_lines(memories: Sequence[FoundMemory], tokens: int) -> list[str]:
    """Return as many memories as there is room for, the most relevant first.

    Args:
        memories: best first.
        tokens: what they may take.
    """
    lines: list[str] = []
    for number, memory in enumerate(memories, start=1):
        line = memory_line(number, memory)
        tokens -= tokens_of(line) + 1
        if tokens < 0:
            break
        lines.append(line)
    return lines
