"""Pair the memories of two histories: the same memory may have another id in each.

An id comes from the cause and the place among its conclusions, so one finding less in front gives
all behind it other ids. Paired are, in this order: memories that read the same in every compared
field, those of one source about one matter, and those of one id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable

import msgspec

from projections.plain import plain
from projections.tiers import Memory, Shelf, TierProjection

Likeness = Callable[[Memory], Hashable]


def aligned(
    projection: TierProjection, pattern: TierProjection, ignored: Collection[str]
) -> TierProjection:
    """Return `projection` with the ids that `pattern` gives to the same memories.

    Args:
        projection: its memories get other ids; it is not changed itself.
        pattern: whose ids are taken over.
        ignored: fields of `projections.plain` in which equal memories may differ.
    """
    made = TierProjection(projection.tier)
    for user, shelf in projection.shelves.items():
        ids = _ids(shelf, pattern.shelf(user), frozenset(ignored))
        made.shelves[user] = Shelf(
            {ids[one.id]: _renamed(one, ids) for one in shelf.memories.values()}
        )
    return made


def _ids(shelf: Shelf, pattern: Shelf, ignored: frozenset[str]) -> dict[str, str]:
    """Return the new id of each memory of a shelf."""
    ids: dict[str, str] = {}
    free = dict(pattern.memories)
    reads_as = _reads_as(ignored | {"id", "superseded_by"})
    for likeness in (reads_as, _matter, _id):
        known: dict[Hashable, list[str]] = {}
        for memory in free.values():
            known.setdefault(likeness(memory), []).append(memory.id)
        for memory in shelf.memories.values():
            same = known.get(likeness(memory)) if memory.id not in ids else None
            if same:
                ids[memory.id] = same.pop(0)
                del free[ids[memory.id]]
    for memory in shelf.memories.values():
        # One that only this history has must not be taken for another of the pattern's.
        taken = memory.id in pattern.memories
        ids.setdefault(memory.id, f"{memory.id}:fork" if taken else memory.id)
    return ids


def _reads_as(ignored: frozenset[str]) -> Likeness:
    def likeness(memory: Memory) -> Hashable:
        fields = {name: value for name, value in plain(memory).items() if name not in ignored}
        fields["provenance"] = _source(memory)
        return msgspec.json.encode(fields, order="deterministic")

    return likeness


def _matter(memory: Memory) -> Hashable:
    return (_source(memory), memory.key)


def _id(memory: Memory) -> Hashable:
    return memory.id


def _source(memory: Memory) -> tuple[tuple[str, ...], str]:
    return memory.provenance.message_ids, memory.provenance.document_id


def _renamed(memory: Memory, ids: dict[str, str]) -> Memory:
    return msgspec.structs.replace(
        memory,
        id=ids[memory.id],
        superseded_by=ids.get(memory.superseded_by, memory.superseded_by),
    )
