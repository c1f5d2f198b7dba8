"""Core memory: the tier owner that also keeps its blocks within their limit.

A block is put in front of every answer, so it must stay short. When its lines pass 90 % of the
limit it is rewritten to the most important and latest lines that fill 70 %; the lines left out stay
in the tier and can be found.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.deciders.memory import MemoryDecider, UserFingerprint
from actors.effects import Append, Effect, Keep
from events.catalogue import CoreBlockRewritten
from events.envelope import Event
from events.memory import CoreContent
from projections.tiers import CORE_BLOCK_CHARS_MAX, Memory, Shelf

REWRITE_ABOVE = 0.9
REWRITE_DOWN_TO = 0.7


class CoreMemoryDecider(MemoryDecider):
    """Decides for the core tier."""

    def __init__(self, fingerprint: UserFingerprint) -> None:
        super().__init__("core", fingerprint)

    def decide(self, event: Event) -> list[Effect]:
        """Return the tier's effects, and the rewriting of blocks that they would overfill."""
        effects = super().decide(event)
        new = [
            (effect.draft.id, effect.draft.content, effect.draft.importance)
            for effect in effects
            if isinstance(effect, Keep) and isinstance(effect.draft.content, CoreContent)
        ]
        for block in dict.fromkeys(content.block for _, content, _ in new):
            lines = [
                (id_, content.text, importance)
                for id_, content, importance in new
                if content.block == block
            ]
            kept = fitting(self.shelf(event.user), block, lines)
            if kept is not None:
                effects.append(Append(payload=CoreBlockRewritten(block=block, memory_ids=kept)))
        return effects


def fitting(
    shelf: Shelf, block: str, new: Sequence[tuple[str, str, float]]
) -> tuple[str, ...] | None:
    """Return the ids of the lines to keep in a block, or None while it is within its limit.

    Args:
        shelf: the user's core memories.
        block: `persona` or `human`.
        new: lines about to be added: id, text, importance.
    """
    lines = [_line(memory) for memory in shelf.block(block)] + list(new)
    if sum(len(text) + 1 for _, text, _ in lines) <= REWRITE_ABOVE * CORE_BLOCK_CHARS_MAX:
        return None
    latest = {id_: age for age, (id_, _, _) in enumerate(lines)}
    room = REWRITE_DOWN_TO * CORE_BLOCK_CHARS_MAX
    kept = set[str]()
    for id_, text, _ in sorted(lines, key=lambda line: (-line[2], -latest[line[0]])):
        if len(text) + 1 <= room:
            room -= len(text) + 1
            kept.add(id_)
    return tuple(id_ for id_, _, _ in lines if id_ in kept)


def _line(memory: Memory) -> tuple[str, str, float]:
    assert isinstance(memory.content, CoreContent)  # `Shelf.block` holds nothing else
    return memory.id, memory.content.text, memory.importance
