"""`mirix job submit | list | status | logs | stop`: long work, on Ray or in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    WrongUse,
    err,
    out,
    quiet_logs,
    run,
    show_json,
    table,
)
from events.errors import CommandRejected, NotFound, Unavailable

if TYPE_CHECKING:
    from cluster.jobs.listing import JobView
    from cluster.jobs.submission import RayJobs
    from cluster.jobs.work import History, Job

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Dashboard of another Ray cluster, e.g. http://127.0.0.1:8265 (default: the system's"
        " own, else RAY_ADDRESS).",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The id that `submit` told.")]

job_app = typer.Typer(help="Long work as jobs: resumed where they were lost.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    job_app.command("submit")(submit)
    job_app.command("list")(list_jobs)
    job_app.command("status")(status)
    job_app.command("logs")(logs)
    job_app.command("stop")(stop)
    app.add_typer(job_app, name="job", no_args_is_help=True)


def submit(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="rebuild, replay, verify, eval, export, backup, restore, consolidate or"
            " train-ranker.",
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- ARGS", help="What the kind of job takes, behind `--`."),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Here, without Ray.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it to its end; exit 1 when it fails.")
    ] = False,
    address: Address = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job. The same job is not done twice at once, and goes on where it was lost.

    Examples: `mirix job submit verify --wait` · `mirix job submit rebuild -- --projection semantic`
    · `mirix job submit eval --local -- locomo locomo10.json`
    """
    job = _checked(kind, data, arguments or [])
    if local and address is not None:
        raise WrongUse("--local runs here, --address names a cluster: one of them is enough")
    if local:
        _do_here(job, as_json)
        return
    jobs = _jobs(data, address)
    earlier = _attempts(jobs, job.job_id) if wait else 0
    submitted = jobs.submit(job)
    if not wait:
        if as_json:
            show_json({"job_id": job.job_id, "submitted": submitted})
        elif submitted:
            out.print(f"submitted {job.job_id}; `mirix job logs {job.job_id} --follow` shows it")
        else:
            out.print(f"{job.job_id} is running already; nothing was submitted")
        return
    if not submitted:
        err.print(f"{job.job_id} is running already", highlight=False)
        earlier -= 1  # the last that has begun is the one that is followed
    asyncio.run(_follow_attempt(jobs, job.job_id, earlier))
    jobs.wait(job.job_id, LONG_WORK_S)  # the connection that it was followed on may have broken
    _show_ended(_standing(data, jobs, job.job_id), as_json)


def _checked(name: str, data: Path | None, arguments: list[str]) -> Job:
    """Return the job, once everything that can be wrong with its arguments is known not to be."""
    from cluster.jobs.kinds import kind_of, place_of
    from cluster.settings import from_environment

    kind = kind_of(name)
    settings = from_environment(data)
    options = kind.options(arguments)
    place = place_of(kind, settings.data_dir)  # told now, not by a job that fails
    try:
        kind.check(place.directory, options)
    except CommandRejected as error:
        raise WrongUse(f"{name}: {error.message}") from error
    return kind.job(settings.data_dir, arguments)


def _do_here(job: Job, as_json: bool) -> None:
    from cluster.jobs.run import until_signal

    def tell(line: str) -> None:
        err.print(line, markup=False, highlight=False)

    tell(job.job_id)
    result = run(until_signal(job, ray="", tell=tell))
    if as_json:
        show_json({"job_id": job.job_id, "state": "succeeded", "result": result})
    else:
        _show_result(result)


def list_jobs(address: Address = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show the jobs that the log knows, and those that Ray has.

    Example: `mirix job list --json`
    """
    from cluster.jobs.listing import views

    jobs = _jobs_seen(data, address)
    shown = views(_histories(data), jobs.all() if jobs is not None else [])
    if as_json:
        show_json(shown)
        return
    rows = table("job", "kind", "state", "units", "attempt", "Ray")
    for one in shown:
        units = f"{one.done} of {one.total}" if one.total else ""
        rows.add_row(one.job_id, one.kind, one.state, units, str(one.attempt), one.ray)
    out.print(rows)


def status(
    job_id: JobId, address: Address = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Show how one job stands, and what came of it.

    Example: `mirix job status verify_abc --json`
    """
    view = _standing(data, _jobs_seen(data, address), job_id)
    if as_json:
        show_json(view)
        return
    units = f", {view.done} of {view.total} units done" if view.total else ""
    out.print(f"[bold]{view.state}[/bold]  {job_id}  attempt {view.attempt}{units}")
    if view.error:
        out.print(view.error, markup=False, highlight=False)
    if view.result:
        _show_result(view.result)


def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on to its end.")] = False,
    address: Address = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what a job wrote on its Ray cluster.

    Examples: `mirix job logs verify_abc` · `mirix job logs verify_abc --follow`
    """
    jobs = _jobs(data, address)
    try:
        if follow:
            asyncio.run(_follow(jobs, job_id, _as_json if as_json else _as_text))
            return
        text = jobs.logs(job_id)
    except NotFound as error:
        raise WrongUse(error.message) from error
    (_as_json if as_json else _as_text)(text)


def stop(
    job_id: JobId, address: Address = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Stop a job that runs on Ray; submitted again, it goes on where it was.

    Example: `mirix job stop rebuild_abc`
    """
    jobs = _jobs(data, address)
    try:
        ended = jobs.stop(job_id)
    except CommandRejected as error:
        raise WrongUse(error.message) from error
    if as_json:
        show_json({"job_id": job_id, "state": ended.state.lower()})
    else:
        out.print(f"{job_id} is {ended.state.lower()}")


def _attempts(jobs: RayJobs, job_id: str) -> int:
    """Return how many attempts at a job Ray has the lines of."""
    from cluster.cli_jobs_show import attempts_in

    return attempts_in(jobs.logs(job_id), job_id) if jobs.find(job_id) is not None else 0


async def _follow_attempt(jobs: RayJobs, job_id: str, earlier: int) -> None:
    from cluster.cli_jobs_show import told_by

    async for line in told_by(jobs.follow(job_id), job_id, earlier):
        err.print(line, markup=False, highlight=False, soft_wrap=True)


def _show_result(result: Mapping[str, Any]) -> None:
    from cluster.cli_jobs_show import result_table

    out.print(result_table(result))


async def _follow(jobs: RayJobs, job_id: str, write: Callable[[str], object]) -> None:
    async for text in jobs.follow(job_id):
        write(text)


def _as_text(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _as_json(text: str) -> None:
    for line in text.splitlines():
        show_json({"line": line})


def _show_ended(view: JobView, as_json: bool) -> None:
    if as_json:
        show_json(view)
    elif view.result:
        _show_result(view.result)
    if view.state != "succeeded":
        raise Unavailable(f"{view.job_id} {view.state}: {view.error or 'see its logs'}")


def _standing(data: Path | None, jobs: RayJobs | None, job_id: str) -> JobView:
    from cluster.jobs.listing import view_of
    from cluster.jobs.work import History

    history = _histories(data).get(job_id, History())
    submission = jobs.find(job_id) if jobs is not None else None
    if not history.attempt and submission is None:
        raise WrongUse(f"there is no job {job_id}; `mirix job list` shows those there are")
    return view_of(job_id, history, submission)


def _histories(data: Path | None) -> dict[str, History]:
    """Return what the log of the running system says of jobs; nothing when none runs."""
    from cluster.data_dir import DataDir
    from cluster.jobs.journal import histories
    from cluster.jobs.run import open_journal
    from cluster.jobs.work import Place
    from cluster.presence import ready_system
    from cluster.settings import from_environment

    settings = from_environment(data)
    try:
        record = ready_system(DataDir(settings.data_dir))
    except Unavailable:
        return {}

    async def read() -> dict[str, History]:
        async with open_journal(Place(settings=settings, record=record)) as journal:
            return await histories(journal)

    return run(read())


def _jobs_seen(data: Path | None, address: str | None) -> RayJobs | None:
    """Return the jobs of the cluster that is meant; without the system's own, the log must do."""
    try:
        return _jobs_if_any(data, address)
    except Unavailable as error:
        if address is not None:
            raise
        err.print(f"{error.message} This is what the log says.", markup=False, highlight=False)
        return None


def _jobs_if_any(data: Path | None, address: str | None) -> RayJobs | None:
    """Return the jobs of the cluster that is meant, or None when none is."""
    from cluster.data_dir import DataDir
    from cluster.jobs.submission import connect_jobs
    from cluster.presence import ready_system
    from cluster.ray_host import credentials
    from cluster.settings import from_environment, ray_address

    quiet_logs()
    if address is not None:
        if not address.startswith(("http://", "https://")):
            raise WrongUse(f"{address!r} is no address; expected e.g. http://127.0.0.1:8265")
        return connect_jobs(address, {})
    directory = DataDir(from_environment(data).data_dir)
    try:
        own = ready_system(directory).ray_dashboard_url
    except Unavailable:
        own = ""
    if own:
        return connect_jobs(own, credentials(directory))
    elsewhere = ray_address()
    return connect_jobs(elsewhere, {}) if elsewhere.startswith("http") else None


def _jobs(data: Path | None, address: str | None) -> RayJobs:
    from cluster.settings import from_environment

    jobs = _jobs_if_any(data, address)
    if jobs is None:
        raise Unavailable(
            f"no system runs on {from_environment(data).data_dir}; start one with `mirix up`, name"
            " a Ray cluster with --address, or run the job here with --local"
        )
    return jobs
