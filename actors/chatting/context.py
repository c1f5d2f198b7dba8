"""The context window: what a model is shown, within what it takes in.

One system turn (the profile's instructions, the core blocks, what was said earlier in short, the
memories found), then the last turns of the conversation, then the message. Each section has a share
of what the message and the output leave; what a section does not need goes to the turns. What does
not fit falls out: the least relevant memories, the oldest turns. The message itself never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from actors.chatting.dialogue import Unit, alternating, units
from actors.chatting.recalled import fenced, memory_lines
from actors.chatting.tokens import cut_to, tokens_of, tokens_of_turns
from actors.models.port import Turn
from actors.prompts import prompt
from actors.queries import CoreBlockView, FoundMemory
from events.errors import CommandRejected
from events.memory import Value

SYSTEM_PROMPT = "chat/system@1"
_ABOUT = prompt("chat/about@1")
_EARLIER = prompt("chat/earlier@1")
_RECALLED = prompt("chat/recalled@1")

#: Shares of what is left beside the message and the output; a section may leave some to the others.
INSTRUCTIONS_SHARE = 0.5
BLOCKS_SHARE = 0.2
RECALLED_SHARE = 0.35
SUMMARY_SHARE = 0.15
#: Of the context at most, for the output: a prompt has to fit as well.
OUTPUT_SHARE_MAX = 0.5

#: What blank lines between sections and rounding may add, in tokens.
_JOINTS = 8

_INSTRUCTIONS = "You are a helpful assistant with a long memory of the person that you talk to."


class Material(Value, frozen=True, kw_only=True):
    """All that could be shown for a message.

    `turns` are those before it, oldest first, `recalled` the memories found, best first.
    """

    message: Turn
    said_at: datetime
    instructions: str = ""
    blocks: tuple[CoreBlockView, ...] = ()
    recalled: tuple[FoundMemory, ...] = ()
    summary: str = ""
    turns: tuple[Turn, ...] = ()


class Context(Value, frozen=True, kw_only=True):
    """What a model is shown: the turns, the memories among it by number, room for the output.

    `left` is what would still fit beside the output, in tokens.
    """

    turns: tuple[Turn, ...]
    recalled: tuple[FoundMemory, ...]
    max_tokens: int
    left: int


class MessageTooLong(CommandRejected):
    """A message is longer than what the model takes in, all by itself."""

    title = "The message is too long for the model"


def compose(
    material: Material, *, context_tokens: int, max_tokens: int, tools_tokens: int = 0
) -> Context:
    """Choose what is shown.

    Args:
        material: what there is to show.
        context_tokens: what the model takes in, prompt and output together.
        max_tokens: what the output may be.
        tools_tokens: what the tools take that are offered beside the turns.

    Raises:
        MessageTooLong: the message alone does not fit.
    """
    output = min(max_tokens, int(context_tokens * OUTPUT_SHARE_MAX))
    room = context_tokens - output - tools_tokens
    *before, last = units((*material.turns, material.message))
    left = room - tokens_of_turns(last)
    if left < 0:
        raise MessageTooLong(
            f"the message is about {tokens_of_turns(last)} tokens, but the model takes in"
            f" {max(room, 0)} beside its answer; send a shorter one, or ask for another model"
        )
    system, shown = _system(material, left, sum(map(tokens_of_turns, before)))
    left -= tokens_of_turns(system)
    kept = _newest(before, left)
    left -= sum(map(tokens_of_turns, kept))
    turns = alternating(turn for unit in (*kept, last) for turn in unit)
    return Context(
        turns=(*system, *turns),
        recalled=material.recalled[:shown],
        max_tokens=output,
        left=max(left, 0),
    )


def _system(material: Material, room: int, turns_tokens: int) -> tuple[tuple[Turn, ...], int]:
    """Return the system turn, within the room, and how many memories it shows.

    Instructions pass their share only into what nothing else needs, the turns included. Where not
    even the rules for what is remembered fit, there is neither.
    """
    frame = prompt(SYSTEM_PROMPT)
    today = f"{material.said_at:%A, %Y-%m-%d}"
    rules = Turn(role="system", content=frame.fill(instructions="", today=today))
    rest = room - tokens_of_turns((rules,))
    if rest <= 0:
        return (), 0
    wanted = material.instructions or _INSTRUCTIONS
    granted = min(tokens_of(wanted), int(rest * INSTRUCTIONS_SHARE))
    left = rest - granted
    blocks = _blocks(material.blocks, min(left, int(rest * BLOCKS_SHARE)))
    left -= tokens_of(blocks)
    recalled, shown = _recalled(material.recalled, min(left, int(rest * RECALLED_SHARE)))
    left -= tokens_of(recalled)
    summary = _summary(material.summary, min(left, int(rest * SUMMARY_SHARE)))
    left -= tokens_of(summary)
    instructions = cut_to(wanted, granted + max(left - turns_tokens - _JOINTS, 0))
    rules_text = frame.fill(instructions=instructions, today=today).strip()
    text = "\n\n".join(filter(None, (rules_text, blocks, summary, recalled)))
    return (Turn(role="system", content=text),), shown


def _blocks(blocks: Sequence[CoreBlockView], tokens: int) -> str:
    told = [f"{block.block}:\n{block.value}" for block in blocks if block.value.strip()]
    frame = tokens_of(_ABOUT.fill(blocks="")) + 1
    kept = cut_to(fenced("\n\n".join(told)), tokens - frame)
    return _ABOUT.fill(blocks=kept) if kept else ""


def _summary(summary: str, tokens: int) -> str:
    kept = cut_to(fenced(summary), tokens - tokens_of(_EARLIER.fill(summary="")) - 1)
    return _EARLIER.fill(summary=kept) if kept else ""


def _recalled(memories: Sequence[FoundMemory], tokens: int) -> tuple[str, int]:
    lines = memory_lines(memories, tokens - tokens_of(_RECALLED.fill(memories="")) - 1)
    return (_RECALLED.fill(memories="\n".join(lines)), len(lines)) if lines else ("", 0)


def _newest(before: Sequence[Unit], room: int) -> list[Unit]:
    """Return the newest units that fit, oldest first; nothing is left out between them."""
    kept: list[Unit] = []
    for unit in reversed(before):
        room -= tokens_of_turns(unit)
        if room < 0:
            break
        kept.append(unit)
    return kept[::-1]
