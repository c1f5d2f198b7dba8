"""The jobs `backup`, `restore` and `export`: what the commands of these names do, as one unit each.

A backup that was lost adds only what is missing in its target, and a restore goes on where it was:
that is their own doing (`cluster.backup`, `cluster.restore`). A restore works on an empty directory
on which no system runs, so that its events can be written only at its end, into the log that it
has restored: behind everything that was backed up.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.backup import TellPart, backup, check_places
from cluster.data_dir import DataDir
from cluster.export import check_free, export
from cluster.jobs.arguments import Argument, count, number, path
from cluster.jobs.work import Kind, Options, Place, Result, Tell
from cluster.restore import restore
from cluster.sources import open_source
from events.errors import CommandRejected


def _one_unit(name: str) -> Callable[[Place, Options], Coroutine[Any, Any, Sequence[str]]]:
    async def units(place: Place, options: Options) -> Sequence[str]:
        return (name,)

    return units


def _its_result(results: Mapping[str, Result]) -> Result:
    """Return the result of the only unit."""
    return next(iter(results.values()))


def _lines(tell: Tell) -> TellPart:
    """Tell of each part once, when it begins."""
    told: set[str] = set()

    def reached(part: str, done: int, total: int) -> None:
        if part not in told:
            told.add(part)
            tell(part)

    return reached


def _check_backup(directory: DataDir, options: Options) -> None:
    check_places(directory, options["target"], options["keys-to"])


async def _backup(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    report = await backup(
        place.directory, options["target"], keys_to=options["keys-to"], tell=_lines(tell)
    )
    result: Result = msgspec.to_builtins(report)
    return result


async def _restore(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    report = await restore(
        options["source"], place.directory, keys_from=options["keys-from"], tell=_lines(tell)
    )
    result: Result = msgspec.to_builtins(report)
    return result


def _check_export(directory: DataDir, options: Options) -> None:
    check_free(Path(options["file"]))
    if int(options.get("from", "1")) > int(options.get("to", options.get("from", "1"))):
        raise CommandRejected(f"--from {options['from']} is after --to {options['to']}")


async def _export(place: Place, options: Options, unit: str, tell: Tell) -> Result:
    async with open_source(place.settings.data_dir) as source:
        report = await export(
            [reader for _, reader in sorted(source.readers.items())],
            Path(options["file"]),
            user=options.get("user", ""),
            shard=int(options["shard"]) if "shard" in options else None,
            first=int(options.get("from", "1")),
            last=int(options["to"]) if "to" in options else None,
            tell=_lines(tell),
        )
    result: Result = msgspec.to_builtins(report)
    return result


BACKUP = Kind(
    name="backup",
    summary="back up log, snapshots and, apart from them, the keys",
    arguments=(
        Argument(name="target", help="a directory or URL", read=path, positional=True),
        Argument(name="keys-to", help="where the keys go", read=path, required=True),
    ),
    check=_check_backup,
    units=_one_unit("backup"),
    work=_backup,
    total=_its_result,
)
RESTORE = Kind(
    name="restore",
    summary="restore a backup into an empty directory",
    arguments=(
        Argument(name="source", help="a directory or URL", read=path, positional=True),
        Argument(name="keys-from", help="where the keys are", read=path, required=True),
    ),
    units=_one_unit("restore"),
    work=_restore,
    total=_its_result,
    offline=True,
)
EXPORT = Kind(
    name="export",
    summary="write events in clear to a file of JSON lines",
    arguments=(
        Argument(name="file", help="the file to write", read=path, positional=True),
        Argument(name="user", help="only of this user", personal=True),
        Argument(name="from", help="the first position", read=count),
        Argument(name="to", help="the last position", read=count),
        Argument(name="shard", help="which shard, where there are many", read=number),
    ),
    check=_check_export,
    units=_one_unit("export"),
    work=_export,
    total=_its_result,
)
