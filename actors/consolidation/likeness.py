"""When two memories say the same: by their words alone, and only when nothing could be lost.

The words of a text are its Latin words without inflection and without those that only hold a
sentence together, its numbers, and of Chinese every two neighbouring characters. A memory says
nothing new beside another when

1. both are of one matter: the same block, actor and dates, name, steps, address, or secret;
2. all its words are among the other's: one that has any word of its own says something of its own;
3. they have at least the share `likeness_min` of all their words in common (Jaccard index), unless
   the texts are equal but for case, spaces and punctuation;
4. none of the words that only the other has is a number, or turns the meaning (not, was, maybe,
   不, 没, 曾).

So near-duplicates in other words are left alone here: to tell "moved to Rome" from "left Rome" by
words is guessing. A language model may be asked about those (`asking`).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from actors.extraction.language import HAN_RUN
from actors.extraction.vocabulary import words
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    ProceduralContent,
    ResourceContent,
    SemanticContent,
    Value,
    VaultContent,
    readable_text,
)
from projections.tiers import Memory

#: Numbers with their sign and parts; else words, also `don't` and `C++`.
_WORD = re.compile(r"(?<!\w)[-−]?\d+(?:[.,:/]\d+)*[^\W_]*|[^\W_]+(?:['’][^\W_]+)*[+#]*")
_DIGIT = re.compile(r"\d")
#: Words that hold a sentence together and say nothing by themselves.
_LIGHT = words(
    "a an the and or of to in on at by for from with as is are be am it its this that these those"
    " there here i i'm me my mine we our he his him she her they their you your user have has do"
    " does so very really just also too now please remember note"
)
#: Words that turn the meaning of those around them.
_TURNING = words(
    "not no never none nobody nothing neither nor without cannot can't don't doesn't didn't isn't"
    " aren't wasn't weren't won't wouldn't hasn't haven't longer instead stop stopped quit former"
    " formerly used unless except but if maybe perhaps might almost was were been had did will"
    " would"
)
_TURNING_HAN = frozenset("不没无非未别莫勿曾假若改停")


class Gist(Value, frozen=True, kw_only=True):
    """What a memory says, made comparable: its matter, its text folded, its words."""

    matter: tuple[str, ...]
    folded: str
    words: frozenset[str]


def gist(memory: Memory) -> Gist:
    """Return what a memory says, made comparable."""
    text = unicodedata.normalize("NFKC", readable_text(memory.content)).casefold()
    found = _words(text)
    folded = " ".join(found) if found else text
    said = frozenset(_stem(word) for word in found if word not in _LIGHT)
    return Gist(
        matter=_matter(memory.content),
        folded=folded,
        words=said or frozenset({folded}),
    )


def shared(one: Gist, other: Gist) -> float:
    """Return the share of all words of two memories that both have, 0 to 1 (Jaccard index)."""
    return len(one.words & other.words) / len(one.words | other.words)


def says_no_more(one: Gist, other: Gist, likeness_min: float) -> bool:
    """Say whether `one` says nothing that `other` does not say as well."""
    if one.matter != other.matter:
        return False
    if one.folded == other.folded:
        return True
    if not one.words <= other.words or shared(one, other) < likeness_min:
        return False
    # Of the whole texts: a light word that turns the meaning counts as well.
    more = set(other.folded.split()) - set(one.folded.split())
    return not any(_turns(word) for word in more)


def _turns(word: str) -> bool:
    return (
        word in _TURNING or bool(_DIGIT.search(word)) or any(sign in _TURNING_HAN for sign in word)
    )


def _words(text: str) -> list[str]:
    """Return the words of a text in order, Chinese by pairs of characters."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match[0].replace("’", "'")
        if not HAN_RUN.search(word):
            found.append(word.removesuffix("'s"))
            continue
        for run in HAN_RUN.findall(word):
            found += [a + b for a, b in pairwise(run)] if len(run) > 1 else [run]
        found += [part for part in HAN_RUN.split(word) if part]
    return found


def _stem(word: str) -> str:
    """Take off the plural: enough for two tellings of one fact, and nothing is guessed."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _matter(content: Content) -> tuple[str, ...]:
    """Return what two contents have to have in common to be about the same."""
    match content:
        case CoreContent(block=block):
            return (block,)
        case EpisodicContent():
            who = content.actor.casefold()
            return (who, content.occurred_at, content.occurred_until)
        case SemanticContent(name=name):
            return (" ".join(name.casefold().split()),)
        case ProceduralContent(entry_type=kind, steps=steps):
            return (kind, *(" ".join(_words(step.casefold())) for step in steps))
        case ResourceContent():
            return (content.resource_type, content.uri, *content.chunks)
        case VaultContent():
            return (content.entry_type.casefold(), content.secret_fingerprint)
