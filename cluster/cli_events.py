"""`mirix events tail | show | grep | tree`: the log itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_options import checked_moment
from cluster.cli_output import (
    AsJson,
    Data,
    WrongUse,
    err,
    out,
    refusal_is_wrong_use,
    run,
    show_json,
    system_here,
)
from events.errors import NotFound
from events.hints import hint
from events.moments import moment_of

if TYPE_CHECKING:
    from cluster.data_dir import DataDir, SystemRecord
    from cluster.log_reading import Filter


def _known_event(kind: str) -> str:
    from events.catalogue import CATALOGUE

    if kind and kind not in CATALOGUE:
        told = hint(kind, CATALOGUE, "docs/events.md")
        raise typer.BadParameter(f"{kind} is not an event; {told}")
    return kind


def _known_producer(name: str) -> str:
    if name:
        from serve.event_filters import PRODUCERS

        if name not in PRODUCERS:
            raise typer.BadParameter(f"{name} appends no events; {hint(name, PRODUCERS)}")
    return name


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise typer.BadParameter(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


Kind = Annotated[
    str,
    typer.Option("--type", help="Only this event, e.g. MessageReceived.", callback=_known_event),
]
Whose = Annotated[str, typer.Option("--user", help="Only of this user (your id or usr_...).")]
Agent = Annotated[
    str,
    typer.Option(
        "--agent", help="Only what this one appended, e.g. search.", callback=_known_producer
    ),
]
Correlation = Annotated[str, typer.Option("--correlation", help="Only what came of one request.")]
Since = Annotated[
    str | None,
    typer.Option("--since", help="From this position or time on.", callback=checked_moment),
]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Up to this position or time.", callback=checked_moment),
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="How many.")]

events_app = typer.Typer(help="Look into the log of the system on this machine.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    events_app.command()(tail)
    events_app.command()(show)
    events_app.command()(grep)
    events_app.command()(tree)
    app.add_typer(events_app, name="events", no_args_is_help=True)


def tail(
    count: Count = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    kind: Kind = "",
    user: Whose = "",
    agent: Agent = "",
    correlation: Correlation = "",
    since: Since = None,
    until: Until = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the last events; personal payloads are opened with the local keys.

    Examples: `mirix events tail -n 5` · `mirix events tail -f --type MemoryRecorded` ·
    `mirix events tail --agent search --since 2026-01-07`
    """
    wanted = _filter("", kind, user, agent, correlation, (since, until))
    directory, record = system_here(data)
    with refusal_is_wrong_use():
        found = run(_tail(directory, record, wanted, count, follow, as_json))
    _tell_nothing(found or follow)


async def _tail(
    directory: DataDir,
    record: SystemRecord,
    wanted: Filter,
    count: int,
    follow: bool,
    as_json: bool,
) -> int:
    from cluster.log_reading import read_log

    async with read_log(directory, record) as reader:
        await reader.check(wanted)
        found = await reader.last(wanted, count)
        for event in found:
            _print(event, as_json)
        if follow:
            await _print_all(reader.follow(wanted), as_json)
    return len(found)


def show(
    reference: Annotated[str, typer.Argument(help="An event id, a position, or shard:position.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one event, envelope and payload.

    Examples: `mirix events show 42` · `mirix events show evt_abc --json`
    """
    directory, record = system_here(data)
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
    agent: Agent = "",
    correlation: Correlation = "",
    since: Since = None,
    until: Until = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the events whose envelope or payload matches.

    Examples: `mirix events grep lisbon --type MemoryRecorded --user alice` ·
    `mirix events grep . --agent chat --since 120 --until 400`
    """
    wanted = _filter(pattern, kind, user, agent, correlation, (since, until))
    directory, record = system_here(data)
    with refusal_is_wrong_use():
        found = run(_grep(directory, record, wanted, as_json))
    _tell_nothing(found)


async def _grep(directory: DataDir, record: SystemRecord, wanted: Filter, as_json: bool) -> int:
    from cluster.log_reading import read_log

    async with read_log(directory, record) as reader:
        await reader.check(wanted)
        return await _print_all(reader.matching(wanted), as_json)


async def _print_all(events: AsyncIterator[dict[str, Any]], as_json: bool) -> int:
    """Print events as they come; return how many they were."""
    count = 0
    async with aclosing(events):  # type: ignore[type-var]  # these iterators are generators
        async for event in events:
            _print(event, as_json)
            count += 1
    return count


def _tell_nothing(found: int) -> None:
    if not found:
        err.print("no events match", style="dim", highlight=False)


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(event)
        return
    head = f"{event['shard']}:{event['position']} {event['recorded_at'][:19]} {event['type']}"
    out.print(f"{head} [dim]{event['user']}[/dim]", highlight=False)
    out.print_json(data=event["payload"], indent=None)


def _filter(
    pattern: str,
    kind: str,
    user: str,
    producer: str,
    correlation: str,
    moments: tuple[str | None, str | None],
) -> Filter:
    from cluster.log_reading import Filter

    since, until = (None if text is None else moment_of(text) for text in moments)
    with refusal_is_wrong_use():
        return Filter(
            pattern=pattern,
            kind=kind,
            user=user,
            producer=producer,
            correlation=correlation,
            since=since,
            until=until,
        )


def tree(
    correlation: Annotated[
        str, typer.Argument(metavar="ID", help="A correlation id, as the events show it.")
    ],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that came of one request as a tree: each event below the one it followed.

    Example: `mirix events tree req_abc`
    """
    with refusal_is_wrong_use():
        found = run(_correlated(data, correlation))
    if as_json:
        show_json(found)
        return
    from cluster.cli_past_show import event_trees

    out.print(event_trees(found["trees"], correlation))


async def _correlated(data: Path | None, correlation: str) -> dict[str, Any]:
    """Return what came of a request in the shape of `GET /correlations/{id}`."""
    import msgspec

    from actors.past.events import get_correlation
    from actors.past.moments import Moments
    from actors.past.queries import GetCorrelation
    from cluster.sources import open_source

    query = GetCorrelation(tenant=None, correlation_id=correlation)
    trees: list[dict[str, Any]] = []
    async with open_source(data) as source:
        for reader in source.readers.values():
            index = await Moments(reader).index()
            try:
                found = await get_correlation(reader, index, query)
            except NotFound:
                continue  # a request about all shards has events in each, others in one
            trees += [_with_children(msgspec.to_builtins(node)) for node in found]
    if not trees:
        raise NotFound(f"there are no events of correlation {correlation[:100]!r}")
    return {"correlation_id": correlation, "trees": trees}


def _with_children(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node with its children spelled out, where it has none as well."""
    return {
        "event": node["event"],
        "children": [_with_children(child) for child in node.get("children", ())],
    }
