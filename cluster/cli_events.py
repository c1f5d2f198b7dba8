"""`mirix events tail | show | grep`, `mirix rebuild`, `mirix verify`: the log itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_output import (
    AsJson,
    Data,
    WrongUse,
    open_client,
    out,
    reached,
    run,
    running_system,
    show_json,
    table,
)
from events.errors import CorruptLog, NotFound

if TYPE_CHECKING:
    from actors.rebuilding import Comparison
    from cluster.data_dir import DataDir, SystemRecord
    from cluster.log_reading import Filter


def _known_event(kind: str) -> str:
    from events.catalogue import CATALOGUE

    if kind and kind not in CATALOGUE:
        near = get_close_matches(kind, CATALOGUE, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/events.md lists them"
        raise typer.BadParameter(f"{kind} is not an event; {hint}")
    return kind


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise typer.BadParameter(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


def _known_projection(name: str | None) -> str | None:
    if name is None:
        return None
    from actors.rebuilding import agents_of

    if not agents_of(name):
        raise typer.BadParameter(f"{name} is none; choose from {', '.join(agents_of(None))}")
    return name


Kind = Annotated[
    str,
    typer.Option("--type", help="Only this event, e.g. MessageReceived.", callback=_known_event),
]
Whose = Annotated[str, typer.Option("--user", help="Only of this user (your id or usr_...).")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="How many.")]

events_app = typer.Typer(help="Look into the log of the system on this machine.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    events_app.command()(tail)
    events_app.command()(show)
    events_app.command()(grep)
    app.add_typer(events_app, name="events", no_args_is_help=True)
    app.command()(rebuild)
    app.command()(verify)


def tail(
    count: Count = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    kind: Kind = "",
    user: Whose = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the last events; personal payloads are opened with the local keys.

    Examples: `mirix events tail -n 5` · `mirix events tail -f --type MemoryRecorded`
    """
    from cluster.log_reading import Filter

    directory, record = _here(data)
    run(_tail(directory, record, Filter(kind=kind, user=user), count, follow, as_json))


async def _tail(
    directory: DataDir,
    record: SystemRecord,
    wanted: Filter,
    count: int,
    follow: bool,
    as_json: bool,
) -> None:
    from cluster.log_reading import read_log

    async with read_log(directory, record) as reader:
        for event in await reader.last(wanted, count):
            _print(event, as_json)
        if follow:
            await _print_all(reader.follow(wanted), as_json)


def show(
    reference: Annotated[str, typer.Argument(help="An event id, a position, or shard:position.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one event, envelope and payload.

    Examples: `mirix events show 42` · `mirix events show evt_abc --json`
    """
    directory, record = _here(data)
    try:
        event = run(_one(directory, record, reference))
    except NotFound as error:
        raise WrongUse(error.message) from error
    if as_json:
        show_json(event)
    else:
        out.print_json(data=event)


async def _one(directory: DataDir, record: SystemRecord, reference: str) -> dict[str, Any]:
    from cluster.log_reading import read_log

    async with read_log(directory, record) as reader:
        return await reader.one(reference)


def grep(
    pattern: Annotated[
        str, typer.Argument(help="A regular expression, case ignored.", callback=_regular)
    ],
    kind: Kind = "",
    user: Whose = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the events whose envelope or payload matches.

    Example: `mirix events grep lisbon --type MemoryRecorded --user alice`
    """
    from cluster.log_reading import Filter

    directory, record = _here(data)
    run(_grep(directory, record, Filter(kind=kind, user=user, pattern=pattern), as_json))


async def _grep(directory: DataDir, record: SystemRecord, wanted: Filter, as_json: bool) -> None:
    from cluster.log_reading import read_log

    async with read_log(directory, record) as reader:
        await _print_all(reader.matching(wanted), as_json)


async def _print_all(events: AsyncIterator[dict[str, Any]], as_json: bool) -> None:
    async with aclosing(events):  # type: ignore[type-var]  # these iterators are generators
        async for event in events:
            _print(event, as_json)


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(event)
        return
    head = f"{event['shard']}:{event['position']} {event['recorded_at'][:19]} {event['type']}"
    out.print(f"{head} [dim]{event['user']}[/dim]", highlight=False)
    out.print_json(data=event["payload"], indent=None)


def rebuild(
    projection: Annotated[
        str | None,
        typer.Option(
            "--projection",
            help="Only this one (or its agent's name).",
            callback=_known_projection,
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild projections from the log alone and set their state hashes beside the live ones.

    Examples: `mirix rebuild` · `mirix rebuild --projection semantic --json`

    Nothing of the running system is changed. Exit status 1 when a hash differs.
    """
    _show_compared(run(_compare(data, projection)), as_json)


def verify(data: Data = None, as_json: AsJson = False) -> None:
    """Check that the log is whole and that every live projection is what the log says.

    Example: `mirix verify --json`

    Reads every event, checking for gaps and altered bytes. Exit status 1 when anything differs.
    """
    _show_compared(run(_compare(data, None, whole=True)), as_json)


async def _compare(
    data: Path | None, projection: str | None, *, whole: bool = False
) -> list[Comparison]:
    from cluster.log_reading import read_events
    from cluster.rebuilding import live_states, rebuild_and_compare

    directory, record = _here(data)
    async with reached(open_client(data, None)) as client:
        live = live_states(await client.status(hashes=True), projection)
    if whole:
        async for _ in read_events(directory, record):
            pass  # reading is the check: a gap or an altered byte raises
    return await rebuild_and_compare(directory, record, live)


def _show_compared(compared: list[Comparison], as_json: bool) -> None:
    import msgspec

    if as_json:
        equal = [{**msgspec.to_builtins(item), "equal": item.is_equal} for item in compared]
        show_json(equal)
    else:
        rows = table("", "shard", "projection", "position", "events", "rebuilt", "live")
        for item in compared:
            mark = "[green]equal[/green]" if item.is_equal else "[red]differs[/red]"
            numbers = (str(item.position), str(item.events))
            hashes = (item.rebuilt_hash[:16], item.live_hash[:16])
            rows.add_row(mark, str(item.shard), item.projection, *numbers, *hashes)
        out.print(rows)
    wrong = [f"{item.projection} of shard {item.shard}" for item in compared if not item.is_equal]
    if wrong:
        raise CorruptLog(f"not what the log says: {', '.join(wrong)}")


def _here(data: Path | None) -> tuple[DataDir, SystemRecord]:
    from cluster.data_dir import DataDir
    from cluster.settings import from_environment

    settings = from_environment(data)
    return DataDir(settings.data_dir), running_system(settings)
