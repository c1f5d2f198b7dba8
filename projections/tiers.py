"""The six tiers: each a fold of its own memory events, by user.

A memory is active until another supersedes it (it keeps its place, with the time at which it ended)
or it is forgotten (it leaves the tier; the log keeps what happened). The fold itself, `evolve`,
works on any mapping, so that an agent can run it over a layer of its own conclusions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Literal

import msgspec

from events.catalogue import (
    CoreBlockRewritten,
    MemoryForgotten,
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
)
from events.envelope import Event
from events.memory import (
    Content,
    CoreContent,
    MemoryDraft,
    Provenance,
    Tier,
    Value,
    tier_of,
)
from projections.layer import Layer

#: Characters that a core block may hold; past 90 % of it the block is rewritten.
CORE_BLOCK_CHARS_MAX = 5000


class Memory(Value, frozen=True, kw_only=True):
    """A memory as its tier holds it.

    Two time axes: `valid_from`/`valid_to` say when it held in the world, `position` and
    `recorded_at` when it was written. `in_block` is False for core lines that a rewrite left out.
    """

    id: str
    content: Content
    key: str = ""
    tags: tuple[str, ...] = ()
    importance: float = 0.5
    language: str = "en"
    provenance: Provenance = Provenance()
    status: Literal["active", "superseded"] = "active"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    superseded_by: str = ""
    in_block: bool = True
    recorded_at: datetime
    position: int
    revision: int = 1


class Shelf:
    """One user's memories in one tier: all by id, and the active ones by what they are about.

    `by_key` is a function of the memories (ids of the active ones of a key, in their order), so a
    shelf restored from its memories decides as the live one does.
    """

    def __init__(
        self,
        memories: MutableMapping[str, Memory] | None = None,
        by_key: MutableMapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.memories: MutableMapping[str, Memory] = {} if memories is None else memories
        self.by_key: MutableMapping[str, tuple[str, ...]] = {} if by_key is None else by_key

    def layered(self) -> Shelf:
        """Return a shelf that reads from this one and keeps its own changes."""
        return Shelf(Layer(self.memories), Layer(self.by_key))

    def about(self, key: str) -> Memory | None:
        """Return the latest active memory on this matter, if there is one."""
        found = self.by_key.get(key) if key else None
        return self.memories[found[-1]] if found else None

    def active(self) -> Iterator[Memory]:
        """Yield the memories that hold, oldest first."""
        return (memory for memory in self.memories.values() if memory.status == "active")

    def block(self, name: str) -> tuple[Memory, ...]:
        """Return the lines of a core block, oldest first."""
        return tuple(
            memory
            for memory in self.active()
            if memory.in_block
            and isinstance(memory.content, CoreContent)
            and memory.content.block == name
        )


def evolve(shelf: Shelf, event: Event) -> None:
    """Fold one memory event into a shelf. What is already there is not done again."""
    match event.payload:
        case MemoryRecorded(memory=draft):
            if draft.id not in shelf.memories:
                _put(shelf, _from_draft(draft, event))
        case MemoryRevised() as change if change.memory_id in shelf.memories:
            old = shelf.memories[change.memory_id]
            shelf.memories[old.id] = msgspec.structs.replace(
                old,
                content=change.content,
                tags=old.tags if change.tags is None else change.tags,
                revision=old.revision + 1,
            )
        case MemorySuperseded() as end if end.memory_id in shelf.memories:
            old = shelf.memories[end.memory_id]
            _drop_key(shelf, old)
            shelf.memories[old.id] = msgspec.structs.replace(
                old,
                status="superseded",
                valid_to=end.valid_to,
                superseded_by=end.superseded_by,
            )
        case MemoryForgotten(memory_id=gone) if gone in shelf.memories:
            _drop_key(shelf, shelf.memories[gone])
            del shelf.memories[gone]
        case CoreBlockRewritten(block=block, memory_ids=kept):
            for memory in shelf.block(block):
                if memory.id not in kept:
                    shelf.memories[memory.id] = msgspec.structs.replace(memory, in_block=False)
        case _:
            pass


def _from_draft(draft: MemoryDraft, event: Event) -> Memory:
    return Memory(
        id=draft.id,
        content=draft.content,
        key=draft.key,
        tags=draft.tags,
        importance=draft.importance,
        language=draft.language,
        provenance=draft.provenance,
        valid_from=draft.valid_from,
        recorded_at=event.envelope.recorded_at,
        position=event.position,
    )


def _put(shelf: Shelf, memory: Memory) -> None:
    shelf.memories[memory.id] = memory
    if memory.key and memory.status == "active":
        shelf.by_key[memory.key] = (*shelf.by_key.get(memory.key, ()), memory.id)


def _drop_key(shelf: Shelf, memory: Memory) -> None:
    left = tuple(id_ for id_ in shelf.by_key.get(memory.key, ()) if id_ != memory.id)
    if left:
        shelf.by_key[memory.key] = left
    else:
        shelf.by_key.pop(memory.key, None)


class TierProjection:
    """One tier over all users of a shard."""

    version = 1
    kinds = frozenset(
        kind.__name__
        for kind in (
            MemoryRecorded,
            MemoryRevised,
            MemorySuperseded,
            MemoryForgotten,
            CoreBlockRewritten,
        )
    )

    def __init__(self, tier: Tier) -> None:
        self.name: str = tier
        self.tier: Tier = tier
        self.shelves: dict[str, Shelf] = {}

    def shelf(self, user: str) -> Shelf:
        """Return the user's shelf; an empty one when nothing is known of the user."""
        return self.shelves.get(user) or Shelf()

    def apply(self, event: Event) -> None:
        """Fold one event in, if it is of this tier."""
        if concerned_tier(event) == self.tier:
            evolve(self.shelves.setdefault(event.user, Shelf()), event)

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each user's memories as msgpack, in order of their positions."""
        return {
            user: _encoder.encode(list(shelf.memories.values()))
            for user, shelf in self.shelves.items()
            if shelf.memories
        }

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        self.shelves = {}
        for user, data in parts.items():
            shelf = self.shelves[user] = Shelf()
            for memory in _decoder.decode(data):
                _put(shelf, memory)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Memory])


def concerned_tier(event: Event) -> Tier | None:
    """Return the tier that a memory event belongs to; None for other events."""
    match event.payload:
        case MemoryRecorded(memory=draft):
            return tier_of(draft.content)
        case MemoryRevised() | MemorySuperseded() | MemoryForgotten() as change:
            return change.tier
        case CoreBlockRewritten():
            return "core"
        case _:
            return None
