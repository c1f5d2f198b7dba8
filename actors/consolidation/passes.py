"""What a consolidation does to one tier of one person, by rules alone.

Three passes, each on what the one before has left: of two on one matter that say otherwise the
newer takes the place of the older; what says no more than another memory is merged into it; what
nobody came back to fades. A memory that somebody wrote, changed or restored by hand is never ended:
it has a revision, or a client for its source. Pure and deterministic: a shelf, a moment and limits
in, steps out, the same each time; on a shelf that is in order there is nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from actors.consolidation.likeness import Gist, gist, says_no_more, shared
from actors.consolidation.limits import ConsolidationLimits
from actors.consolidation.steps import Enrich, Fade, Merge, Step, Supersede
from events.memory import Tier, Value
from projections.tiers import Memory, Shelf

#: Memories that one is compared with, those that share its rarest word first.
COMPARED_MAX = 200
_DAY = timedelta(days=1)


class Pass(Value, frozen=True, kw_only=True):
    """What was looked at, and what to do, in order."""

    looked_at: int
    steps: tuple[Step, ...]


def consolidated(tier: Tier, shelf: Shelf, at: datetime, limits: ConsolidationLimits) -> Pass:
    """Return what to do to a shelf, which is not changed.

    Args:
        tier: whose shelf it is.
        shelf: a person's memories.
        at: the time against which age is counted.
        limits: bounds.
    """
    active = list(shelf.active())
    latest, oldest = active[-limits.looked_at_max :], active[: limits.looked_at_max]
    gists = {memory.id: gist(memory) for memory in latest}
    ended = contradicted(latest, gists, limits.likeness_min)
    gone = {step.memory_id for step in ended}
    left = [one for one in latest if one.id not in gone]
    merges = with_tags(shelf, duplicates(shelf, left, gists, limits.likeness_min))
    steps: list[Step] = [*ended, *merges]
    if limits.fades(tier):
        # What took others in is left to the next pass, which knows what it came to.
        touched = {id_ for step in steps for id_ in concerned(step)}
        steps += faded(shelf, [one for one in oldest if one.id not in touched], at, limits)
    looked_at = len({one.id for one in (*latest, *oldest)})
    return Pass(looked_at=looked_at, steps=tuple(steps[: limits.steps_max]))


def is_by_hand(memory: Memory) -> bool:
    """Say whether somebody wrote, changed or restored a memory: then it is left to them to end it.

    What a consolidation itself has put other words to counts as well: it speaks for several.
    """
    return memory.revision > 1 or memory.provenance.extractor == "client"


def concerned(step: Step) -> tuple[str, ...]:
    """Return the memories that a step is about."""
    match step:
        case Merge(memory_id=id_, into=other) | Supersede(memory_id=id_, by=other):
            return id_, other
        case _:
            return (step.memory_id,)


def duplicates(
    shelf: Shelf, memories: list[Memory], gists: dict[str, Gist], likeness_min: float
) -> list[Merge]:
    """Return the merging of each memory that says no more than a richer one into that one.

    The richest keeps its place: the one with the most words, and among equals one made by hand,
    then the more important, then the older. A memory that others are merged into is not merged.
    """
    holding: defaultdict[str, list[Memory]] = defaultdict(list)
    merges: list[Merge] = []
    for memory in sorted(memories, key=lambda one: _richness(one, gists[one.id])):
        own = gists[memory.id]
        if not is_by_hand(memory):
            into = _covering(own, holding, gists, likeness_min)
            if into is not None:
                merges.append(_merge(shelf, memory, into, own, gists[into.id]))
                continue
        for word in own.words:
            holding[word].append(memory)
    return merges


def _richness(memory: Memory, own: Gist) -> tuple[object, ...]:
    """Return what orders memories: the richest first."""
    return (
        -len(own.words),
        not is_by_hand(memory),
        -memory.importance,
        memory.position,
        memory.id,
    )


def _covering(
    own: Gist, holding: dict[str, list[Memory]], gists: dict[str, Gist], likeness_min: float
) -> Memory | None:
    """Return the memory most like this one that says all that it says, or None."""
    rarest = min(own.words, key=lambda word: (len(holding.get(word, ())), word))
    # Nearest in size first: those are the last, the richest came first.
    candidates = holding.get(rarest, ())[-COMPARED_MAX:]
    found = [one for one in candidates if says_no_more(own, gists[one.id], likeness_min)]
    return max(found, key=lambda one: shared(own, gists[one.id]), default=None)


def _merge(shelf: Shelf, memory: Memory, into: Memory, own: Gist, other: Gist) -> Merge:
    reason = (
        "says the same"
        if own.folded == other.folded
        else f"says no more: {shared(own, other):.0%} of the words, none of its own"
    )
    return Merge(memory_id=memory.id, into=into.id, provenance=shelf.sources(memory), reason=reason)


def with_tags(shelf: Shelf, merges: list[Merge]) -> list[Step]:
    """Return the merges, and before those into one memory the taking over of their tags."""
    merged: dict[str, list[Merge]] = {}
    for step in merges:
        merged.setdefault(step.into, []).append(step)
    steps: list[Step] = []
    for into, group in merged.items():
        kept = shelf.memories[into]
        theirs = [tag for step in group for tag in shelf.memories[step.memory_id].tags]
        tags = tuple(dict.fromkeys((*kept.tags, *theirs)))
        if tags != kept.tags:
            reason = f"takes over the tags of {len(group)} merged into it"
            steps.append(Enrich(memory_id=into, content=kept.content, tags=tags, reason=reason))
        steps += group
    return steps


def contradicted(
    memories: list[Memory], gists: dict[str, Gist], likeness_min: float
) -> list[Supersede]:
    """Return the end of each memory on whose matter (key) the newest one says otherwise.

    One that only says more or less than the newest is no contradiction.
    """
    by_key: defaultdict[str, list[Memory]] = defaultdict(list)
    for memory in memories:
        if memory.key:
            by_key[memory.key].append(memory)
    ended: list[Supersede] = []
    for group in by_key.values():
        *older, newest = sorted(group, key=lambda one: (began_at(one), one.position, one.id))
        ended += [
            Supersede(
                memory_id=old.id,
                by=newest.id,
                valid_to=began_at(newest),
                reason="newer on the same matter",
            )
            for old in older
            if not is_by_hand(old)
            and not says_no_more(gists[old.id], gists[newest.id], likeness_min)
            and not says_no_more(gists[newest.id], gists[old.id], likeness_min)
        ]
    return ended


def began_at(memory: Memory) -> datetime:
    """Return since when a memory holds in the world, as far as is known."""
    return memory.valid_from or memory.recorded_at


def faded(
    shelf: Shelf, memories: list[Memory], at: datetime, limits: ConsolidationLimits
) -> list[Fade]:
    """Return the fading of what has grown too old for its importance; the weakest first."""
    found: list[tuple[float, Memory, float]] = []
    for memory in memories:
        age_days = (at - _confirmed_at(shelf, memory)) / _DAY
        left = memory.importance * 0.5 ** (max(age_days, 0.0) / limits.half_life_days)
        old_enough = age_days >= limits.fade_age_min_days
        if old_enough and left < limits.fade_below and not is_by_hand(memory):
            found.append((left, memory, age_days))
    found.sort(key=lambda one: (one[0], one[1].position, one[1].id))
    return [
        Fade(
            memory_id=memory.id,
            reason=f"importance {memory.importance:.2f} has faded to {left:.3f} in "
            f"{age_days:.0f} days",
        )
        for left, memory, age_days in found
    ]


def _confirmed_at(shelf: Shelf, memory: Memory) -> datetime:
    """Return when a memory, or one merged into it, was recorded last."""
    latest, open_, met = memory.recorded_at, [memory.id], {memory.id}
    while open_:
        for id_ in shelf.merged.get(open_.pop(), ()):
            if id_ not in met:
                met.add(id_)
                open_.append(id_)
                latest = max(latest, shelf.memories[id_].recorded_at)
    return latest
