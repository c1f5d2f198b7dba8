"""Active retrieval, its first half: what is the message about, so that memory can be searched?

A message that stands by itself is its own topic. One that leans on what was said before ("and when
is she free?") is searched with the turns before it. By words, or by a model that is asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.models.port import Turn
from actors.prompts import prompt
from projections.retrieval.words_tantivy import terms

TOPIC_PROMPT = "chat/topic@1"
#: A message with fewer words of its own than this is a follow-up, whatever they are.
_OWN_TERMS_MIN = 2
#: With this many it stands by itself, whatever it points at.
_OWN_TERMS_ENOUGH = 8
#: Of each turn before, so many characters help to say what a message is about,
_BEFORE_CHARS_MAX = 300
#: and so many turns.
_BEFORE_TURNS_MAX = 2
#: What a model may say a topic is, and the tokens it may take to do so.
_TOPIC_CHARS_MAX = 400
TOPIC_TOKENS_MAX = 64

#: Words that point at something said before, and openings of follow-up questions.
_LEANING = re.compile(
    r"\b(?:he|she|it|they|him|her|his|hers|its|them|their|this|that|these|those|there|then|one|ones"
    r"|same|else|other|another|more|again)\b"
    r"|^\s*(?:and|but|so|or|also|why|how come|what about|how about)\b"
    r"|[他她它]|这[个些里样]?|那[个些里样]?|其[他它]|刚才|上面|还有|然后|呢[？?]?\s*$|^\s*(?:那|为什么|怎么)",
    re.I,
)


def stands_alone(message: str) -> bool:
    """Tell whether a message says by itself what it is about."""
    own = len(set(terms(message[:2000])))
    if own < _OWN_TERMS_MIN:
        return False
    return own >= _OWN_TERMS_ENOUGH or _LEANING.search(message) is None


def topic_by_words(message: str, before: Sequence[Turn]) -> str:
    """Return what to search for.

    Args:
        message: what was said.
        before: the turns before it, oldest first.
    """
    if stands_alone(message):
        return message
    said = [turn for turn in before if turn.role in ("user", "assistant") and turn.content]
    lines = [turn.content[:_BEFORE_CHARS_MAX] for turn in said[-_BEFORE_TURNS_MAX:]]
    return "\n".join((message, *reversed(lines)))


def topic_turns(message: str, before: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the dialogue that asks a model what a message is about."""
    said = [turn for turn in before if turn.role in ("user", "assistant") and turn.content]
    lines = [f"{turn.role}: {turn.content[:_BEFORE_CHARS_MAX]}" for turn in said[-6:]]
    dialogue = "\n".join((*lines, f"user: {message[:2000]}"))
    return (
        Turn(role="system", content=prompt(TOPIC_PROMPT).text),
        Turn(role="user", content=dialogue),
    )


def topic_from(output: str) -> str:
    """Return the topic that a model's output names; empty when it names none."""
    lines = [line.strip().strip("\"'“”").strip() for line in output.strip().splitlines()]
    return next((line for line in lines if line), "")[:_TOPIC_CHARS_MAX]
