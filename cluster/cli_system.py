"""`mirix down | status | doctor`: a system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cluster.cli_output import (
    INTERACTIVE_S,
    AsJson,
    Data,
    counted,
    out,
    reached,
    run,
    show_json,
    table,
)
from cluster.cli_up import up
from events.errors import Unavailable

if TYPE_CHECKING:
    from cluster.data_dir import SystemRecord


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (up, down, status, doctor):
        app.command()(command)


def down(data: Data = None, as_json: AsJson = False) -> None:
    """Stop a system and see that nothing of it is left.

    Example: `mirix down --data ~/memory`

    Also cleans up after one whose supervisor was killed.
    """
    from cluster.data_dir import DataDir
    from cluster.lifecycle import stop_system
    from cluster.settings import from_environment

    settings = from_environment(data)
    report = stop_system(DataDir(settings.data_dir), timeout_s=settings.stop_timeout_s)
    if as_json:
        show_json(report)
    elif report.was_running:
        left = counted(len(report.left), "process")
        out.print(f"stopped the system of pid {report.pid}; {left} left")
    elif report.cleaned:
        ended = counted(len(report.cleaned), "process")
        out.print(f"its supervisor was gone; ended {ended} that it had left")
    else:
        out.print(f"nothing runs on {settings.data_dir}")
    if report.left:
        pids = ", ".join(str(record.pid) for record in report.left)
        raise Unavailable(f"these processes cannot be ended: {pids}")


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Show whether a system runs, and how far each agent is. Exit status 1 when none is ready.

    Example: `mirix status --json`
    """
    from cluster.data_dir import DataDir
    from cluster.presence import running_system
    from cluster.settings import from_environment

    settings = from_environment(data)
    record = running_system(DataDir(settings.data_dir))
    shown = run(_status(settings.data_dir, record))
    if as_json:
        show_json(shown)
    else:
        _show_status(shown)
    if record.state != "ready":
        raise Unavailable(f"the system is {record.state}")


async def _status(data_dir: Path, record: SystemRecord) -> dict[str, Any]:
    from cluster.api_client import ApiClient
    from cluster.operator_key import local_operator_key
    from cluster.presence import resident_mb, uptime_s

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
        client = ApiClient(record.url, local_operator_key(data_dir), patience_s=INTERACTIVE_S)
        async with reached(client):
            shown |= await client.status()
    return shown


def _show_status(shown: dict[str, Any]) -> None:
    processes = counted(shown["processes"], "process")
    out.print(
        f"[bold]{shown['state']}[/bold]  {shown['url']}  pid {shown['pid']}, up "
        f"{shown['uptime_s']:.0f} s, {processes}, {shown['memory_mb']:.0f} MB"
    )
    agents = table("shard", "agent", "alive", "position", "behind", "open", "parked")
    for agent in shown.get("agents", ()):
        alive = "yes" if agent["alive"] else "[red]no[/red]"
        numbers = (str(agent[key]) for key in ("through", "lag", "open", "parked"))
        agents.add_row(str(agent["shard"]), agent["agent"], alive, *numbers)
    if shown.get("agents"):
        out.print(agents)


def doctor(
    data: Data = None,
    reach: Annotated[
        bool, typer.Option("--reach", help="Also ask the providers of models which they have.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine (and the system, when one runs): what is missing, and how to get it.

    Examples: `mirix doctor --json` · `mirix doctor --reach`
    """
    from cluster import doctor as doctor_checks
    from cluster.settings import from_environment

    findings = doctor_checks.examine(from_environment(data), reach=reach)
    if as_json:
        show_json(findings)
    else:
        marks = {"ok": "[green]ok[/green]", "warning": "[yellow]!![/yellow]"}
        rows = table("", "what", "found", "what to do")
        for finding in findings:
            mark = marks.get(finding.level, "[red]missing[/red]")
            rows.add_row(mark, *map(escape, (finding.what, finding.found, finding.remedy)))
        out.print(rows)
    missing = [finding.what for finding in findings if finding.level == "missing"]
    if missing:
        raise Unavailable(f"required and not there: {', '.join(missing)}")
