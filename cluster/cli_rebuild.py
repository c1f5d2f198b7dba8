"""`mirix rebuild`, `mirix verify`: what the agents hold, against what the log says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_options import Projection
from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    WrongUse,
    counted,
    open_client,
    out,
    position_bar,
    reached,
    run,
    show_json,
    system_here,
    table,
)
from events.errors import MirixError, NotFound

if TYPE_CHECKING:
    from actors.rebuilding import Comparison
    from actors.verifying import Verdict
    from cluster.rebuilding import Rebuilt


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(rebuild)
    app.command()(verify)


def rebuild(
    projection: Projection = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare only; replace nothing.")
    ] = False,
    roll_back: Annotated[
        bool,
        typer.Option(
            "--roll-back", help="Put back what the last rebuild replaced; again: no further."
        ),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Build projections anew from the log, beside the live ones, and put them in their place.

    Examples: `mirix rebuild` · `mirix rebuild --projection semantic --dry-run --json` ·
    `mirix rebuild --projection semantic --roll-back`

    Old and new state are compared at the same position; reads and writes go on all the time. The
    log is the truth: a state that differed is replaced like the others, and the exit status is 1.
    What was replaced is kept for `--roll-back` until the next rebuild, one state back.

    A program with a newer version of a projection rebuilds it by itself when it starts. To have
    that start quick, run its `mirix rebuild` first, beside the older system: the new version
    cannot replace the old one in there, and is left as a snapshot for the start.
    """
    if dry_run and roll_back:
        raise WrongUse("--dry-run and --roll-back do not go together")
    if roll_back:
        _show_rolled_back(run(_roll_back(data, projection)), as_json)
    else:
        _show_rebuilt(run(_rebuild(data, projection, dry_run)), as_json)


async def _rebuild(data: Path | None, projection: str | None, dry_run: bool) -> list[Rebuilt]:
    from cluster.rebuilding import ends, rebuild_shard

    directory, record = system_here(data)
    done: list[Rebuilt] = []
    async with reached(open_client(data, None, patience_s=LONG_WORK_S)) as client:
        for shard, end in sorted((await ends(client)).items()):
            with position_bar(f"events of shard {shard}", 0, end) as progress:
                done += await rebuild_shard(
                    client,
                    directory,
                    record,
                    shard,
                    projection=projection,
                    dry_run=dry_run,
                    progress=progress,
                )
    return done


async def _roll_back(data: Path | None, projection: str | None) -> list[dict[str, Any]]:
    from actors.names import agents_of
    from cluster.rebuilding import ends

    found: list[dict[str, Any]] = []
    nothing: NotFound | None = None
    system_here(data)  # told first when none runs: no --url can name another
    async with reached(open_client(data, None, patience_s=LONG_WORK_S)) as client:
        for shard in sorted(await ends(client)):
            for agent in agents_of(projection):
                try:
                    state = await client.roll_back(agent, shard)
                except NotFound as error:
                    nothing = error
                else:
                    found.append({"shard": shard, **state})
    if nothing is not None and not found:
        raise nothing
    return found


def verify(data: Data = None, as_json: AsJson = False) -> None:
    """Check that the log is whole, and that everything made from it is what the log says.

    Example: `mirix verify --json`

    Reads every event: no position may be missing, every payload must be what was sealed, every
    event must be of the catalogue. On the way all projections are made anew and compared with the
    live ones and with the snapshots. Says the first bad position; exit status 1 then.
    """
    _show_verdicts(run(_verify(data)), as_json)


async def _verify(data: Path | None) -> list[Verdict]:
    from cluster.rebuilding import check_shard

    directory, record = system_here(data)
    found: list[Verdict] = []
    async with open_client(data, None) as client:
        for shard in range(record.shards):
            with position_bar(f"events of shard {shard}", 0, None) as progress:
                found.append(await check_shard(client, directory, record, shard, progress=progress))
    return found


def _show_rebuilt(done: list[Rebuilt], as_json: bool) -> None:
    if as_json:
        show_json([{**_as_dict(one.comparison), "done": one.done} for one in done])
    else:
        rows = table("", "shard", "projection", "position", "events", "rebuilt", "live", "done")
        for one in done:
            rows.add_row(*_cells(one.comparison), one.done)
        out.print(rows)
    wrong = [one.comparison for one in done if one.is_wrong]
    if not wrong:
        return
    names = ", ".join(f"{one.projection} of shard {one.shard}" for one in wrong)
    if any(one.done == "compared" for one in done if one.is_wrong):
        raise MirixError(f"not what the log says: {names}; `mirix rebuild` repairs it")
    which = f" --projection {wrong[0].projection}" if len(wrong) == 1 else ""
    raise MirixError(
        f"was not what the log says, and is repaired: {names};"
        f" `mirix rebuild{which} --roll-back` puts the old state back"
    )


def _show_rolled_back(states: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(states)
        return
    rows = table("shard", "projection", "position", "state")
    for one in states:
        rows.add_row(
            str(one["shard"]), one["projection"], str(one["position"]), one["state_hash"][:16]
        )
    out.print(rows)
    out.print(
        f"put back {counted(len(states), 'state')} that the last rebuild replaced; "
        "`mirix rebuild` makes them anew from the log",
        markup=False,
        highlight=False,
    )


def _show_verdicts(verdicts: list[Verdict], as_json: bool) -> None:
    import msgspec

    if as_json:
        show_json(
            [
                {
                    **msgspec.to_builtins(one),
                    "projections": [_as_dict(compared) for compared in one.projections],
                    "sound": one.is_sound,
                }
                for one in verdicts
            ]
        )
    else:
        rows = table("", "shard", "projection", "position", "events", "rebuilt", "live")
        for one in verdicts:
            for compared in one.projections:
                rows.add_row(*_cells(compared))
        out.print(rows)
        for one in verdicts:
            read = f"{counted(one.events, 'event')} and {counted(one.snapshots, 'snapshot')} read"
            out.print(f"shard {one.shard}: {read}, through position {one.through}")
    bad = [(one.shard, found) for one in verdicts for found in one.findings]
    if bad:
        shard, first = bad[0]
        at = f" at position {first.position}" if first.position else ""
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise MirixError(f"shard {shard} is bad{at}: {first.told}{more}")


def _as_dict(one: Comparison) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(one), "equal": one.is_equal if one.is_comparable else None}


def _cells(one: Comparison) -> tuple[str, ...]:
    mark = "[green]equal[/green]" if one.is_equal else "[red]differs[/red]"
    if not one.is_comparable:
        mark = f"[yellow]version {one.version}, live {one.live_version}[/yellow]"
    numbers = (str(one.position), str(one.events))
    return mark, str(one.shard), one.projection, *numbers, one.rebuilt_hash[:16], one.live_hash[:16]
