"""Jobs on a Ray cluster, through its Jobs API: submitted, listed, followed, stopped.

The submission id is the job's own id. Ray keeps a job that has ended in its table, and takes each
id once: one that is to go on, or to run anew, is deleted there before it is submitted again. What
it has done is not lost by that, it is in the system's log.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cluster import ray_host
from cluster.jobs.work import Job
from events.errors import CommandRejected, NotFound, Unavailable
from events.memory import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.job_submission import JobSubmissionClient

T = TypeVar("T")
RayState = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
ENDED: frozenset[str] = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})

#: Ray looks at each job once a second, at an ended one for the last time. A new one of the same id
#: that came before that would be taken for the old one, and be ended with it.
_SETTLE_S = 2.5
_SUBMISSIONS_MAX = 4
_START_S_MAX = 60.0
_STOP_GRACE_S = 10
_STOP_S_MAX = 30.0
_LOOK_S = 0.2
#: How Ray names a job that it ended by that mistake, before it began.
_TAKEN_FOR_THE_OLD_ONE = frozenset(
    {"JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_START_FAILURE"}
)


class Submission(Value, frozen=True, kw_only=True):
    """What Ray's table says of a job. Times are Unix times in seconds, 0 when not known."""

    job_id: str
    state: RayState
    message: str = ""
    error_type: str = ""
    started_at_s: float = 0.0
    ended_at_s: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ENDED


class RayJobs:
    """The jobs of one Ray cluster. Made by `connect_jobs`."""

    def __init__(
        self,
        client: JobSubmissionClient,
        address: str,
        *,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._address = address
        self._now_s = now_s
        self._sleep = sleep

    def submit(self, job: Job) -> bool:
        """Submit a job; return False when it is running already, which it then goes on doing.

        Raises:
            Unavailable: the cluster cannot be reached, or does not take the job.
        """
        for attempt in range(1, _SUBMISSIONS_MAX + 1):
            known = self.find(job.job_id)
            if known is not None and not known.has_ended:
                return False
            if known is not None:
                self._clear(known)
            if not self._submit_once(job):
                return False
            if known is None and attempt == 1:
                return True
            if self._has_begun(job.job_id):
                return True
        raise Unavailable(f"Ray at {self._address} did not begin {job.job_id}; submit it again")

    def find(self, job_id: str) -> Submission | None:
        """Return what Ray says of a job, or None when it does not know it.

        Raises:
            Unavailable: the cluster cannot be reached.
        """
        return next((one for one in self.all() if one.job_id == job_id), None)

    def all(self) -> list[Submission]:
        """Return what Ray says of the jobs that were submitted to it.

        Raises:
            Unavailable: the cluster cannot be reached.
        """
        return [_submission(one) for one in self._ask(self._client.list_jobs) if one.submission_id]

    def stop(self, job_id: str) -> Submission:
        """End a job that runs, and return what became of it.

        Raises:
            NotFound: Ray does not know it.
            CommandRejected: it has ended already.
            Unavailable: the cluster cannot be reached, or it did not end in time.
        """
        known = self._known(job_id)
        if known.has_ended:
            raise CommandRejected(f"{job_id} is not running: it is {known.state.lower()}")
        self._ask(lambda: self._client.stop_job(job_id))
        return self.wait(job_id, _STOP_S_MAX)

    def wait(self, job_id: str, timeout_s: float) -> Submission:
        """Return what became of a job, once it has ended.

        Raises:
            Unavailable: it has not, after so long.
        """
        give_up_at_s = self._now_s() + timeout_s
        while not (known := self._known(job_id)).has_ended:
            if self._now_s() > give_up_at_s:
                raise Unavailable(f"{job_id} is still {known.state.lower()} after {timeout_s:g} s")
            self._sleep(_LOOK_S)
        return known

    def logs(self, job_id: str) -> str:
        """Return what a job has written so far, in all its attempts on this cluster.

        Raises:
            NotFound: Ray does not know it.
        """
        self._known(job_id)
        return str(self._ask(lambda: self._client.get_job_logs(job_id)))

    async def follow(self, job_id: str) -> AsyncIterator[str]:
        """Yield what a job writes, from its beginning to its end.

        Raises:
            NotFound: Ray does not know it.
        """
        self._known(job_id)
        with _told(self._address):
            async for lines in self._client.tail_job_logs(job_id):
                yield lines

    def _known(self, job_id: str) -> Submission:
        known = self.find(job_id)
        if known is None:
            raise NotFound(f"Ray at {self._address} knows no job {job_id}; see `mirix job list`")
        return known

    def _clear(self, ended: Submission) -> None:
        """Take an ended job out of Ray's table, once Ray looks at it no more."""
        self._sleep(max(0.0, ended.ended_at_s + _SETTLE_S - self._now_s()))
        with suppress(CommandRejected):  # somebody else has deleted it, who submits it as well
            self._ask(lambda: self._client.delete_job(ended.job_id))

    def _submit_once(self, job: Job) -> bool:
        try:
            self._ask(
                lambda: self._client.submit_job(
                    entrypoint=entrypoint(job),
                    submission_id=job.job_id,
                    runtime_env={"env_vars": _driver_environment()},
                    metadata={"kind": job.kind, "data": job.data},
                )
            )
        except CommandRejected as error:
            if "already exists" in error.message:
                return False  # submitted by somebody else at this moment
            raise
        return True

    def _has_begun(self, job_id: str) -> bool:
        """Wait until a resubmitted job works; return False when Ray took it for the old one."""
        give_up_at_s = self._now_s() + _START_S_MAX
        while (known := self._known(job_id)).state == "PENDING":
            if self._now_s() > give_up_at_s:
                return True  # it waits for a place; Ray will begin it
            self._sleep(_LOOK_S)
        return known.error_type not in _TAKEN_FOR_THE_OLD_ONE

    def _ask(self, question: Callable[[], T]) -> T:
        with _told(self._address):
            return question()


def connect_jobs(address: str, switches: Mapping[str, str]) -> RayJobs:
    """Return the jobs of the cluster whose dashboard is at `address`.

    Args:
        address: `http://host:port`.
        switches: what the cluster wants to be asked with (`ray_host.credentials`); empty: what the
            environment says.

    Raises:
        Unavailable: nothing answers there.
    """
    # Ray takes the address from its environment variables first, whatever it is given.
    os.environ.update({**switches, "RAY_API_SERVER_ADDRESS": address})
    from ray.job_submission import JobSubmissionClient  # after its switches are set

    # It tells of every socket that it closes.
    logging.getLogger(JobSubmissionClient.__module__).setLevel(logging.WARNING)
    with _told(address):
        return RayJobs(JobSubmissionClient(address), address)


def entrypoint(job: Job) -> str:
    """Return the command that does a job, for a shell."""
    command = (sys.executable, "-m", "cluster.jobs.run", job.kind, "--data", job.data)
    return shlex.join([*command, "--", *job.arguments])


def _driver_environment() -> dict[str, str]:
    return {
        "PYTHONPATH": ray_host.python_path(),
        # Read by what starts the driver: so long it has to write into the log that it was stopped.
        "RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_GRACE_S),
    }


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Say in one line what Ray's client reports in its own ways.

    Raises:
        Unavailable: the cluster cannot be reached.
        CommandRejected: it does not take what it is asked.
    """
    from ray.exceptions import AuthenticationError

    try:
        yield
    except OSError as error:
        raise Unavailable(f"no Ray answers at {address}; is its dashboard on?") from error
    except AuthenticationError as error:
        raise CommandRejected(
            f"Ray at {address} wants another token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from error
    except RuntimeError as error:  # its only word for a refusal
        lines = [line for line in str(error).splitlines() if any(map(str.isalnum, line))]
        raise CommandRejected(f"Ray at {address}: {lines[-1] if lines else error!r}") from error


def _submission(details: Any) -> Submission:
    return Submission(
        job_id=details.submission_id,
        state=details.status.value,
        message=(details.message or "").strip(),
        error_type=details.error_type or "",
        started_at_s=(details.start_time or 0) / 1000,
        ended_at_s=(details.end_time or 0) / 1000,
    )
