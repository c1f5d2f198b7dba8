"""Jobs on Ray: submitted once, again when they are lost; how they stand is put together."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.job_submission import JobStatus, JobSubmissionClient

from cluster.jobs.listing import view_of, views
from cluster.jobs.submission import RayJobs, Submission, entrypoint
from cluster.jobs.work import History, Job
from events.errors import CommandRejected, NotFound, Unavailable

JOB = Job(kind="verify", data="/data of mine", arguments=("--to=3",))


class Table:
    """Ray's table of jobs, as its client shows it; time passes only when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.jobs: dict[str, SimpleNamespace] = {}
        self.submitted: list[dict[str, Any]] = []
        self.refuses = ""
        #: Seconds after an end in which Ray takes a new job for the old one.
        self.mistaken_s = 0.0
        self._ended_at_s = -1000.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for job in self.jobs.values():
            if job.status == JobStatus.PENDING:
                mistaken = self.now_s < self._ended_at_s + self.mistaken_s
                job.status = JobStatus.FAILED if mistaken else JobStatus.RUNNING
                job.error_type = "JOB_SUPERVISOR_ACTOR_DIED" if mistaken else None
                job.end_time = self.now_s * 1000 if mistaken else None

    def end(self, job_id: str, status: JobStatus) -> None:
        job = self.jobs[job_id]
        job.status, job.end_time = status, self.now_s * 1000
        self._ended_at_s = self.now_s

    def list_jobs(self) -> list[SimpleNamespace]:
        return list(self.jobs.values())

    def submit_job(self, **job: Any) -> str:
        if self.refuses:
            raise RuntimeError(self.refuses)
        self.submitted.append(job)
        self.jobs[job["submission_id"]] = SimpleNamespace(
            submission_id=job["submission_id"],
            status=JobStatus.PENDING,
            message="",
            error_type=None,
            start_time=self.now_s * 1000,
            end_time=None,
        )
        return str(job["submission_id"])

    def delete_job(self, job_id: str) -> bool:
        del self.jobs[job_id]
        return True

    def stop_job(self, job_id: str) -> bool:
        self.end(job_id, JobStatus.STOPPED)
        return True


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def jobs(table: Table) -> RayJobs:
    client = cast(JobSubmissionClient, table)
    return RayJobs(client, "http://ray", now_s=lambda: table.now_s, sleep=table.sleep)


def test_job_is_submitted_under_its_own_id(jobs: RayJobs, table: Table) -> None:
    """With a command that any shell understands."""
    assert jobs.submit(JOB)
    (submitted,) = table.submitted
    assert submitted["submission_id"] == JOB.job_id
    words = shlex.split(submitted["entrypoint"])
    assert words[1:] == ["-m", "cluster.jobs.run", "verify", "--data", JOB.data, "--", "--to=3"]
    assert submitted["entrypoint"] == entrypoint(JOB)


def test_running_job_is_not_submitted_again(jobs: RayJobs, table: Table) -> None:
    """Neither while it waits for its driver, nor while it works."""
    jobs.submit(JOB)
    assert not jobs.submit(JOB)
    table.sleep(1)
    assert not jobs.submit(JOB)
    assert len(table.submitted) == 1


def test_job_is_not_submitted_when_somebody_else_just_did(jobs: RayJobs, table: Table) -> None:
    """Ray takes an id once; whose submission it was does not matter."""
    table.refuses = "Request failed with status code 500: ... Job with id x already exists. Use ..."
    assert not jobs.submit(JOB)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED, JobStatus.SUCCEEDED])
def test_ended_job_is_submitted_again_once_ray_is_done_with_it(
    jobs: RayJobs, table: Table, status: JobStatus
) -> None:
    """Ray looks at an ended job for a moment longer; a new one waits for that."""
    table.mistaken_s = 2.0
    jobs.submit(JOB)
    table.sleep(1)
    table.end(JOB.job_id, status)
    assert jobs.submit(JOB)
    assert len(table.submitted) == 2
    assert table.jobs[JOB.job_id].status == JobStatus.RUNNING


def test_job_is_submitted_once_more_when_ray_took_it_for_the_old_one(
    jobs: RayJobs, table: Table
) -> None:
    """A slow Ray ends the new one by mistake: it is told by the kind of its failure."""
    table.mistaken_s = 4.0
    jobs.submit(JOB)
    table.sleep(1)
    table.end(JOB.job_id, JobStatus.FAILED)
    assert jobs.submit(JOB)
    assert len(table.submitted) > 2
    assert table.jobs[JOB.job_id].status == JobStatus.RUNNING


def test_submission_is_given_up_when_ray_never_begins_it(jobs: RayJobs, table: Table) -> None:
    """After some attempts, with a line that says so."""
    table.mistaken_s = 1e6
    jobs.submit(JOB)
    table.end(JOB.job_id, JobStatus.FAILED)
    with pytest.raises(Unavailable, match="did not begin"):
        jobs.submit(JOB)


def test_refusal_of_ray_is_one_line(jobs: RayJobs, table: Table) -> None:
    """Its client tells a traceback of the server; the last line of it says what is wrong."""
    table.refuses = "Request failed with status code 500: Traceback:\n  File x\nValueError: no\n."
    with pytest.raises(CommandRejected) as refusal:
        jobs.submit(JOB)
    assert "\n" not in refusal.value.message
    assert "ValueError: no" in refusal.value.message


def test_stop_ends_what_runs_and_nothing_else(jobs: RayJobs, table: Table) -> None:
    """An unknown job and one that has ended are told apart from one that was stopped."""
    with pytest.raises(NotFound, match="mirix job list"):
        jobs.stop(JOB.job_id)
    jobs.submit(JOB)
    table.sleep(1)
    assert jobs.stop(JOB.job_id).state == "STOPPED"
    with pytest.raises(CommandRejected, match="not running: it is stopped"):
        jobs.stop(JOB.job_id)


@pytest.mark.parametrize(
    ("logged", "ray", "standing"),
    [
        ("new", "PENDING", "starting"),
        ("new", "FAILED", "failed"),
        ("running", "RUNNING", "running"),
        ("running", "", "running"),
        ("running", "FAILED", "lost"),
        ("failed", "FAILED", "failed"),
        ("failed", "PENDING", "starting"),
        ("succeeded", "SUCCEEDED", "succeeded"),
        ("succeeded", "", "succeeded"),
        ("succeeded", "PENDING", "starting"),
    ],
)
def test_how_a_job_stands_is_what_log_and_ray_say_together(
    logged: Any, ray: Any, standing: str
) -> None:
    """A driver that is gone without a word in the log is lost; what the log knows, it knows."""
    history = History(kind="verify", attempt=0 if logged == "new" else 1, state=logged)
    submission = Submission(job_id="verify_x", state=ray) if ray else None
    assert view_of("verify_x", history, submission).state == standing


def test_list_shows_what_only_ray_knows(jobs: RayJobs, table: Table) -> None:
    """A job that failed before it could write anything is in the list, with Ray's reason."""
    jobs.submit(JOB)
    table.end(JOB.job_id, JobStatus.FAILED)
    table.jobs[JOB.job_id].message = "Traceback\nNo module named cluster"
    logged = History(kind="rebuild", attempt=1, state="succeeded", submitted=4)
    first, second = views({"rebuild_x": logged}, jobs.all())
    assert (first.job_id, first.state, first.ray) == ("rebuild_x", "succeeded", "")
    assert (second.kind, second.state) == ("verify", "failed")
    assert second.error == "No module named cluster"
