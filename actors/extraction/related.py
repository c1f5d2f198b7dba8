"""Which memories of a tier a model is shown beside a text: those that it may be about.

They are chosen from the shelf alone, by the words that they share with the text: a word that few
memories hold counts for more. No vector and no index are asked, so that deciding stays pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import islice, pairwise

from actors.extraction.language import HAN_RUN
from actors.extraction.masking import dotted, masked
from actors.extraction.vocabulary import words
from events.memory import EpisodicContent, readable_text
from projections.tiers import Memory, Shelf

#: Memories shown, characters of each, and how many of the latest are looked at.
SHOWN_MAX = 12
#: How many are shown that share no word with the text: "I moved" says nothing of a town. Core lines
#: are few and each is worth it.
UNLIKE_MAX = 3
UNLIKE_CORE_MAX = SHOWN_MAX
SHOWN_CHARS_MAX = 240
LOOKED_AT_MAX = 500
_LATIN = re.compile(r"[^\W\d_]{3,}|\d{2,}")
_COMMON = words(
    "the and but for with from that this there here are was were been have has had will would can"
    " could not you your they them his her its our out who what when where how all any one now new"
    " about into over just also than then too very get got does did done said user like some only"
)


def related(shelf: Shelf, text: str, unlike_max: int = UNLIKE_MAX) -> tuple[Memory, ...]:
    """Return the active memories that share most with a text, best first, then some latest ones."""
    latest = list(islice(reversed(list(shelf.active())), LOOKED_AT_MAX))
    wanted = _words_of(text)
    held = [_words_of(f"{memory.key} {readable_text(memory.content)}") for memory in latest]
    spread = Counter(word for words_ in held for word in words_ & wanted)
    weights = {word: math.log(1 + len(latest) / count) for word, count in spread.items()}
    scores = [math.fsum(weights[word] for word in words_ & wanted) for words_ in held]
    best = sorted(range(len(latest)), key=lambda at: (-scores[at], at))
    shown = sum(score > 0 for score in scores) + unlike_max
    return tuple(latest[at] for at in best[: min(shown, SHOWN_MAX)])


def numbered(memories: tuple[Memory, ...]) -> str:
    """Return the memories one a line: number, key, when it happened, text."""
    return "\n".join(_line(number, memory) for number, memory in enumerate(memories, start=1))


def _line(number: int, memory: Memory) -> str:
    text = " / ".join(readable_text(memory.content).split("\n"))
    if len(text) > SHOWN_CHARS_MAX:
        text = f"{text[:SHOWN_CHARS_MAX]}…"
    content = memory.content
    when = f"{content.occurred_at} " if isinstance(content, EpisodicContent) else ""
    # Keys made of a text's hash tell a model nothing.
    key = "" if memory.key.startswith("text_") else f"[{memory.key}] "
    # People write memories by hand, too, and put secrets where they are not sealed.
    return f"{number}. {dotted(masked(f'{key}{when}{text}').shown)}"


def _words_of(text: str) -> frozenset[str]:
    """Return the words of a text, Chinese by pairs of characters."""
    folded = text.casefold()
    found = {word for word in _LATIN.findall(folded) if word not in _COMMON}
    for run in HAN_RUN.findall(folded):
        found.update(first + second for first, second in pairwise(run))
    return frozenset(found)
