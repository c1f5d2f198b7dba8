"""`mirix consolidate | memory restore`: put memories in order, look at it, take it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_options import Tiers
from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    Url,
    User,
    WrongUse,
    err,
    of_user,
    open_client,
    out,
    reached,
    refusal_is_wrong_use,
    run,
    show_json,
    table,
)
from cluster.cli_past import MemoryId
from events.memory import TIERS

if TYPE_CHECKING:
    from cluster.api_client_past import PastClient

ConsolidationId = Annotated[
    str, typer.Argument(metavar="ID", help="As `mirix consolidate` tells it (con_...).")
]

consolidations = typer.Typer()
memories = typer.Typer(help="Change a single memory.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.add_typer(consolidations, name="consolidate")
    app.add_typer(memories, name="memory")


@consolidations.callback(invoke_without_command=True)
def consolidate(
    context: typer.Context,
    user: User = "default",
    everybody: Annotated[
        bool, typer.Option("--all", help="Everybody of the system here, as a job.")
    ] = False,
    tiers: Tiers = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done; change nothing.")
    ] = False,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Put memories in order: merge what is said twice, end what is contradicted, let fade the rest.

    Each step is shown with its reason, and can be undone.

    Examples: `mirix consolidate --user alice --dry-run` · `mirix consolidate --all` ·
    `mirix consolidate undo con_abc --user alice`
    """
    if context.invoked_subcommand is not None:
        return
    if everybody:
        _consolidate_all(data, url, tiers or [], dry_run, as_json)
        return
    client = open_client(data, url, patience_s=LONG_WORK_S)
    body = {"user_id": user, "tiers": tiers or list(TIERS), "dry_run": dry_run}
    with refusal_is_wrong_use():
        found = run(_sent(client, "/memory/consolidate", body=body))
    _show(found, user, as_json)


@consolidations.command()
def show(
    consolidation_id: ConsolidationId,
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what a consolidation did.

    Example: `mirix consolidate show con_abc --user alice`
    """
    client = open_client(data, url)
    path = f"/memory/consolidate/{consolidation_id}"
    with refusal_is_wrong_use():
        _show(run(_sent(client, path, method="GET", user=user)), user, as_json)


@consolidations.command()
def undo(
    consolidation_id: ConsolidationId,
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take back each step of a consolidation that still stands; what was changed since stays.

    Example: `mirix consolidate undo con_abc --user alice`
    """
    client = open_client(data, url, patience_s=LONG_WORK_S)
    path = f"/memory/consolidate/{consolidation_id}/undo"
    with refusal_is_wrong_use():
        found = run(_sent(client, path, user=user))
    if as_json:
        show_json(found)
        return
    rows = table("tier", "step", "memory", "")
    for step in found["steps"]:
        told = "undone" if step["undone"] else f"left: {step['why']}"
        rows.add_row(step["tier"], step["change"], step["memory_id"], told)
    out.print(rows if found["steps"] else "there was nothing to undo")


@memories.command()
def restore(
    memory_id: MemoryId,
    user: User = "default",
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a superseded, merged or faded memory hold again.

    Example: `mirix memory restore mem_abc --user alice`
    """
    client = open_client(data, url)
    with refusal_is_wrong_use():
        found = run(_restored(client, memory_id, user))
    if as_json:
        show_json(found)
    else:
        out.print(f"{found['id']} holds again", highlight=False)


async def _restored(client: PastClient, memory_id: str, user: str) -> dict[str, Any]:
    async with reached(client):
        tier = await client.tier_of(memory_id, user_id=user)
        return await client.send(
            "POST", f"/memory/{tier}/{memory_id}/restore", params={"user_id": user}
        )


async def _sent(
    client: PastClient, path: str, *, method: str = "POST", user: str = "", body: Any = None
) -> dict[str, Any]:
    async with reached(client):
        return await client.send(method, path, params={"user_id": user} if user else {}, body=body)


def _consolidate_all(
    data: Path | None, url: str | None, tiers: list[str], dry_run: bool, as_json: bool
) -> None:
    """Do the job `consolidate` here."""
    if url is not None:
        raise WrongUse("--all works on the system of a data directory, not behind --url")
    if len(tiers) > 1:
        raise WrongUse("--all takes one --tier, or none for all of them")
    from cluster.jobs.kinds import kind_of
    from cluster.jobs.run import until_signal
    from cluster.settings import from_environment

    arguments = [f"--tier={tier}" for tier in tiers] + (["--dry-run=yes"] if dry_run else [])
    job = kind_of("consolidate").job(from_environment(data).data_dir, arguments)

    def tell(line: str) -> None:
        err.print(line, markup=False, highlight=False)

    result = run(until_signal(job, ray="", tell=tell))
    if as_json:
        show_json({"job_id": job.job_id, "result": result})
        return
    rows = table("step", "times")
    for change, times in sorted(result["steps"].items()):
        rows.add_row(change, str(times))
    out.print(rows if result["steps"] else "everything is in order")
    told = f"{result['looked_at']} memories of {result['people']} people looked at"
    err.print(told, style="dim", highlight=False)


def _show(found: dict[str, Any], user: str, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    from rich.text import Text

    rows = table("tier", "step", "memory", "into", "why")
    for tier in found["tiers"]:
        for step in tier["steps"]:
            ids = ", ".join(step["memory_ids"])
            rows.add_row(tier["tier"], step["change"], ids, step["into"], Text(step["reason"]))
    looked_at = sum(tier["looked_at"] for tier in found["tiers"])
    if rows.row_count:
        out.print(rows)
    elif looked_at:
        out.print("everything is in order")
    else:
        out.print(f"nothing to put in order {of_user(user)}", markup=False, highlight=False)
    kind = "would be done" if found["dry_run"] else "was done"
    told = f"{found['consolidation_id']}: looked at {looked_at}; this {kind}"
    if found["pending"]:
        told += f"; not yet heard of: {', '.join(found['pending'])}"
    err.print(told, style="dim", highlight=False)
