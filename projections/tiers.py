"""The six tiers: each a fold of its own memory events, by user.

A memory is active until another supersedes it (it keeps its place, with the time at which it
ended), it is merged into one that says the same, or it is forgotten. What is forgotten for good
leaves the tier (the log keeps what happened); what faded by itself stays out of sight. All that
stays can be restored, and then stands as it did before, one revision later. The fold itself,
`evolve`, works on any mapping, so that an agent can run it over a layer of its own conclusions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from events.catalogue import (
    CoreBlockRewritten,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
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


#: How a memory stands. What was forgotten for good has no status: it is not there.
Status = Literal["active", "superseded", "merged", "forgotten"]


class Memory(Value, frozen=True, kw_only=True):
    """A memory as its tier holds it.

    Two time axes: `valid_from`/`valid_to` say when it held in the world, `position` and
    `recorded_at` when it was written. `superseded_by` is the memory that took its place, also when
    it was merged into that one. `in_block` is False for core lines that a rewrite left out.
    """

    id: str
    content: Content
    key: str = ""
    tags: tuple[str, ...] = ()
    importance: float = 0.5
    language: str = "en"
    provenance: Provenance = Provenance()
    status: Status = "active"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    superseded_by: str = ""
    in_block: bool = True
    recorded_at: datetime
    position: int
    revision: int = 1


class Shelf:
    """One user's memories in one tier: all by id, and the active ones by what they are about.

    `by_key` (ids of the active ones of a key) and `merged` (ids of those merged into one, by its
    id) are functions of the memories, in their order, so a shelf restored from its memories decides
    as the live one does.
    """

    def __init__(
        self,
        memories: MutableMapping[str, Memory] | None = None,
        by_key: MutableMapping[str, tuple[str, ...]] | None = None,
        merged: MutableMapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.memories: MutableMapping[str, Memory] = {} if memories is None else memories
        self.by_key: MutableMapping[str, tuple[str, ...]] = {} if by_key is None else by_key
        self.merged: MutableMapping[str, tuple[str, ...]] = {} if merged is None else merged

    def layered(self) -> Shelf:
        """Return a shelf that reads from this one and keeps its own changes."""
        return Shelf(Layer(self.memories), Layer(self.by_key), Layer(self.merged))

    def sources(self, memory: Memory) -> Provenance:
        """Return where a memory came from: its own sources, then those of all merged into it."""
        met = {memory.id: memory.provenance}
        open_ = [memory.id]
        while open_:
            for id_ in self.merged.get(open_.pop(0), ()):
                if id_ not in met:
                    met[id_] = self.memories[id_].provenance
                    open_.append(id_)
        return united(*met.values())

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
        case MemorySuperseded(memory_id=ended) as end if ended in shelf.memories:
            _change(
                shelf,
                ended,
                status="superseded",
                valid_to=end.valid_to,
                superseded_by=end.superseded_by,
            )
        case MemoryMerged(memory_id=ended, into=other) if ended in shelf.memories:
            _change(shelf, ended, status="merged", superseded_by=other)
        case MemoryForgotten(memory_id=gone, restorable=True) if gone in shelf.memories:
            _change(shelf, gone, status="forgotten")
        case MemoryForgotten(memory_id=gone) if gone in shelf.memories:
            _unlist(shelf, shelf.memories[gone])
            del shelf.memories[gone]
        case MemoryRestored(memory_id=back) if back in shelf.memories:
            again = shelf.memories[back].revision + 1
            _change(shelf, back, status="active", valid_to=None, superseded_by="", revision=again)
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


def _change(shelf: Shelf, id: str, **fields: Any) -> None:
    """Let a memory stand otherwise, where it is."""
    _unlist(shelf, shelf.memories[id])
    _put(shelf, msgspec.structs.replace(shelf.memories[id], **fields))


def _put(shelf: Shelf, memory: Memory) -> None:
    is_new = memory.id not in shelf.memories
    shelf.memories[memory.id] = memory
    for lists, name in _lists_of(shelf, memory):
        listed = (*lists.get(name, ()), memory.id)
        if len(listed) > 1 and not is_new:
            listed = tuple(id_ for id_ in shelf.memories if id_ in listed)
        lists[name] = listed


def _unlist(shelf: Shelf, memory: Memory) -> None:
    for lists, name in _lists_of(shelf, memory):
        left = tuple(id_ for id_ in lists.get(name, ()) if id_ != memory.id)
        if left:
            lists[name] = left
        else:
            lists.pop(name, None)


def _lists_of(
    shelf: Shelf, memory: Memory
) -> Iterator[tuple[MutableMapping[str, tuple[str, ...]], str]]:
    """Yield the lists of a shelf that a memory is on, each with its name there."""
    if memory.key and memory.status == "active":
        yield shelf.by_key, memory.key
    if memory.status == "merged":
        yield shelf.merged, memory.superseded_by


def united(*parts: Provenance) -> Provenance:
    """Return all sources as those of one memory; what drew it is what drew the first."""
    if len(parts) == 1:
        return parts[0]
    return msgspec.structs.replace(
        parts[0],
        message_ids=tuple(dict.fromkeys(id_ for one in parts for id_ in one.message_ids)),
        external_ids=tuple(dict.fromkeys(id_ for one in parts for id_ in one.external_ids)),
        document_id=next((one.document_id for one in parts if one.document_id), ""),
    )


class TierProjection:
    """One tier over all users of a shard."""

    version = 1
    kinds = frozenset(
        kind.__name__
        for kind in (
            MemoryRecorded,
            MemoryRevised,
            MemorySuperseded,
            MemoryMerged,
            MemoryForgotten,
            MemoryRestored,
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
        case (
            MemoryRevised()
            | MemorySuperseded()
            | MemoryMerged()
            | MemoryForgotten()
            | MemoryRestored() as change
        ):
            return change.tier
        case CoreBlockRewritten():
            return "core"
        case _:
            return None
