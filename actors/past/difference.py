"""What differs between two states of the six tiers.

Two moments of one log, or a log and a fork of it: only what the states say is compared, so it does
not matter how they came about. What is a matter of where and when something was written, not of
what is believed, can be ignored by the names of fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from actors.past.queries import Change, ChangeKind, Difference
from events.memory import TIERS, Tier
from projections.plain import plain
from projections.tiers import Memory, Shelf, TierProjection

#: Drawn from other fields: when they differ, it differs, and says nothing new.
_DERIVED = frozenset({"text"})


def difference(
    shard: int,
    start: int,
    end: int,
    before: Mapping[Tier, TierProjection],
    after: Mapping[Tier, TierProjection],
    user: str = "",
    tiers: Sequence[Tier] = (),
    *,
    ignored: frozenset[str] = frozenset(),
) -> Difference:
    """Return what was added, changed, ended and restored from one state to another.

    Changes come in order of tier, then of the memory's position, then of its id.

    Args:
        shard: whose states they are.
        start: the position of `before`.
        end: the position of `after`.
        before: a state, by tier; a tier left out is empty.
        after: the other one.
        user: whose memories; empty: everybody's.
        tiers: which tiers; empty: all six.
        ignored: names of fields whose difference does not count.
    """
    changes = [
        change
        for tier in TIERS
        if not tiers or tier in tiers
        for change in _of_tier(tier, before.get(tier), after.get(tier), user, ignored)
    ]
    return Difference(shard=shard, start=start, end=end, changes=tuple(changes))


def _of_tier(
    tier: Tier,
    before: TierProjection | None,
    after: TierProjection | None,
    user: str,
    ignored: frozenset[str],
) -> list[Change]:
    found: list[tuple[int, str, Change]] = []
    for person in [user] if user else _people(before, after):
        old, new = _memories(before, person), _memories(after, person)
        for id_ in chain(old, (id_ for id_ in new if id_ not in old)):
            change = _change(tier, person, old.get(id_), new.get(id_), ignored)
            if change is not None:
                found.append(((old.get(id_) or new[id_]).position, id_, change))
    return [change for _, _, change in sorted(found, key=lambda one: one[:2])]


def _people(*states: TierProjection | None) -> list[str]:
    return sorted({person for state in states if state is not None for person in state.shelves})


def _memories(state: TierProjection | None, user: str) -> Mapping[str, Memory]:
    return (Shelf() if state is None else state.shelf(user)).memories


def _change(
    tier: Tier, user: str, old: Memory | None, new: Memory | None, ignored: frozenset[str]
) -> Change | None:
    """Return how a memory differs, or None when it does not."""
    if old == new:
        return None  # by far the most: not worth being spelled out
    before = None if old is None else plain(old)
    after = None if new is None else plain(new)
    fields: tuple[str, ...] = ()
    if before is not None and after is not None:
        fields = tuple(_differing(before, after, ignored | _DERIVED))
        if not fields:
            return None
    return Change(
        tier=tier,
        id=(after or before or {})["id"],
        user=user,
        kind=_kind(old, new),
        before=before,
        after=after,
        fields=fields,
    )


def _kind(old: Memory | None, new: Memory | None) -> ChangeKind:
    """Name a change by its two ends: one that came and was superseded in between was added."""
    if old is None:
        return "added"
    if new is None:
        return "forgotten"
    if new.status == old.status:
        return "changed"
    return "restored" if new.status == "active" else new.status


def _differing(
    before: dict[str, Any], after: dict[str, Any], ignored: Iterable[str], of: str = ""
) -> Iterator[str]:
    """Yield the names of the fields that differ; those inside a field as `content.summary`."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new or of + name in ignored:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differing(old, new, ignored, f"{of}{name}.")
        else:
            yield of + name
