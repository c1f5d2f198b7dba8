"""How jobs stand: what the log says of them, and what Ray says, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from cluster.jobs.submission import Submission
from cluster.jobs.work import STOPPED, History, Result
from events.memory import Value

#: `starting`: Ray has it, the log not yet. `lost`: its driver is gone and could not say so.
Standing = Literal["starting", "running", "lost", "failed", "stopped", "succeeded"]
#: What Ray says of one that ended before the log heard of it; else it failed.
_ENDED_UNHEARD: Mapping[str, Standing] = {"SUCCEEDED": "succeeded", "STOPPED": "stopped"}


class JobView(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One job. `ray` is Ray's word for it; empty when it does not know it."""

    job_id: str
    kind: str
    state: Standing
    arguments: tuple[str, ...] = ()
    attempt: int = 0
    done: int = 0
    total: int = 0
    ray: str = ""
    result: Result = {}
    error: str = ""


def view_of(job_id: str, history: History, submission: Submission | None) -> JobView:
    """Return how one job stands. At least one of log and Ray knows it."""
    return JobView(
        job_id=job_id,
        kind=history.kind or job_id.rpartition("_")[0],
        state=_standing(history, submission),
        arguments=history.arguments,
        attempt=history.attempt,
        done=len(history.done),
        total=history.total,
        ray=submission.state if submission is not None else "",
        result=history.result,
        error=history.error or _complaint(history, submission),
    )


def views(histories: Mapping[str, History], submissions: Iterable[Submission]) -> list[JobView]:
    """Return how all jobs stand: those of the log in its order, then those that only Ray knows."""
    by_id = {one.job_id: one for one in submissions}
    known = [view_of(job_id, one, by_id.get(job_id)) for job_id, one in histories.items()]
    fresh = [
        view_of(job_id, History(), one) for job_id, one in by_id.items() if job_id not in histories
    ]
    return known + fresh


def _standing(history: History, submission: Submission | None) -> Standing:
    ray = submission.state if submission is not None else ""
    if history.state in ("new", "succeeded", "failed") and ray in ("PENDING", "RUNNING"):
        return "starting"
    match history.state:
        case "new":
            return _ENDED_UNHEARD.get(ray, "failed")
        case "running":
            return "lost" if submission is not None and submission.has_ended else "running"
        case "failed":
            return "stopped" if history.error == STOPPED else "failed"
        case "succeeded":
            return "succeeded"


def _complaint(history: History, submission: Submission | None) -> str:
    """Return the last line of what Ray says of a job of which the log does not say enough."""
    if history.state not in ("new", "running") or submission is None:
        return ""
    lines = submission.message.splitlines()
    return lines[-1] if lines and submission.state == "FAILED" else ""
