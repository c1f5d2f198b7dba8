"""The shell of an agent: follows the log, folds, decides, and hands what follows to the committer.

Step 3 of the message path. A batch of events is folded into the projection, and each cause in it is
decided in its turn. A crash before the append repeats the work, with the same ids; a crash after it
does not, because the marker is there. A batch without effects needs no marker: deciding it again
gives nothing.

After a restart the state comes from the newest snapshot and the log. Up to the last marker, causes
that are not handled are put aside, and decided when the agent's own conclusions up to there are
back: so they are decided on the state that they would have met. Without a snapshot of the
projection's version, the state is built from the log's start, which takes longer and is logged.

Between two batches the state can be replaced by another of the same view (`replace`); which, and
what becomes of the old one, is decided in `swapping`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from actors.commit import Committer
from actors.deciders.base import Decider
from actors.execution import Execution, Plan, Step, conclusions
from actors.gate import PositionGate
from actors.progress import (
    HEARTBEAT_S,
    PROGRESS_PAUSE_S,
    Progress,
    encode_signal,
    progress_subject,
)
from actors.queries import StateView
from events.catalogue import Payload
from events.envelope import Event
from events.errors import CorruptLog, DeadlineExceeded, KeyDestroyed, Unavailable
from events.journal import Journal
from events.signals import Signals
from projections.base import Projection, apply_or_skip, state_hash
from projections.snapshots import SnapshotStore

T = TypeVar("T")

#: The last events that a replacement lacks are folded in while following waits.
REPLACEMENT_LACKS_MAX = 1000
#: How often it catches up with an agent that goes on meanwhile, before following waits for it.
CATCHING_UP_MAX = 10
#: Between two lines in the operator's log about a state that is built from the log, in events.
RECOVERY_TOLD_EVENTS = 50_000


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
        self.keys = journal.codec.keys
        self._journal = journal
        self._signals = signals
        self._snapshots = snapshots
        self._snapshot_every_events = snapshot_every_events
        self._snapshot_every_s = snapshot_every_s
        self._committer = Committer(self.agent, journal, execution, retry_wait_s)
        self._kinds = decider.projection.kinds | decider.causes
        # One thread owns the state: folding, deciding and reading never meet.
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"state-{self.agent}")
        # Held while a batch is folded, decided and committed: between two of them, state and log
        # agree, so that is when snapshots are taken and the state may be replaced.
        self._turn = asyncio.Lock()
        self._gate = PositionGate()  # handled through here
        self._moved = asyncio.Event()
        self._applied = 0  # folded through here; written on the owner's thread
        self._handled = 0
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
        return self._applied

    async def on_state(
        self, work: Callable[[], T], *, min_position: int = 0, timeout_s: float = 10
    ) -> T:
        """Run `work` on the thread that owns the state, once it has `min_position`.

        What the agent itself concluded from causes up to `min_position` is in the state, too.

        Raises:
            DeadlineExceeded: the agent did not get there in `timeout_s`.
        """
        if min_position:
            await self.wait_for(min_position, timeout_s)
        return await self._in_owner(work)

    async def wait_for(self, position: int, timeout_s: float) -> None:
        """Wait until `position` is handled, and what came of it is applied."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._gate.wait_for(position)
                await self._gate.wait_for(self._committer.marker)
        except TimeoutError:
            raise DeadlineExceeded(
                f"agent {self.agent} is at {self._gate.position}, not yet at {position}, after"
                f" {timeout_s:g} s; ask again"
            ) from None

    async def state(self) -> StateView:
        """Return the position that the projection has applied, and its state hash there."""
        return await self._in_owner(
            lambda: StateView(
                projection=self.projection.name,
                version=self.projection.version,
                position=self._applied,
                state_hash=state_hash(self.projection),
                pid=os.getpid(),
            )
        )

    def progress(self) -> Progress:
        """Return how far the agent is."""
        return Progress(
            shard=self._journal.shard,
            agent=self.agent,
            through=self._gate.position,
            wrote=self._committer.marker,
            pid=os.getpid(),
            parked=self._committer.parked,
        )

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the log until cancelled.

        Raises:
            CorruptLog: the log lost or altered something; nothing more is served.
            VersionConflict: another instance of this agent writes; this one must end.
        """
        async with self._turn:
            position = await self._recover()
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._keep_telling()),
                group.create_task(self._keep_saving()),
            ]
            try:
                batches = self._journal.follow(after=position, kinds=self._kinds)
                async with aclosing(batches):
                    async for batch in batches:
                        async with self._turn:
                            await self._handle(batch.events, batch.through)
            finally:
                for task in beside:
                    task.cancel()

    async def close(self) -> None:
        """Keep a snapshot, so that the next start is quick. Does not run when the process dies."""
        if self._applied == self._gate.position:
            await self._in_owner(self._save_snapshot)
        self._owner.shutdown(wait=True)

    async def _recover(self) -> int:
        """Restore the state up to the last marker, then decide what was put aside."""
        restored = await self._in_owner(self._restore)
        self._snapshot = restored
        if not restored:
            self._tell_of_version()
        handled = await self._committer.last_handled()
        end = await self._journal.last_position()
        if end < max(restored, self._committer.marker):
            raise CorruptLog(
                f"the log of shard {self._journal.shard} ends at {end}, but a snapshot of"
                f" {self.projection.name} was taken at {restored}: events are missing; restore it"
            )
        self._handled = max(restored, handled)
        position = max(restored, self._committer.marker)
        aside: list[Event] = []
        told = restored
        async with aclosing(self._journal.batches(restored, position, self._kinds)) as batches:
            async for batch in batches:
                aside += await self._in_owner(partial(self._replay, batch.events, batch.through))
                if batch.through - told >= RECOVERY_TOLD_EVENTS:
                    told = batch.through
                    self._log.info("state_being_built", through=told, until=position)
        await self._committer.find_torn(position, end)
        plans = await self._in_owner(lambda: self._decide(aside))
        await self._committer.commit(plans, position)
        self._applied = self._handled = position
        self._gate.advance(position)
        self._log.info("state_recovered", position=position, snapshot=restored, aside=len(aside))
        return position

    def _tell_of_version(self) -> None:
        """Say so when there are snapshots, but of other versions of the projection only."""
        others = self._snapshots.versions(self.projection)
        if others:
            self._log.info(
                "projection_version_changed",
                projection=self.projection.name,
                found=list(others),
                building=self.projection.version,
            )

    def _restore(self) -> int:
        """Begin with the newest snapshot; return its position."""
        self._applied = self._snapshots.load(self.projection)
        return self._applied

    def _replay(self, events: Sequence[Event], through: int) -> list[Event]:
        """Fold events in; return the causes among them that are still to be decided."""
        _fold(self.projection, events)
        self._applied = through  # who asks meanwhile is told of what the state is
        return [event for event in events if self._is_open_cause(event)]

    def _is_open_cause(self, event: Event) -> bool:
        return event.position > self._handled and event.envelope.type in self.decider.causes

    async def _handle(self, events: Sequence[Event], through: int) -> None:
        if events:
            plans = await self._in_owner(lambda: self._fold_and_decide(events, through))
            await self._committer.commit(plans, through)
        else:
            self._applied = through
        self._handled = through
        self._gate.advance(through)
        self._moved.set()
        if through - self._snapshot >= self._snapshot_every_events:
            await self._in_owner(self._save_snapshot)

    def _fold_and_decide(self, events: Sequence[Event], through: int) -> list[Plan]:
        plans: list[Plan] = []
        for event in events:
            failure = apply_or_skip(self.projection, event)
            if failure is not None:
                plans.append(_given_up(event, failure))
            elif self._is_open_cause(event):
                plans += self._decide([event])
        if not plans and through >= self._committer.marker:
            self.decider.settle()
        self._applied = through
        return plans

    def _decide(self, causes: Sequence[Event]) -> list[Plan]:
        """Decide causes in order, each on what was concluded from those before it."""
        plans = []
        for cause in causes:
            plan = Plan(cause)
            try:
                for effect in self.decider.decide(cause):
                    payloads = conclusions(effect, cause.user, self.keys)
                    plan.steps.append(Step(effect, payloads))
                    for payload in payloads:
                        self.decider.conclude(_foreseen(cause, payload))
            except KeyDestroyed:
                continue  # erased since it was read: nothing follows from it any more
            # `decide` is pure: it would fail again. The cause is parked, what follows goes on.
            except Exception as error:
                self._log.exception("cause_not_decided", cause=cause.id, position=cause.position)
                plan = _given_up(cause, error)
            if plan.steps or plan.failure:
                plans.append(plan)
        return plans

    # --- another state in the place of this one -------------------------------------------------

    async def replace(self, fresh: Projection, position: int) -> tuple[Projection, int]:
        """Put `fresh`, which has `position`, in the place of the state, between two batches.

        What it lacks is folded in on another thread first; reading goes on until the last moment.

        Returns:
            The state that was replaced, and the position of both.
        """
        for _ in range(CATCHING_UP_MAX):
            if self._applied - position <= REPLACEMENT_LACKS_MAX:
                break
            position = await self._catch_up(fresh, position)
        async with self._turn:
            await self._catch_up(fresh, position)
            ahead = await self._concluded_ahead()
            return await self._in_owner(partial(self._exchange, fresh, ahead)), self._applied

    async def save(self) -> None:
        """Keep a snapshot of the state, between two batches."""
        async with self._turn:
            await self._in_owner(self._save_snapshot)

    async def _catch_up(self, fresh: Projection, position: int) -> int:
        """Fold what the state has and `fresh` lacks into it; return the position it has then."""
        end = self._applied
        async with aclosing(self._journal.batches(position, end, fresh.kinds)) as batches:
            async for batch in batches:
                await asyncio.to_thread(_fold, fresh, batch.events)
        return end

    async def _concluded_ahead(self) -> list[Event]:
        """Return own conclusions that are in the log, but not yet in the state."""
        if self._committer.marker <= self._applied:
            return []
        events = self._journal.read(self._applied, self._committer.marker, self.projection.kinds)
        return [event async for event in events if event.envelope.producer == self.agent]

    def _exchange(self, fresh: Projection, ahead: Sequence[Event]) -> Projection:
        old = self.decider.projection
        self.decider.settle()
        self.decider.hold(fresh)
        for event in ahead:
            self.decider.conclude(event)
        return old

    # --- bookkeeping -----------------------------------------------------------------------------

    async def _in_owner(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._owner, work)

    def _save_snapshot(self) -> None:
        if self._applied > 0:
            self._snapshots.save(self.projection, self._applied)
        self._snapshot = self._applied
        self._saved_at_s = time.monotonic()

    async def _keep_saving(self) -> None:
        """Keep a snapshot when the last is too old and something has happened since."""
        while True:
            left_s = self._saved_at_s + self._snapshot_every_s - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)
            elif self._applied > self._snapshot:
                await self.save()
            else:
                self._saved_at_s = time.monotonic()

    async def _tell(self) -> None:
        subject = progress_subject(self._journal.shard, self.agent)
        try:
            await self._signals.publish(subject, encode_signal(self.progress()))
        except Unavailable as error:
            # The next heartbeat tells it; the connection comes back by itself.
            self._log.debug("progress_not_told", error=error.message)

    async def _keep_telling(self) -> None:
        """Tell the progress when it has moved, with a pause between, and as a heartbeat."""
        while True:
            self._moved.clear()
            await self._tell()
            await asyncio.sleep(PROGRESS_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._moved.wait()


def _fold(projection: Projection, events: Sequence[Event]) -> None:
    for event in events:
        apply_or_skip(projection, event)


def _given_up(cause: Event, error: Exception) -> Plan:
    plan = Plan(cause)
    plan.failure = error
    return plan


def _foreseen(cause: Event, payload: Payload) -> Event:
    """Return a conclusion as the event that it will be, as far as a decision depends on it."""
    envelope = msgspec.structs.replace(
        cause.envelope, type=type(payload).__name__, version=payload.version
    )
    return Event(envelope=envelope, payload=payload, position=cause.position)
