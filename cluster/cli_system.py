"""`mirix up | down | status | doctor`: a system on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from actors.logs import configure_logs
from cluster import doctor as doctor_checks
from cluster import processes
from cluster.api_client import ApiClient
from cluster.cli_output import AsJson, Data, err, out, run, show_json, table
from cluster.data_dir import DataDir, SystemRecord
from cluster.lifecycle import start_detached, stop_system
from cluster.operator_key import local_operator_key
from cluster.settings import Settings, from_environment
from cluster.system import Progress, resident_mb, run_system, uptime_s
from events.errors import CommandRejected, MirixError, Unavailable

Port = Annotated[int | None, typer.Option("--port", help="Port of the HTTP API (default 47283).")]
Detach = Annotated[bool, typer.Option("--detach", help="Return when ready; run in the background.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (up, down, status, doctor):
        app.command()(command)


def up(
    data: Data = None, port: Port = None, detach: Detach = False, as_json: AsJson = False
) -> None:
    """Start a system: log, nine agents, HTTP API, all in one directory.

    Examples: `mirix up` · `mirix up --data ~/memory --port 8080 --detach`

    The first start prints the service key for your assistant, once. Ctrl-C stops the system.
    """
    settings = from_environment(data, port=port)
    if detach:
        _up_detached(settings, as_json)
        return
    try:
        configure_logs(settings.log_level, part="supervisor")
        run(run_system(settings, _tell_json if as_json else _tell))
    except MirixError as error:
        if as_json:
            show_json(Progress(step="failed", error=error.message))
        raise


def _up_detached(settings: Settings, as_json: bool) -> None:
    directory = DataDir(settings.data_dir)
    if directory.is_locked():
        raise CommandRejected(directory.already_running())

    def relay(line: bytes) -> bool:
        try:
            progress = msgspec.json.decode(line, type=Progress)
        except msgspec.MsgspecError:
            return False  # something of a library's that is not ours to show
        if progress.error:
            raise Unavailable(progress.error)
        (_tell_json if as_json else _tell)(progress)
        return progress.step == "ready"

    arguments = ["--data", str(settings.data_dir), "--port", str(settings.port)]
    start_detached(directory, arguments, relay)


def _tell_json(progress: Progress) -> None:
    show_json(progress)


def _tell(progress: Progress) -> None:
    if progress.step == "ready":
        told = f"ready after {progress.seconds} s: [bold]{progress.url}[/bold] (pid {progress.pid})"
        out.print(told, highlight=False, soft_wrap=True)
        return
    err.print(f"{progress.seconds:6.1f} s  {progress.step}", highlight=False)
    if progress.bootstrap_key:
        sys.stdout.write(f"{progress.bootstrap_key}\n")
        sys.stdout.flush()


def down(data: Data = None, as_json: AsJson = False) -> None:
    """Stop a system and see that nothing of it is left.

    Example: `mirix down --data ~/memory`

    Also cleans up after one whose supervisor was killed.
    """
    settings = from_environment(data)
    report = stop_system(DataDir(settings.data_dir), timeout_s=settings.stop_timeout_s)
    if as_json:
        show_json(report)
    elif report.was_running:
        out.print(f"stopped the system of pid {report.pid}; {len(report.left)} processes left")
    elif report.cleaned:
        out.print(f"its supervisor was gone; ended {len(report.cleaned)} processes that were left")
    else:
        out.print(f"nothing runs on {settings.data_dir}")
    if report.left:
        pids = ", ".join(str(record.pid) for record in report.left)
        raise Unavailable(f"these processes cannot be ended: {pids}")


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Show whether a system runs, and how far each agent is. Exit status 1 when none is ready.

    Example: `mirix status --json`
    """
    settings = from_environment(data)
    record = DataDir(settings.data_dir).read_system()
    if record is None or processes.find(record.supervisor) is None:
        raise Unavailable(f"no system runs on {settings.data_dir}")
    shown = run(_status(settings.data_dir, record))
    if as_json:
        show_json(shown)
    else:
        _show_status(shown)
    if record.state != "ready":
        raise Unavailable(f"the system is {record.state}")


async def _status(data_dir: Path, record: SystemRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "data": str(data_dir),
        "state": record.state,
        "url": record.url,
        "pid": record.supervisor.pid,
        "uptime_s": uptime_s(record),
        "processes": len(record.processes) + 1,
        "memory_mb": resident_mb(record),
    }
    if record.state == "ready":
        async with ApiClient(record.url, local_operator_key(data_dir), attempts=2) as client:
            shown |= await client.status()
    return shown


def _show_status(shown: dict[str, Any]) -> None:
    out.print(
        f"[bold]{shown['state']}[/bold]  {shown['url']}  pid {shown['pid']}, up "
        f"{shown['uptime_s']:.0f} s, {shown['processes']} processes, {shown['memory_mb']:.0f} MB"
    )
    agents = table("shard", "agent", "alive", "position", "behind", "parked")
    for agent in shown.get("agents", ()):
        alive = "yes" if agent["alive"] else "[red]no[/red]"
        numbers = (str(agent[key]) for key in ("through", "lag", "parked"))
        agents.add_row(str(agent["shard"]), agent["agent"], alive, *numbers)
    if shown.get("agents"):
        out.print(agents)


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Check this machine (and the system, when one runs): what is missing, and how to get it.

    Example: `mirix doctor --json`
    """
    findings = doctor_checks.examine(from_environment(data))
    if as_json:
        show_json(findings)
    else:
        marks = {"ok": "[green]ok[/green]", "warning": "[yellow]!![/yellow]"}
        rows = table("", "what", "found", "what to do")
        for finding in findings:
            mark = marks.get(finding.level, "[red]missing[/red]")
            rows.add_row(mark, finding.what, finding.found, finding.remedy)
        out.print(rows)
    missing = [finding.what for finding in findings if finding.level == "missing"]
    if missing:
        raise Unavailable(f"required and not there: {', '.join(missing)}")
