"""The thinking half of a shell: folds events, decides causes in their lanes, holds conclusions.

All of it runs on the one thread that owns the state, within the shell's turn; nothing here waits
for anything. Plans come out: what follows from a cause, to be carried out by the other half.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import structlog

from actors.deciders.base import Decider
from actors.effects import Effect, Generate
from actors.execution import Plan, Step, conclusions
from actors.lanes import Lanes
from actors.ledger import Cause, Ledger
from events.catalogue import Payload
from events.envelope import Event
from events.errors import KeyDestroyed
from events.sealing import KeyRing
from projections.base import Projection, apply_or_skip

#: Concluded, and not in the log yet.
_NOT_YET = sys.maxsize


class Judge:
    """One agent's decider with its state, and who waits in which lane."""

    def __init__(self, decider: Decider, ledger: Ledger, keys: KeyRing) -> None:
        self.decider = decider
        self.keys = keys
        #: The position that the state has.
        self.applied = 0
        self._ledger = ledger
        self._lanes = Lanes()
        #: User -> position of the marker behind own events that are not in the projection yet.
        self._ahead: dict[str, int] = {}
        self._log = structlog.get_logger(__name__).bind(agent=decider.agent)

    def fold(self, events: Sequence[Event], through: int) -> list[Event]:
        """Fold events in; return the causes among them, undecided."""
        fold(self.decider.projection, events)
        self.applied = through  # who asks meanwhile is told of what the state is
        return [event for event in events if event.envelope.type in self.decider.causes]

    def fold_and_decide(self, events: Sequence[Event], through: int) -> list[Plan]:
        """Fold events in, each cause decided in its turn; return what follows."""
        plans: list[Plan] = []
        for event in events:
            failure = apply_or_skip(self.decider.projection, event)
            if failure is not None:
                # In no lane: whatever the decider's state lacks, nothing waits for it.
                plan = Plan(event, f"parked {event.position}")
                plan.give_up(failure)
                plans.append(self._begun(plan))
            elif event.envelope.type in self.decider.causes:
                plans += self.take([event])
        self.applied = through
        for user in [user for user, at in self._ahead.items() if at <= through]:
            self._settle(user)
        return plans

    def take(self, causes: Sequence[Event]) -> list[Plan]:
        """Decide causes in order, but for those whose lane is busy; return what follows."""
        plans = []
        for cause in causes:
            lane = self.decider.lane(cause)
            if self._lanes.join(lane, cause):
                self._ledger.begin(lane, cause.position, cause.user)
                continue
            plan = self._decide(cause, lane)
            if plan is not None:
                plans.append(self._begun(plan))
        return plans

    def resume(self, plans: Sequence[Plan]) -> None:
        """Let the decider go on where it asked a model."""
        for plan in plans:
            if self._is_erased(plan.cause.user):
                plan.steps = []
            last = plan.steps[-1] if plan.steps else None
            if plan.failure is None and last and isinstance(last.effect, Generate) and last.told:
                told = partial(self.decider.resume, plan.cause, last.effect, last.told)
                self._go_on(plan, told)

    def absent(self, lanes: Sequence[str]) -> list[int]:
        """Return the positions of those who are next in lanes and whose events are not held."""
        return self._lanes.absent(lanes)

    def followers(
        self, lanes: Sequence[str], fetched: Mapping[int, Event]
    ) -> tuple[list[Plan], list[Cause], list[str]]:
        """Decide who waited in lanes behind what has landed.

        Args:
            lanes: in which nothing is in flight any more.
            fetched: the events of `absent`; those of erased people are not among them.

        Returns:
            What follows, the causes from which nothing does, and the lanes where the next event has
            to be fetched first.
        """
        plans: list[Plan] = []
        without: list[Cause] = []
        missing: list[str] = []
        asked = frozenset(self.absent(lanes))
        for lane in lanes:
            while (first := self._lanes.first(lane)) is not None:
                if isinstance(first, int) and first not in asked:
                    missing.append(lane)
                    break
                self._lanes.pop(lane)
                plan = self._following(
                    lane, fetched.get(first) if isinstance(first, int) else first
                )
                if plan is None:
                    position = first if isinstance(first, int) else first.position
                    without.append(Cause(lane, position))
                    continue
                plans.append(plan)
                if plan.is_reaching:
                    break
        return plans, without, missing

    def _following(self, lane: str, cause: Event | None) -> Plan | None:
        # Who was erased while they waited is nobody's question to a model any more.
        if cause is None or self._is_erased(cause.user):
            return None
        return self._decide(cause, lane)

    def appended(self, plans: Sequence[Plan], marker: int) -> None:
        """Note that what came of plans is in the log, before a marker."""
        for plan in plans:
            self._ahead[plan.cause.user] = marker

    def ahead(self, user: str) -> int:
        """Return through where the log has own events about a user that the state may lack."""
        return self._ahead.get(user, 0)

    def exchange(self, fresh: Projection, ahead: Sequence[Event], marker: int) -> Projection:
        """Hold another state; `ahead` are own conclusions before `marker` that it lacks."""
        old = self.decider.projection
        for user in list(self._ahead):
            self._settle(user)
        self.decider.hold(fresh)
        for event in ahead:
            self._ahead[event.user] = marker
            self.decider.conclude(event)
        return old

    def _begun(self, plan: Plan) -> Plan:
        self._ledger.begin(plan.lane, plan.cause.position, plan.cause.user)
        if plan.is_reaching:
            self._lanes.occupy(plan.lane)
        return plan

    def _decide(self, cause: Event, lane: str) -> Plan | None:
        """Decide a cause on what was concluded from those before it; None: nothing follows."""
        if self._ahead.get(cause.user, _NOT_YET) <= cause.position:
            self._settle(cause.user)
        plan = Plan(cause, lane)
        self._go_on(plan, lambda: self.decider.decide(cause))
        return plan if plan.steps or plan.failure else None

    def _go_on(self, plan: Plan, judge: Callable[[], Sequence[Effect]]) -> None:
        """Add what a judgement says follows from a cause."""
        cause = plan.cause
        try:
            effects = judge()
            if any(isinstance(effect, Generate) for effect in effects) and len(effects) > 1:
                raise TypeError("a Generate stands alone; the rest is for `resume`")
            for effect in effects:
                payloads = conclusions(effect, cause.user, self.keys)
                plan.steps.append(Step(effect, payloads))
                for payload in payloads:
                    self._ahead[cause.user] = _NOT_YET
                    self.decider.conclude(_foreseen(cause, payload))
        except KeyDestroyed:
            plan.steps = []  # erased since it was read: nothing follows from it any more
            self._ahead[cause.user] = 0
            self._settle(cause.user)
        # A decision is pure: it would fail again. The cause is parked, what follows goes on.
        except Exception as error:
            # Not its words, which may quote what a person said: what it is, and where.
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._log.error(
                "cause_not_decided",
                cause=cause.id,
                position=cause.position,
                error=type(error).__name__,
                where=f"{where.filename}:{where.lineno}",
            )
            plan.give_up(error)

    def _is_erased(self, user: str) -> bool:
        self.keys.forget(user)
        return self.keys.is_erased(user)

    def _settle(self, user: str) -> None:
        self.decider.settle(user)
        del self._ahead[user]


def fold(projection: Projection, events: Sequence[Event]) -> None:
    """Fold events into a projection, but for those that it cannot take."""
    for event in events:
        apply_or_skip(projection, event)


def _foreseen(cause: Event, payload: Payload) -> Event:
    """Return a conclusion as the event that it will be, as far as a decision depends on it."""
    envelope = msgspec.structs.replace(
        cause.envelope, type=type(payload).__name__, version=payload.version
    )
    return Event(envelope=envelope, payload=payload, position=cause.position)
