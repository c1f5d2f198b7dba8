"""Views of the past: what agents held of one user as of a position, made, kept and shared.

Rules:

1. A view is folded from the nearest earlier state (a snapshot, or a kept view that nobody uses and
   that is moved on) and the user's events behind it, read by their subject.
2. One thread folds and reads all views, in chunks, so that the two never meet. The event loop only
   passes events on.
3. Who asks for a view holds a lease; a view with a lease is neither changed nor dropped.
4. Requests for the same view share one building. When the last of them has gone it stops, and what
   it folded is kept as the view of the position that it got to: asked again, it goes on from there.
   A view of several agents whose snapshots are of different positions is no state until the last
   of them was passed: before that it is dropped.
5. Views are kept while they are few and small, the least recently used go first. A view of
   everybody is not kept: nobody would notice that somebody in it was erased.
6. A few views are built at a time, the others wait: each holds a person's whole memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from actors.names import Agent
from actors.rebuilding import empty_projection
from events.envelope import NOBODY, Event
from events.journal import EventReader
from events.sealing import KeyRing
from projections.base import Projection, apply_or_skip
from projections.conversations import ConversationsProjection
from projections.snapshots import NoSnapshots, SnapshotStore
from projections.tiers import TierProjection
from projections.tool_calls import ToolCallsProjection

if TYPE_CHECKING:
    from projections.retrieval.index import RetrievalIndex

T = TypeVar("T")

#: Events folded at one go, about 20 ms of work.
CHUNK_EVENTS = 200
#: Views that are built at a time.
BUILDINGS_MAX = 16
#: Bounds on what is kept; the second is an estimate.
VIEWS_MAX = 256
BYTES_MAX = 512 * 1024 * 1024
#: What a memory or a message takes beside its text, and what one does with its vector and its words
#: indexed.
_ITEM_BYTES = 2_000
_PASSAGE_BYTES = 3_500
#: Restoring from a snapshot what an event left, in comparison to reading and folding the event.
_RESTORING_COST = 0.1
#: Positions of snapshots remembered for one group of agents.
_BASES_MAX = 64


class ViewKey(NamedTuple):
    """Whose state as of when; `user` is empty for everybody."""

    agents: tuple[Agent, ...]
    user: str
    position: int


class View:
    """Projections of some agents; touched on the thread that owns all views only."""

    def __init__(self, agents: tuple[Agent, ...], user: str) -> None:
        self.agents = agents
        self.user = user
        self.projections: dict[Agent, Projection] = {}
        self.leases = 0
        self.size_bytes = 0  # an estimate
        #: What was restored and folded in, as it is written: texts are as long as they are.
        self._written_bytes = 0
        #: Folded through here, by agent: snapshots of two agents are seldom of one position.
        self._through: dict[Agent, int] = {}

    @property
    def is_restored(self) -> bool:
        """Whether it is the state as of some position at all."""
        return len(self._through) == len(self.agents)

    @property
    def is_one_state(self) -> bool:
        """Whether all agents are at the same position."""
        return self.is_restored and len(set(self._through.values())) == 1

    @property
    def position(self) -> int:
        """Everything up to here is in it."""
        return min(self._through.values(), default=0)

    @property
    def kinds(self) -> frozenset[str]:
        """The types of the events that it is folded from."""
        return frozenset().union(*(one.kinds for one in self.projections.values()))

    def restore(self, snapshots: SnapshotStore, until: int) -> None:
        """Begin with the newest snapshots that are not later than `until`."""
        for agent in self.agents:
            projection = empty_projection(agent)
            if self.user:
                through = snapshots.load_part(projection, self.user, until)
            else:
                through = snapshots.load_at(projection, until)
            self.projections[agent] = projection
            self._through[agent] = through
            if through and self.user:
                self._written_bytes += sum(map(len, projection.snapshot().values()))

    def fold(self, events: Sequence[Event], through: int) -> None:
        """Fold events in, all that there are up to `through`."""
        for agent, projection in self.projections.items():
            folded = self._through[agent]
            for event in events:
                if event.position > folded and event.envelope.type in projection.kinds:
                    apply_or_skip(projection, event)
                    self._written_bytes += len(_encoder.encode(event.payload))
            self._through[agent] = max(folded, through)
        self.size_bytes = self._written_bytes + sum(
            _size_bytes(one, self.user) for one in self.projections.values()
        )


_encoder = msgspec.msgpack.Encoder()


def _size_bytes(projection: Projection, user: str) -> int:
    match projection:
        case TierProjection():
            return _ITEM_BYTES * len(projection.shelf(user).memories)
        case ConversationsProjection():
            return _ITEM_BYTES * len(projection.messages.get(user, projection.profiles))
        case ToolCallsProjection():
            return _ITEM_BYTES * len(projection.calls.get(user, ()))
        case _:
            index: RetrievalIndex = getattr(projection, "index")  # noqa: B009  # not loaded here
            return _PASSAGE_BYTES * index.size(user)


class _Building(NamedTuple):
    view: View
    task: asyncio.Task[None]


class Views:
    """The views of one shard."""

    def __init__(
        self,
        reader: EventReader,
        snapshots: SnapshotStore,
        keys: KeyRing | None,
        *,
        views_max: int = VIEWS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._keys = keys
        self._views_max = views_max
        self._bytes_max = bytes_max
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="past")
        self._kept: OrderedDict[ViewKey, View] = OrderedDict()
        self._buildings: dict[ViewKey, _Building] = {}
        self._bases: dict[tuple[Agent, ...], set[int]] = {}
        self._places = asyncio.Semaphore(BUILDINGS_MAX)

    @asynccontextmanager
    async def lease(
        self, agents: Sequence[Agent], user: str, position: int
    ) -> AsyncIterator[Mapping[Agent, Projection]]:
        """Have a view as of `position` while the context lasts; read it through `on_view` only."""
        key = ViewKey(tuple(agents), user, position)
        if self._is_erased(user):
            self._drop(user)
            nothing = View(key.agents, user)
            await self.on_view(partial(nothing.restore, NoSnapshots(), 0))
            yield nothing.projections
            return
        view = await self._obtain(key)
        try:
            yield view.projections
        finally:
            view.leases -= 1
            self._make_room()

    async def build(self, agent: Agent, user: str, position: int) -> Projection:
        """Return a state of its own, which nobody else knows of and nothing changes any more."""
        view = View((agent,), user)
        await self._bring_to(view, position)
        return view.projections[agent]

    async def on_view(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread that owns the views."""
        job = self._thread.submit(work)
        done = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # What has begun cannot be stopped, and until it is done the view is not at rest.
            if not job.cancel():
                await asyncio.wait([done])
            raise

    async def close(self) -> None:
        """Stop what is being built."""
        tasks = [building.task for building in self._buildings.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=False)

    # --- building --------------------------------------------------------------------------------

    async def _obtain(self, key: ViewKey) -> View:
        """Return the view with a lease on it."""
        building = self._buildings.get(key)
        while building is not None and building.task.cancelling():
            await asyncio.wait([building.task])
            building = self._buildings.get(key)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            kept.leases += 1
            return kept
        view, task = building or self._begin(key)
        view.leases += 1
        try:
            await asyncio.shield(task)
        except BaseException:
            view.leases -= 1
            if not view.leases:
                task.cancel()
            raise
        return view

    def _begin(self, key: ViewKey) -> _Building:
        view = self._take_nearest(key) or View(key.agents, key.user)
        building = _Building(view, asyncio.create_task(self._work(view, key)))
        self._buildings[key] = building
        building.task.add_done_callback(lambda task: self._buildings.pop(key))
        return building

    async def _work(self, view: View, key: ViewKey) -> None:
        try:
            async with self._places:
                await self._bring_to(view, key.position)
        finally:
            if view.is_one_state and key.user:
                self._keep(view, key._replace(position=view.position))

    async def _bring_to(self, view: View, position: int) -> None:
        if not view.is_restored:
            await self.on_view(partial(view.restore, self._snapshots, position))
            self._note_base(view.agents, view.position, position)
        chunk: list[Event] = []
        events = self._reader.read(view.position, position, view.kinds, user=view.user or "*")
        async with aclosing(events):
            async for event in events:
                chunk.append(event)
                if len(chunk) == CHUNK_EVENTS:
                    await self.on_view(partial(view.fold, chunk, event.position))
                    chunk = []
        await self.on_view(partial(view.fold, chunk, position))

    # --- keeping ---------------------------------------------------------------------------------

    def _keep(self, view: View, key: ViewKey) -> None:
        self._kept[key] = view
        self._kept.move_to_end(key)
        self._make_room()

    def _make_room(self) -> None:
        """Drop what was not used for longest, as long as there is too much; the last one stays."""
        size = sum(view.size_bytes for view in self._kept.values())
        for key, view in list(self._kept.items())[:-1]:
            if len(self._kept) <= self._views_max and size <= self._bytes_max:
                return
            if not view.leases:
                del self._kept[key]
                size -= view.size_bytes

    def _take_nearest(self, key: ViewKey) -> View | None:
        """Take out the kept view that leads to `key` with less work than a snapshot, if one does.

        With many views of one user their positions come to lie all over the log, so that the way
        to any other is short.
        """
        earlier = [
            (at.position, at)
            for at, view in self._kept.items()
            if at.agents == key.agents
            and at.user == key.user
            and at.position <= key.position
            and not view.leases
        ]
        if not earlier:
            return None
        position, nearest = max(earlier)
        known = self._bases.get(key.agents, ())
        base = max((one for one in known if one <= key.position), default=0)
        if key.position - position > key.position - base + _RESTORING_COST * base:
            return None
        return self._kept.pop(nearest)

    def _note_base(self, agents: tuple[Agent, ...], base: int, until: int) -> None:
        """Remember where a snapshot is; those known between it and `until` are gone."""
        known = self._bases.setdefault(agents, set())
        known.difference_update([one for one in known if base < one <= until])
        if len(known) < _BASES_MAX:
            known.add(base)

    def _is_erased(self, user: str) -> bool:
        if self._keys is None or user in ("", NOBODY):
            return False
        return self._keys.is_erased(user)

    def _drop(self, user: str) -> None:
        for key in [key for key in self._kept if key.user == user]:
            del self._kept[key]
