"""The shell of an agent: follows the log, folds, decides, and hands what follows to the committer.

Step 3 of the message path. A batch of events is folded into the projection, and each cause in it is
decided in its turn. A crash before the append repeats the work, with the same ids; a crash after it
does not, because the marker is there. A batch without effects needs no marker: deciding it again
gives nothing.

After a restart the state comes from the newest snapshot and the log. Up to the last marker, causes
that are not handled are put aside, and decided when the agent's own conclusions up to there are
back: so they are decided on the state that they would have met.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from actors.commit import COMMIT_EVENTS_MAX, Committer
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
        retry_wait_s: float,
    ) -> None:
        self.decider = decider
        self.agent = decider.agent
        self.keys = journal.codec.keys
        self._journal = journal
        self._signals = signals
        self._snapshots = snapshots
        self._snapshot_every_events = snapshot_every_events
        self._committer = Committer(self.agent, journal, execution, retry_wait_s)
        self._kinds = decider.projection.kinds | decider.causes
        # One thread owns the state: folding, deciding and reading never meet.
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"state-{self.agent}")
        self._gate = PositionGate()  # handled through here
        self._moved = asyncio.Event()
        self._applied = 0  # folded through here; written on the owner's thread
        self._handled = 0
        self._snapshot = 0
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
        position = await self._recover()
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._keep_telling())
            try:
                batches = self._journal.follow(after=position, kinds=self._kinds)
                async with aclosing(batches):
                    async for batch in batches:
                        await self._handle(batch.events, batch.through)
            finally:
                telling.cancel()

    async def close(self) -> None:
        """Keep a snapshot, so that the next start is quick. Does not run when the process dies."""
        if self._applied == self._gate.position:
            await self._in_owner(self._save_snapshot)
        self._owner.shutdown(wait=True)

    async def _recover(self) -> int:
        """Restore the state up to the last marker, then decide what was put aside."""
        restored = await self._in_owner(lambda: self._snapshots.load(self.projection))
        self._snapshot = restored
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
        part: list[Event] = []
        async for event in self._journal.read(restored, position, self._kinds):
            part.append(event)
            if len(part) == COMMIT_EVENTS_MAX:
                aside += await self._in_owner(partial(self._replay, part))
                part = []
        aside += await self._in_owner(partial(self._replay, part))
        await self._committer.find_torn(position, end)
        plans = await self._in_owner(lambda: self._decide(aside))
        await self._committer.commit(plans, position)
        self._applied = self._handled = position
        self._gate.advance(position)
        self._log.info("state_recovered", position=position, snapshot=restored, aside=len(aside))
        return position

    def _replay(self, events: Sequence[Event]) -> list[Event]:
        """Fold events in; return the causes among them that are still to be decided."""
        for event in events:
            apply_or_skip(self.projection, event)
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

    # --- bookkeeping -----------------------------------------------------------------------------

    async def _in_owner(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._owner, work)

    def _save_snapshot(self) -> None:
        if self._applied > 0:
            self._snapshots.save(self.projection, self._applied)
        self._snapshot = self._applied

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
