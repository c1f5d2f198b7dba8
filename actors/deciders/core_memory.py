"""Core memory: the tier owner that also keeps its blocks within their limit.

A block is put in front of every answer, so it must stay short. When its lines pass 90 % of the
limit it is rewritten to the most important and latest lines that fill 70 %; the lines left out stay
in the tier and can be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from actors.deciders.memory import MemoryDecider, UserFingerprint
from actors.deciders.settings import DeciderSettings
from actors.effects import Append, Effect, Generate, Keep, Revise
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import Extractor
from events.catalogue import (
    CoreBlockRewritten,
    GenerationCompleted,
    GenerationFailed,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryRestored,
)
from events.envelope import Event
from events.memory import CoreContent, MemoryDraft
from projections.tiers import CORE_BLOCK_CHARS_MAX, Memory, Shelf

#: Of one line; a client's longer one is rejected.
CORE_LINE_CHARS_MAX = 1000
#: What a client writes by hand is meant to be seen.
CLIENT_IMPORTANCE = 0.9
REWRITE_ABOVE = 0.9
REWRITE_DOWN_TO = 0.7


#: Id, text and importance of a line.
Line: TypeAlias = tuple[str, str, float]


class CoreMemoryDecider(MemoryDecider):
    """Decides for the core tier."""

    def __init__(
        self,
        fingerprint: UserFingerprint,
        extractor: Extractor | ModelExtractor | None = None,
        settings: DeciderSettings | None = None,
    ) -> None:
        super().__init__("core", fingerprint, extractor, settings)

    def decide(self, event: Event) -> list[Effect]:
        """Return the tier's effects, and the rewriting of blocks that they would overfill."""
        match event.payload:
            case MemoryChangeRequested(content=CoreContent(text=text)) as request if (
                len(text) > CORE_LINE_CHARS_MAX
            ):
                return [Append(payload=_too_long(request, event))]
        return self._within_limits(event, super().decide(event))

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        """Return what a model's words come to, and the rewriting of blocks they would overfill."""
        return self._within_limits(event, super().resume(event, asked, told))

    def _within_limits(self, event: Event, effects: list[Effect]) -> list[Effect]:
        shelf = self.shelf(event.user)
        lines = [line for effect in effects if (line := _new_line(effect, shelf)) is not None]
        for block in dict.fromkeys(block for block, _ in lines):
            new = [line for of, line in lines if of == block]
            kept = fitting(shelf, block, new, self.settings.core_block_chars)
            if kept is not None:
                effects.append(Append(payload=CoreBlockRewritten(block=block, memory_ids=kept)))
        return effects


def _too_long(request: MemoryChangeRequested, event: Event) -> MemoryChangeRejected:
    return MemoryChangeRejected(
        tier="core",
        memory_id=request.memory_id,
        request_id=event.id,
        reason=f"a core line has at most {CORE_LINE_CHARS_MAX} characters: blocks are in front of"
        " every answer; keep the rest in another tier",
    )


def _new_line(effect: Effect, shelf: Shelf) -> tuple[str, Line] | None:
    """Return the block and the line that an effect adds, changes or brings back."""
    match effect:
        case Keep(draft=MemoryDraft(content=CoreContent() as content) as draft):
            return content.block, (draft.id, content.text, draft.importance)
        case Revise(content=CoreContent() as content, memory_id=memory_id):
            return content.block, (memory_id, content.text, CLIENT_IMPORTANCE)
        case Append(payload=MemoryRestored(memory_id=memory_id)):
            memory = shelf.memories[memory_id]
            assert isinstance(memory.content, CoreContent)  # there is nothing else in this tier
            return (memory.content.block, _line(memory)) if memory.in_block else None
        case _:
            return None


def fitting(
    shelf: Shelf, block: str, new: Sequence[Line], chars_max: int = CORE_BLOCK_CHARS_MAX
) -> tuple[str, ...] | None:
    """Return the ids of the lines to keep in a block, or None while it is within its limit.

    Args:
        shelf: the user's core memories.
        block: `persona` or `human`.
        new: lines about to be added, or to take the place of those with their ids.
        chars_max: what the block may hold.
    """
    changed = {id_ for id_, _, _ in new}
    lines = [_line(memory) for memory in shelf.block(block) if memory.id not in changed]
    lines += new
    if sum(len(text) + 1 for _, text, _ in lines) <= REWRITE_ABOVE * chars_max:
        return None
    latest = {id_: age for age, (id_, _, _) in enumerate(lines)}
    room = REWRITE_DOWN_TO * chars_max
    kept = set[str]()
    for id_, text, _ in sorted(lines, key=lambda line: (-line[2], -latest[line[0]])):
        if len(text) + 1 <= room:
            room -= len(text) + 1
            kept.add(id_)
    return tuple(id_ for id_, _, _ in lines if id_ in kept)


def _line(memory: Memory) -> Line:
    assert isinstance(memory.content, CoreContent)  # `Shelf.block` holds nothing else
    return memory.id, memory.content.text, memory.importance
