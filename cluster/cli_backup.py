"""`mirix backup`, `mirix restore`, `mirix export`: copies of a system, and events to look at."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cluster.cli_output import AsJson, Data, WrongUse, counted, err, out, run, show_json, table
from events.errors import CommandRejected

if TYPE_CHECKING:
    from cluster.backup import BackupReport
    from cluster.export import ExportReport
    from cluster.restore import RestoreReport

Report = TypeVar("Report")

KeysTo = Annotated[
    str,
    typer.Option("--keys-to", help="Where the keys go: a directory or URL apart from TARGET."),
]
KeysFrom = Annotated[
    str, typer.Option("--keys-from", help="Where the keys are: what --keys-to was.")
]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(backup)
    app.command()(restore)
    app.command()(export)


def backup(
    target: Annotated[str, typer.Argument(help="A directory, or a URL such as s3://bucket/path.")],
    keys_to: KeysTo,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Back up the running system: log and snapshots to TARGET, the keys elsewhere.

    Examples: `mirix backup /mnt/backup/log --keys-to /mnt/safe/keys` ·
    `mirix backup s3://bucket/mirix --keys-to ~/mirix-keys`

    The system goes on meanwhile. The same TARGET again: only what is new is added; an interrupted
    backup goes on where it was. What is in TARGET is sealed, the keys open it: keep them apart.
    """
    from cluster import backup as backups
    from cluster.data_dir import DataDir
    from cluster.settings import from_environment

    directory = DataDir(from_environment(data).data_dir)
    with _progress() as tell:
        report = _asked(backups.backup(directory, target, keys_to=keys_to, tell=tell))
    if as_json:
        show_json(report)
    else:
        _show_backup(report)


def _show_backup(report: BackupReport) -> None:
    rows = table("shard", "position", "segments", "new segments", "new records", "snapshots")
    for one in report.shards:
        counts = (one.shard, one.last_position, one.segments, one.new_segments, one.new_records)
        rows.add_row(*(str(count) for count in (*counts, one.snapshots)))
    out.print(rows)
    out.print(f"{report.bytes / 1e6:.1f} MB in {report.target}", highlight=False)
    users = f"{counted(report.users, 'user')}, {report.erased} erased"
    out.print(f"keys of {users} in {report.keys_to}", highlight=False)


def restore(
    source: Annotated[str, typer.Argument(help="Where the backup is: a directory or a URL.")],
    keys_from: KeysFrom,
    data: Data = None,
    check: Annotated[
        bool,
        typer.Option("--check/--skip-check", help="Rebuild the states and compare their hashes."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty data directory; then start it with `mirix up`.

    Example: `mirix restore /mnt/backup/log --keys-from /mnt/safe/keys --data ~/memory`

    Every hash is checked first. Interrupted, it goes on when it is run again. Give the newest keys
    that there are: with older ones whoever was erased since comes back.
    """
    from cluster import restore as restores
    from cluster.data_dir import DataDir
    from cluster.settings import from_environment

    directory = DataDir(from_environment(data).data_dir)
    with _progress() as tell:
        work = restores.restore(source, directory, keys_from=keys_from, check=check, tell=tell)
        report = _asked(work)
    if as_json:
        show_json(report)
    else:
        _show_restored(report)


def _show_restored(report: RestoreReport) -> None:
    for shard, position in report.last_positions.items():
        out.print(f"shard {shard}: positions 1 to {position}", highlight=False)
    states = report.check.states
    if report.check.left_out:
        out.print(f"states not compared: {report.check.left_out}", highlight=False)
    else:
        equal = sum(one.is_equal for one in states)
        others = len(states) - equal
        left = f"; {others} of another version not compared" if others else ""
        out.print(f"{equal} of {len(states)} states equal those backed up{left}", highlight=False)
    shards = f"MIRIX_SHARDS={report.shards} " if report.shards > 1 else ""
    out.print(f"start it with: {shards}mirix up --data {report.data}", markup=False)


def export(
    file: Annotated[Path, typer.Argument(help="The file to write, one event a line.")],
    user: Annotated[str, typer.Option("--user", help="Only of this user (id or usr_...).")] = "",
    first: Annotated[int, typer.Option("--from", min=1, help="The first position.")] = 1,
    last: Annotated[
        int | None, typer.Option("--to", min=1, help="The last position (default: the end).")
    ] = None,
    shard: Annotated[
        int | None, typer.Option("--shard", min=0, help="Which shard, where there are many.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write events in clear to a file of JSON lines (mode 0600), for people and for tests.

    Examples: `mirix export events.jsonl` · `mirix export ann.jsonl --user ann --from 100 --to 900`

    What people said stands in it unsealed, with the secrets that they told.
    """
    if last is not None and first > last:
        raise WrongUse(f"--from {first} is after --to {last}; exchange the two")
    with _progress() as tell:
        report = _asked(_export(file, user, first, last, shard, data, tell))
    err.print(
        f"mirix: {file} holds in clear what was said; it is readable by you only, keep it so",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        show_json(report)
        return
    events, size = counted(report.events, "event"), f"{report.bytes / 1e6:.1f} MB"
    through = f"positions {report.first} to {report.last_position} of shard {report.shard}"
    out.print(f"{events} ({through}, {size}) in {report.path}", highlight=False, markup=False)


async def _export(
    file: Path,
    user: str,
    first: int,
    last: int | None,
    shard: int | None,
    data: Path | None,
    tell: Callable[[str, int, int], None],
) -> ExportReport:
    from cluster import export as exports
    from cluster.sources import open_source

    async with open_source(data) as source:
        whose = (await source.find(user)).user if user else ""
        journals = [reader for _, reader in sorted(source.readers.items())]
        return await exports.export(
            journals, file, user=whose, shard=shard, first=first, last=last, tell=tell
        )


def _asked(work: Coroutine[Any, Any, Report]) -> Report:
    """Do the work; what it rejects was asked wrongly."""
    try:
        return run(work)
    except CommandRejected as error:
        raise WrongUse(error.message) from error


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far each unit is, on stderr: bars on a terminal, else a line a unit."""
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(unit: str, done: int, total: int) -> None:
            if unit not in tasks:
                tasks[unit] = bars.add_task(unit, total=total)
                if not err.is_terminal:
                    err.print(unit, markup=False, highlight=False)
            bars.update(tasks[unit], completed=done, total=total)

        yield tell
