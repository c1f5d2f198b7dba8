"""The shell of an agent: follows the log, folds, decides, and hands what follows to the committer.

Step 3 of the message path. A batch of events is folded into the projection, and each cause in it is
decided in its turn. What follows at once is appended with a marker; a cause that takes long (an
answer, a generation) is in flight in its lane, others go on, and what comes of it is appended when
it is there (`lanes`, `ledger`). A crash before the append repeats the work, with the same ids; a
crash after it does not, because the marker is there. A batch without effects needs no marker.

After a restart the state comes from the newest snapshot and the log. Causes that the last marker
leaves open and those behind it are put aside, and decided when the agent's own conclusions are
back: so they are decided on the state that they would have met. Without a snapshot of the
projection's version, the state is built from the log's start, which takes longer and is logged.

Between two batches the state can be replaced by another of the same view (`replace`); which, and
what becomes of the old one, is decided in `swapping`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

import structlog

from actors.commit import Committer
from actors.deciders.base import Decider
from actors.execution import Execution, Plan
from actors.gate import PositionGate
from actors.judging import Judge, fold
from actors.ledger import Ledger
from actors.progress import Progress
from actors.queries import StateView
from actors.state_thread import StateThread
from actors.telling import Telling
from events.envelope import Event
from events.errors import CorruptLog, DeadlineExceeded
from events.journal import Journal
from events.signals import Signals
from projections.base import Projection, state_hash
from projections.snapshots import SnapshotStore

T = TypeVar("T")

#: The last events that a replacement lacks are folded in while following waits.
REPLACEMENT_LACKS_MAX = 1000
#: How often it catches up with an agent that goes on meanwhile, before following waits for it.
CATCHING_UP_MAX = 10
#: Between two lines in the operator's log about a state that is built from the log, in events.
RECOVERY_TOLD_EVENTS = 50_000
#: The longest wait for the log when an agent is stopped.
CLOSING_S = 5.0


class Shell:
    """One agent of one shard."""

    def __init__(
        self,
        *,
        decider: Decider,
        journal: Journal,
        signals: Signals,
        snapshots: SnapshotStore,
        execution: Execution,
        snapshot_every_events: int,
        snapshot_every_s: float = 3600.0,
        retry_wait_s: float,
    ) -> None:
        self.decider = decider
        self.agent = decider.agent
        #: Awaited with each batch before it is handled.
        self.arriving: Callable[[Sequence[Event]], Awaitable[None]] | None = None
        self.keys = journal.codec.keys
        self._journal = journal
        self._telling = Telling(signals, self.progress)
        self._snapshots = snapshots
        self._snapshot_every_events = snapshot_every_events
        self._snapshot_every_s = snapshot_every_s
        self._execution = execution
        self._ledger = Ledger()
        self._arrived: list[Plan] = []  # from their lanes, to be gone on with in the next turn
        self._flights: asyncio.TaskGroup | None = None
        self._judge = Judge(decider, self._ledger, self.keys)
        self._committer = Committer(
            self.agent, journal, execution, self._ledger, retry_wait_s, self._judge.appended
        )
        self._kinds = decider.projection.kinds | decider.causes
        self._owner = StateThread(f"state-{self.agent}")
        # Held while a batch is folded, decided and committed: between two of them, state and log
        # agree, so that is when snapshots are taken and the state may be replaced.
        self._turn = asyncio.Lock()
        self._recovered = asyncio.Event()
        self.gate = PositionGate()  # handled through here, but for what the ledger has open
        self._snapshot = 0
        self._saved_at_s = time.monotonic()
        self._log = structlog.get_logger(__name__).bind(agent=self.agent, shard=journal.shard)

    # --- reading ---------------------------------------------------------------------------------

    @property
    def projection(self) -> Projection:
        """The view that the agent holds; touch it through `on_state` only."""
        return self.decider.projection

    @property
    def applied(self) -> int:
        """The position that the state has; exact on the thread that owns it."""
        return self._judge.applied

    async def on_state(
        self,
        work: Callable[[], T],
        *,
        min_position: int = 0,
        timeout_s: float = 10,
        user: str = "",
        brief: bool = False,
    ) -> T:
        """Run `work` where the state is owned, once it has `min_position`; `brief` as there.

        Never on one that is being built: after a crash nobody is to find half of what there was.
        What the agent itself concluded from causes of `user` up to `min_position` is in the state,
        too; without a position, what it has told anybody of.

        Raises:
            DeadlineExceeded: the agent did not get there in `timeout_s`.
        """
        if min_position or self._judge.ahead(user) or not self._recovered.is_set():
            await self.wait_for(min_position, timeout_s, user=user)
        return await self._owner.run(work, brief=brief)

    async def wait_for(self, position: int, timeout_s: float, *, user: str = "") -> None:
        """Wait until `position` is handled, and what came of it is applied.

        Work that takes long is waited for where it is this user's, and readers are to see it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._recovered.wait()
                await self.gate.wait_for(position)
                if user and self.decider.readers_wait:
                    await self._ledger.wait_for_user(user, position)
                ahead = self._judge.ahead(user) if user else self._committer.marker
                await self.gate.wait_for(min(ahead, self._committer.marker))
        except TimeoutError:
            raise DeadlineExceeded(
                f"agent {self.agent} is at {self.gate.position}, not yet at {position}, after"
                f" {timeout_s:g} s; ask again"
            ) from None

    async def state(self) -> StateView:
        """Return the position that the projection has applied, and its state hash there."""
        return await self._owner.run(
            lambda: StateView(
                projection=self.projection.name,
                version=self.projection.version,
                position=self._judge.applied,
                state_hash=state_hash(self.projection),
                pid=os.getpid(),
            )
        )

    def works_on(self, lane: str, position: int) -> bool:
        """Return whether what follows from a cause is in the works, or still to be decided."""
        return position > self.gate.position or self._ledger.is_open(lane, position)

    def progress(self) -> Progress:
        """Return how far the agent is."""
        return Progress(
            shard=self._journal.shard,
            agent=self.agent,
            through=self.gate.position,
            wrote=self._committer.marker,
            pid=os.getpid(),
            parked=self._committer.parked,
            open=self._ledger.heads,
        )

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the log until cancelled.

        Raises:
            CorruptLog: the log lost or altered something; nothing more is served.
            VersionConflict: another instance of this agent writes; this one must end.
        """
        async with asyncio.TaskGroup() as group:
            self._flights = group
            async with self._turn:
                position = await self._recover()
            beside = [
                group.create_task(self._telling.run()),
                group.create_task(self._keep_saving()),
            ]
            try:
                batches = self._journal.follow(after=position, kinds=self._kinds)
                async with aclosing(batches):
                    async for batch in batches:
                        await self._ledger.wait_for_room()
                        if self.arriving is not None:
                            await self.arriving(batch.events)
                        async with self._turn:
                            await self._handle(batch.events, batch.through)
            finally:
                for task in beside:
                    task.cancel()

    async def close(self) -> None:
        """Keep a snapshot, so that the next start is quick. Does not run when the process dies."""
        # A turn that was cut short may still be folding: what was not committed must not be kept.
        await self._owner.run(lambda: None)
        if self._judge.applied == self.gate.position:
            with suppress(TimeoutError):  # the log is gone before us: the next start takes longer
                async with asyncio.timeout(CLOSING_S):
                    await self._snapshot_now()
        self._owner.close()

    async def _recover(self) -> int:
        """Restore the state up to the last marker, then decide what was put aside."""
        restored = await self._owner.run(self._restore)
        self._snapshot = restored
        if not restored:
            self._tell_of_version()
        through, still_open = await self._committer.last_handled()
        end = await self._journal.last_position()
        if end < max(restored, self._committer.marker):
            raise CorruptLog(
                f"the log of shard {self._journal.shard} ends at {end}, but a snapshot of"
                f" {self.projection.name} was taken at {restored}: events are missing; restore it"
            )
        handled = max(restored, through)
        position = max(restored, self._committer.marker)
        aside = await self._left_open(still_open, handled)
        told = restored
        async with aclosing(self._journal.batches(restored, position, self._kinds)) as batches:
            async for batch in batches:
                events = await self._owner.run(
                    partial(self._judge.fold, batch.events, batch.through)
                )
                aside += [event for event in events if event.position > handled]
                if batch.through - told >= RECOVERY_TOLD_EVENTS:
                    told = batch.through
                    self._log.info("state_being_built", through=told, until=position)
        await self._committer.find_torn(position, end)
        self._judge.applied = position
        self._recovered.set()
        await self._set_off(await self._owner.run(partial(self._judge.take, aside)))
        self.gate.advance(position)
        self._log.info("state_recovered", position=position, snapshot=restored, aside=len(aside))
        return position

    async def _left_open(self, heads: Sequence[int], handled: int) -> list[Event]:
        """Return the causes through `handled` that are open, in the order of the log.

        Args:
            heads: the first of each lane; those behind it in its lane are open as well.
            handled: everything else through here is handled.
        """
        found: list[Event] = []
        for head in await self._journal.at(heads) if heads else ():
            lane = self.decider.lane(head)
            behind = self._journal.read(head.position, handled, self.decider.causes, user=head.user)
            found.append(head)
            found += [event async for event in behind if self.decider.lane(event) == lane]
        return sorted(found, key=lambda event: event.position)

    def _tell_of_version(self) -> None:
        """Say so when there are snapshots, but of other versions of the projection only."""
        if others := self._snapshots.versions(self.projection):
            self._log.info(
                "projection_version_changed",
                projection=self.projection.name,
                found=list(others),
                building=self.projection.version,
            )

    def _restore(self) -> int:
        """Begin with the newest snapshot; return its position."""
        self._judge.applied = self._snapshots.load(self.projection)
        return self._judge.applied

    async def _handle(self, events: Sequence[Event], through: int) -> None:
        if events:
            await self._set_off(
                await self._owner.run(partial(self._judge.fold_and_decide, events, through))
            )
        else:
            self._judge.applied = through
        self.gate.advance(through)
        self._telling.moved()
        if through - self._snapshot >= self._snapshot_every_events:
            await self._snapshot_now()

    # --- quick work and work that takes long ----------------------------------------------------

    async def _set_off(self, plans: Sequence[Plan]) -> None:
        """Send off what takes long, append the rest; within a turn."""
        assert self._flights is not None  # set by `run`, before anything is decided
        quick = []
        for plan in plans:
            if plan.is_reaching:
                self._flights.create_task(self._fly(plan))
            else:
                quick.append(plan)
        if quick:
            await self._committer.commit(quick, self._judge.applied)

    async def _fly(self, plan: Plan) -> None:
        """Do the slow work of a plan, then go on with all those that have arrived meanwhile."""
        await self._execution.reach(plan)
        self._arrived.append(plan)
        async with self._turn:
            arrived, self._arrived = self._arrived, []
            await self._owner.run(partial(self._judge.resume, arrived))
            await self._set_off(arrived)  # who asks again flies on
            lanes = [one.lane for one in arrived if not one.is_reaching]
            while lanes:
                absent = self._judge.absent(lanes)
                fetched = await self._journal.at(absent) if absent else ()
                by_position = {event.position: event for event in fetched}
                following, without, lanes = await self._owner.run(
                    partial(self._judge.followers, lanes, by_position)
                )
                self._ledger.end(without)
                await self._set_off(following)
        self._telling.moved()

    # --- another state in the place of this one -------------------------------------------------

    async def replace(self, fresh: Projection, position: int) -> tuple[Projection, int]:
        """Put `fresh`, which has `position`, in the place of the state, between two batches.

        What it lacks is folded in on another thread first; reading goes on until the last moment.

        Returns:
            The state that was replaced, and the position of both.
        """
        for _ in range(CATCHING_UP_MAX):
            if self._judge.applied - position <= REPLACEMENT_LACKS_MAX:
                break
            position = await self._catch_up(fresh, position)
        async with self._turn:
            await self._catch_up(fresh, position)
            ahead = await self._concluded_ahead()
            return await self._owner.run(
                partial(self._judge.exchange, fresh, ahead, self._committer.marker)
            ), self._judge.applied

    async def save(self) -> None:
        """Keep a snapshot of the state, between two batches."""
        async with self._turn:
            await self._snapshot_now()

    async def _catch_up(self, fresh: Projection, position: int) -> int:
        """Fold what the state has and `fresh` lacks into it; return the position it has then."""
        end = self._judge.applied
        async with aclosing(self._journal.batches(position, end, fresh.kinds)) as batches:
            async for batch in batches:
                await asyncio.to_thread(fold, fresh, batch.events)
        return end

    async def _concluded_ahead(self) -> list[Event]:
        """Return own conclusions that are in the log, but not yet in the state."""
        if self._committer.marker <= self._judge.applied:
            return []
        events = self._journal.read(
            self._judge.applied, self._committer.marker, self.projection.kinds
        )
        return [event async for event in events if event.envelope.producer == self.agent]

    # --- bookkeeping -----------------------------------------------------------------------------

    async def _snapshot_now(self) -> None:
        """Keep a snapshot; what is open has to be in the log, since a snapshot stands for all."""
        if not self._ledger.is_told:
            await self._committer.mark(self._judge.applied)
        await self._owner.run(partial(self._save_snapshot, self._judge.applied))

    def _save_snapshot(self, position: int) -> None:
        if position > 0:
            self._snapshots.save(self.projection, position)
        self._snapshot = position
        self._saved_at_s = time.monotonic()

    async def _keep_saving(self) -> None:
        """Keep a snapshot when the last is too old and something has happened since."""
        while True:
            left_s = self._saved_at_s + self._snapshot_every_s - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)
            elif self._judge.applied > self._snapshot:
                await self.save()
            else:
                self._saved_at_s = time.monotonic()
