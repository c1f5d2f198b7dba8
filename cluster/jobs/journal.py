"""A job's own events in the system's log: where it is, and what need not be done again.

They lie in the first shard under a subject of the job's own, and are bound to its last
`JobSubmitted`: a driver that was thought lost, and comes back after another one has taken over,
cannot write any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import stamina

from cluster.jobs.work import History, Job, Result, fold
from events.catalogue import JobFinished, JobProgressed, JobSubmitted, Payload
from events.envelope import Event, NewEvent
from events.errors import Unavailable, VersionConflict
from events.ids import derived_id, random_id
from events.journal import EventReader, Journal
from events.log import Expected

#: Where the events of all jobs lie: bookkeeping belongs to no user.
JOB_SHARD = 0
PRODUCER = "job"
JOB_EVENTS: tuple[type[Payload], ...] = (JobSubmitted, JobProgressed, JobFinished)
#: A reason is for people; what follows the first line is in the job's own output.
_ERROR_CHARS_MAX = 500
#: Seconds for which a job waits for a log that restarts.
_PATIENCE_S = 60.0


def subject_of(job_id: str) -> str:
    """Return the user field of a job's events, by which they are found."""
    return f"job-{job_id}"


async def history_of(journal: EventReader, job_id: str) -> History:
    """Return what the log says of a job; `attempt` 0 when it says nothing."""
    history = History()
    async for event in journal.read(user=subject_of(job_id)):
        history = fold(history, event.payload, event.position)
    return history


async def histories(journal: EventReader) -> dict[str, History]:
    """Return what the log says of every job, by id, in the order of their last submissions."""
    events: list[Event] = []
    for kind in JOB_EVENTS:  # one at a time: that is a read by subject, not of the whole log
        events += [event async for event in journal.read(kinds=frozenset({kind.__name__}))]
    found: dict[str, History] = {}
    for event in sorted(events, key=lambda one: one.position):
        job_id = event.envelope.entity
        found[job_id] = fold(found.get(job_id, History()), event.payload, event.position)
    return dict(sorted(found.items(), key=lambda item: item[1].submitted))


class JobJournal:
    """Writes the events of one attempt at a job. Made by `begin`."""

    def __init__(self, journal: Journal, job: Job, history: History, begun: str) -> None:
        self._journal = journal
        self._job = job
        self._history = history
        #: The event that this attempt began with: what all others follow from, and are bound to.
        self._begun = begun
        self._done: dict[str, Result] = dict(history.done)

    @classmethod
    async def begin(cls, journal: Journal, job: Job) -> JobJournal:
        """Record that an attempt begins; its `done` holds what earlier ones of this run did.

        Raises:
            VersionConflict: another driver of the same job began at this moment.
        """
        before = await history_of(journal, job.job_id)
        submitted = JobSubmitted(
            job_id=job.job_id,
            kind=job.kind,
            arguments=job.arguments,
            attempt=before.attempt + 1,
        )
        # At random: of two drivers that begin at once, neither is a repetition of the other.
        event = _event(job, submitted, random_id("evt"))
        try:
            position = await _patiently(journal, event, _last(job, before.submitted))
        except VersionConflict as error:
            raise VersionConflict(
                f"another driver of {job.job_id} began at this moment; see `mirix job list`"
            ) from error
        return cls(journal, job, fold(before, submitted, position), event.event_id)

    @property
    def done(self) -> Mapping[str, Result]:
        """The results of the units that are done, by unit."""
        return self._done

    async def progressed(self, unit: str, total: int, result: Result) -> None:
        """Record that a unit is done.

        Raises:
            VersionConflict: another driver took the job over.
        """
        payload = JobProgressed(
            job_id=self._job.job_id,
            unit=unit,
            done=len({*self._done, unit}),
            total=total,
            result=result,
        )
        await self._append(payload, "unit", unit)
        self._done[unit] = result

    async def finished(
        self, status: Literal["succeeded", "failed"], result: Result, error: str = ""
    ) -> None:
        """Record how it ended.

        Raises:
            VersionConflict: another driver took the job over.
        """
        payload = JobFinished(
            job_id=self._job.job_id,
            status=status,
            result=result,
            error=error[:_ERROR_CHARS_MAX],
        )
        await self._append(payload, "finished")

    async def _append(self, payload: Payload, *parts: str) -> None:
        event = _event(self._job, payload, derived_id("evt", self._begun, *parts), self._begun)
        try:
            await _patiently(self._journal, event, _last(self._job, self._history.submitted))
        except VersionConflict as error:
            raise VersionConflict(
                f"another driver took {self._job.job_id} over; attempt {self._history.attempt} "
                "ends here"
            ) from error


async def _patiently(journal: Journal, event: NewEvent, expected: Expected) -> int:
    """Append an event, again while the log is not there: its id makes that safe."""
    attempts = stamina.retry_context(on=Unavailable, attempts=None, timeout=_PATIENCE_S)
    async for attempt in attempts:
        with attempt:
            (position,) = await journal.append([event], expected=expected)
    return position


def _last(job: Job, position: int) -> Expected:
    """Expect that nobody submitted the job after `position`."""
    return Expected(kind=JobSubmitted.__name__, user=subject_of(job.job_id), position=position)


def _event(job: Job, payload: Payload, event_id: str, begun: str = "") -> NewEvent:
    return NewEvent(
        event_id=event_id,
        payload=payload,
        tenant="",
        user=subject_of(job.job_id),
        entity=job.job_id,
        causation_id=begun,
        correlation_id=begun,
        producer=PRODUCER,
    )


def missing(units: Sequence[str], done: Mapping[str, Result]) -> list[str]:
    """Return the units that are still to do, in their order."""
    return [unit for unit in units if unit not in done]
