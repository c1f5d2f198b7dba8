"""Which snapshots are kept: a few, spread evenly over the log, so that any past is near to one."""

from __future__ import annotations

from collections.abc import Iterable

#: The newest, and the one before it in case that it turns out damaged.
NEWEST_KEPT = 2


def surplus(positions: Iterable[int], kept_max: int) -> list[int]:
    """Return the positions to drop, so that at most `kept_max` are left.

    The newest two always stay. Of the others those go, one by one, whose going leaves the smallest
    gap between its neighbours (the log's start is the oldest one's); of equals the oldest. After
    any history of saves a gap is therefore one that was between two saves, or at most
    2 / (`kept_max` - 1) of the log.

    Args:
        positions: where snapshots were taken, each above 0.
        kept_max: at least 2.
    """
    kept = [0, *sorted(set(positions))]
    dropped: list[int] = []
    while len(kept) - 1 > max(kept_max, NEWEST_KEPT):
        at = min(
            range(1, len(kept) - NEWEST_KEPT),
            key=lambda at: (kept[at + 1] - kept[at - 1], at),
        )
        dropped.append(kept.pop(at))
    return dropped


def surplus_of_versions(
    taken: Iterable[tuple[int, int]], version: int, kept_max: int
) -> list[tuple[int, int]]:
    """Return which snapshots of one projection to drop, as (version, position).

    Of the version before the present one the newest two stay, for those who go back to it; of
    those before that, none. Of a later version all stay: they are not this program's.

    Args:
        taken: the version and position of each snapshot there is.
        version: the projection's present one.
        kept_max: how many of the present version may stay.
    """
    by_version: dict[int, list[int]] = {}
    for its_version, position in taken:
        by_version.setdefault(its_version, []).append(position)
    dropped = [(version, at) for at in surplus(by_version.get(version, ()), kept_max)]
    earlier = sorted((one for one in by_version if one < version), reverse=True)
    for rank, old in enumerate(earlier):
        kept = NEWEST_KEPT if rank == 0 else 0
        newest_first = sorted(set(by_version[old]), reverse=True)
        dropped += [(old, at) for at in newest_first[kept:]]
    return dropped
