"""A projection made anew from the log: what the live one must equal."""

from __future__ import annotations

from collections.abc import Callable

from events.journal import Journal
from projections.base import Projection, apply_or_skip

#: Between two calls of `progress`, in events.
PROGRESS_EVENTS = 1000


async def rebuild(
    projection: Projection,
    journal: Journal,
    until: int,
    progress: Callable[[int], None] = lambda position: None,
) -> int:
    """Fold the log from its start into an empty projection.

    Args:
        projection: empty; it is changed.
        journal: the log of one shard.
        until: the last position to fold in.
        progress: told the position reached, now and then.

    Returns:
        How many events were folded in. One that cannot be applied is left out, as the agents do.

    Raises:
        CorruptLog: the log has lost or altered something.
    """
    count = 0
    async for event in journal.read(0, until, projection.kinds):
        count += 1
        apply_or_skip(projection, event)
        if count % PROGRESS_EVENTS == 0:
            progress(event.position)
    progress(until)
    return count
