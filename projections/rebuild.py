"""Projections made anew from the log: what the live ones must equal.

One pass over the log serves many projections: each event is read, opened and decoded once. Each
projection has stops, positions at which somebody wants to see it: where its live state is, where a
snapshot of it was taken. It is shown there exactly as it is after that position, and let go after
its last stop; of the log nothing is held.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager

from events.envelope import Event
from events.journal import EventReader
from projections.base import Projection, apply_or_skip

#: Between two calls of `progress`, in events.
PROGRESS_EVENTS = 1000

#: Allocations between two searches for cycles while states are built.
_COLLECTED_ALLOCATIONS = 100_000

#: Sees a projection at one of its stops; must not keep or change it.
AtStop = Callable[[Projection, int], Awaitable[None]]


class View:
    """A projection that is being made anew, and what is to happen at its stops."""

    def __init__(self, projection: Projection, stops: Iterable[int], at_stop: AtStop) -> None:
        """Take an empty projection and the positions at which to show it, in any order."""
        self.kinds = projection.kinds
        #: Events folded in so far.
        self.events = 0
        self._projection: Projection | None = projection
        self._at_stop = at_stop
        self._stops = sorted(set(stops), reverse=True)
        self.end = self._stops[0] if self._stops else 0

    def is_due(self, position: int) -> bool:
        """Return whether there is a stop below `position`."""
        return bool(self._stops) and self._stops[-1] < position

    async def stop_before(self, position: int) -> None:
        """Show the projection at its stops below `position`; after its last one it is let go."""
        while self.is_due(position):
            assert self._projection is not None  # kept until the last stop
            await self._at_stop(self._projection, self._stops.pop())
        if not self._stops:
            self._projection = None

    def fold(self, event: Event) -> None:
        """Fold an event in; one that cannot be applied is left out, as the agents do."""
        if self._projection is not None:
            self.events += 1
            apply_or_skip(self._projection, event)


async def rebuild_all(
    reader: EventReader,
    views: Sequence[View],
    *,
    until: int | None = None,
    progress: Callable[[int], None] = lambda position: None,
) -> int:
    """Fold the log from its start into many empty projections, in one pass.

    Args:
        reader: the log of one shard.
        views: the projections; each is folded up to its last stop.
        until: read (and so check) every event up to here, also those that no projection wants;
            None: read what the projections want, up to the last stop of all.
        progress: told the position reached, now and then.

    Returns:
        How many events were read.

    Raises:
        CorruptLog: the log has lost or altered something.
    """
    wanted_by: dict[str, list[View]] = {}
    for view in views:
        for kind in view.kinds:
            wanted_by.setdefault(kind, []).append(view)
    end = max((view.end for view in views), default=0)
    kinds = None if until is not None else frozenset(wanted_by)
    end = end if until is None else max(end, until)
    count = 0
    with _few_collections():
        async with aclosing(reader.read(0, end, kinds)) as events:
            async for event in events:
                count += 1
                position = event.position
                for view in wanted_by.get(event.envelope.type, ()):
                    if view.is_due(position):
                        await view.stop_before(position)
                    view.fold(event)
                if count % PROGRESS_EVENTS == 0:
                    progress(position)
        for view in views:
            await view.stop_before(end + 1)
    progress(end)
    return count


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for cycles seldom: states have none, and the search for them grows with the state."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECTED_ALLOCATIONS, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def rebuild(
    projection: Projection,
    reader: EventReader,
    until: int,
    progress: Callable[[int], None] = lambda position: None,
) -> int:
    """Fold the log from its start through `until` into one empty projection.

    Returns:
        How many events were folded in. One that cannot be applied is left out, as the agents do.

    Raises:
        CorruptLog: the log has lost or altered something.
    """
    view = View(projection, [until], _nothing)
    await rebuild_all(reader, [view], progress=progress)
    return view.events


async def _nothing(projection: Projection, position: int) -> None:
    """Do nothing: the projection is in the caller's hands."""
