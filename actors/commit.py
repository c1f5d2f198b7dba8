"""Appends what came of causes: everything or nothing, once, by one writer.

Step 4 of the message path. The effects of some causes and a `CauseHandled` marker are one atomic
batch. The batch is guarded by the position of the marker before it: a second instance of the agent
(one that was thought dead) meets `VersionConflict` and ends. The marker also names the causes that
are still open (`actors/ledger.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from actors.effects import Answer, Append
from actors.execution import Execution, Plan, Step
from actors.ledger import Cause, Ledger
from actors.names import Agent
from events.catalogue import CauseHandled, EventParked
from events.envelope import Event, NewEvent
from events.errors import CommandRejected, KeyDestroyed, Unavailable
from events.ids import derived_id
from events.journal import Journal
from events.log import Expected

#: Events of one atomic batch; under JetStream's bound, with room for one cause with many effects.
COMMIT_EVENTS_MAX = 400
#: The longest wait between two tries at an append while the log is away.
RETRY_WAIT_S_MAX = 5.0


def own_user(agent: Agent) -> str:
    """Return the user under which an agent's own bookkeeping lies in the log."""
    return f"agent-{agent}"


class Committer:
    """The writing half of an agent's shell."""

    def __init__(
        self,
        agent: Agent,
        journal: Journal,
        execution: Execution,
        ledger: Ledger,
        retry_wait_s: float,
        appended: Callable[[Sequence[Plan], int], None] = lambda plans, marker: None,
    ) -> None:
        """Put it together; `appended` hears of each append before anybody outside does."""
        self._agent = agent
        self._ledger = ledger
        self._journal = journal
        self._execution = execution
        self._retry_wait_s = retry_wait_s
        self._appended = appended
        self._log = structlog.get_logger(__name__).bind(agent=agent)
        #: Position of the last own event in the log, which is always a marker.
        self.marker = 0
        #: Own events that a power cut left without the marker of their batch.
        self._torn: frozenset[str] = frozenset()
        self.parked = 0

    async def last_handled(self) -> tuple[int, tuple[int, ...]]:
        """Find the last marker in the log; return through where it says handled, and what not."""
        own = own_user(self._agent)
        # By its subject: quick, however long the log is.
        parked = self._journal.read(0, None, frozenset({EventParked.__name__}), user=own)
        self.parked = len([event async for event in parked])
        event = await self._journal.last_of(CauseHandled.__name__, own)
        if event is None:
            return 0, ()
        assert isinstance(event.payload, CauseHandled)  # asked for by its kind
        self.marker = event.position
        self._ledger.told(event.payload.through)
        return event.payload.through, event.payload.open

    async def find_torn(self, after: int, until: int) -> None:
        """Find what is left of a batch whose commit a power cut interrupted.

        Such a batch was never acknowledged; its beginning may be in the log. Its causes are decided
        again and give the same ids: what is there already is then not appended a second time,
        however long ago it was.
        """
        self._torn = frozenset(
            [
                event.id
                async for event in self._journal.read(after, until)
                if event.envelope.producer == self._agent and event.envelope.causation_id
            ]
        )

    async def commit(self, plans: Sequence[Plan], through: int) -> None:
        """Append what came of `plans`; then everything through `through` is handled, or open.

        Raises:
            VersionConflict: another instance of this agent has written.
        """
        await self._execution.complete(plans)
        for plan in plans:
            if plan.failure is not None:
                await self._park(plan, plan.failure)
        group: list[Plan] = []
        size = 0
        for plan in plans:
            count = sum(len(step.payloads) for step in plan.steps)
            if group and size + count > COMMIT_EVENTS_MAX:
                await self._append(group, self._through(group))
                group, size = [], 0
            group.append(plan)
            size += count
        if group:
            await self._append(group, through)

    async def mark(self, through: int) -> None:
        """Append a marker alone, so that the log knows what is open."""
        await self._append_all([], through)

    async def _append(self, plans: Sequence[Plan], through: int) -> None:
        """Append what follows from `plans`; what the log does not take is parked, alone."""
        try:
            await self._append_all(plans, through)
        except (CommandRejected, UnicodeError, OverflowError, TypeError) as error:
            # Too much for one batch or event, or nothing that can be written (half a character
            # that a model said): halve until the one is found.
            if len(plans) == 1:
                await self._park(plans[0], error)
                await self._append_all(plans, through)
                return
            middle = len(plans) // 2
            await self._append(plans[:middle], self._through(plans[:middle]))
            await self._append(plans[middle:], through)

    def _through(self, plans: Sequence[Plan]) -> int:
        """Return through where a marker behind these plans can speak; never less than the last."""
        return max(self._ledger.marked, plans[-1].cause.position)

    async def _append_all(self, plans: Sequence[Plan], through: int) -> None:
        wait_s = self._retry_wait_s
        handled = [Cause(plan.lane, plan.cause.position) for plan in plans]
        expected = Expected(
            kind=CauseHandled.__name__, user=own_user(self._agent), position=self.marker
        )
        while True:
            try:
                positions = await self._journal.append(
                    self._batch(plans, through, handled), expected=expected
                )
                break
            except KeyDestroyed:
                # Somebody was erased since the cause was read: nothing follows from it any more.
                plans = [plan for plan in plans if not self._is_erased(plan.cause.user)]
            except Unavailable as error:
                # The same ids again: what was written after all is not written twice.
                self._log.warning("append_waits", error=error.message, wait_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_WAIT_S_MAX)
        self.marker = positions[-1]
        self._ledger.told(through)
        self._ledger.end(handled)
        self._appended(plans, self.marker)
        for step in (step for plan in plans for step in plan.steps):
            if step.afterwards is not None:
                await step.afterwards(self.marker)

    def _is_erased(self, user: str) -> bool:
        keys = self._journal.codec.keys
        keys.forget(user)
        return keys.is_erased(user)

    def _batch(
        self, plans: Sequence[Plan], through: int, handled: Sequence[Cause]
    ) -> list[NewEvent]:
        events = [
            event
            for plan in plans
            for event in self._events_of(plan)
            if event.event_id not in self._torn
        ]
        marker = NewEvent(
            event_id=derived_id("evt", self._agent, "handled", self.marker, through),
            payload=CauseHandled(
                agent=self._agent,
                through=through,
                open=self._ledger.left_open(through, handled),
            ),
            tenant="",
            user=own_user(self._agent),
            causation_id=plans[-1].cause.id if plans else "",
            correlation_id=_correlation(plans[-1].cause) if plans else "",
            producer=self._agent,
        )
        return [*events, marker]

    def _events_of(self, plan: Plan) -> list[NewEvent]:
        payloads = [payload for step in plan.steps for payload in step.payloads]
        return [
            NewEvent(
                event_id=derived_id("evt", self._agent, plan.cause.id, ordinal),
                payload=payload,
                tenant=plan.cause.envelope.tenant,
                # Bookkeeping about a cause is the agent's, not the person's.
                user=plan.cause.user if payload.personal else own_user(self._agent),
                causation_id=plan.cause.id,
                correlation_id=_correlation(plan.cause),
                producer=self._agent,
            )
            for ordinal, payload in enumerate(payloads)
        ]

    async def _park(self, plan: Plan, failure: Exception) -> None:
        """Replace what follows from a cause by the note that it was given up.

        Half of its effects would be worse than none.
        """
        for step in plan.steps:
            if isinstance(step.effect, Answer):
                await self._execution.answer_failed(step.effect.message, failure)
        parked = EventParked(
            agent=self._agent,
            position=plan.cause.position,
            cause_id=plan.cause.id,
            # The text of an error may quote what a person said; its kind does not.
            error=type(failure).__name__,
            attempts=max(plan.attempts, 1),
        )
        plan.steps = [Step(Append(payload=parked), [parked])]
        self.parked += 1


def _correlation(cause: Event) -> str:
    return cause.envelope.correlation_id or cause.id
