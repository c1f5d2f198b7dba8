"""`mirix fork`: what would be remembered, had the agents decided otherwise from some time on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from actors.names import Owner
from cluster.cli_options import FromBackup, KeysFrom, checked_moment, each_of
from cluster.cli_output import (
    AsJson,
    Data,
    counted,
    out,
    position_bar,
    refusal_is_wrong_use,
    run,
    show_json,
)
from events.errors import CommandRejected
from events.moments import moment_of

if TYPE_CHECKING:
    from actors.past.queries import ForkReport
    from cluster.sources import Source


ExtractorOption = Annotated[
    str,
    typer.Option(
        "--extractor",
        help="rules, none, model, model:NAME of a provider, or MODULE:NAME of your own code.",
    ),
]
Reuse = Annotated[
    bool,
    typer.Option("--reuse/--ask", help="With a model: take what one said then, or ask it anew."),
]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(fork)


def fork(
    at: Annotated[
        str,
        typer.Option("--at", help="Fork here: a position or a time.", callback=checked_moment),
    ],
    until: Annotated[
        str | None,
        typer.Option("--until", help="Inputs up to here (default: all).", callback=checked_moment),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only this user's memory (default: everybody's).")
    ] = None,
    shard: Annotated[int, typer.Option("--shard", min=0, help="Which shard.")] = 0,
    agents: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            metavar="|".join(get_args(Owner)),
            help="Only this memory agent decides anew; repeatable.",
            callback=each_of(get_args(Owner)),
        ),
    ] = None,
    extractor: ExtractorOption = "rules",
    reuse: Reuse = True,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the deciders, e.g. importance_min=0.6."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Write the new history here, in clear, as `export` does."),
    ] = None,
    from_backup: FromBackup = "",
    keys_from: KeysFrom = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Decide the past again, otherwise, and show how the memory would differ.

    Examples: `mirix fork --at 1200 --user alice --set importance_min=0.6` ·
    `mirix fork --at 2026-01-07 --extractor my_rules:Stricter --agent semantic_memory --json`

    The memory agents meet the same messages, documents and edits again. Nothing is appended. With
    `--extractor model`, what a model said then is taken again where the same prompt is asked; only
    the rest is asked anew, where a provider is configured. With the same extractor and settings
    nothing differs. `-` is what only the log has, `+` what only the fork has. What was kept,
    `mirix replay --from-file` steps through.
    """
    chosen = (extractor, reuse)
    source = {"backup": from_backup, "keys_from": keys_from}
    with refusal_is_wrong_use():
        report = run(
            _forked(data, source, (at, until), user, shard, agents, chosen, settings or [], keep)
        )
    if as_json:
        from serve.past_answers import ForkShown

        show_json(ForkShown.of(report))
    else:
        _show(report)
    if report.parked:
        raise CommandRejected(f"{counted(report.parked, 'decision')} failed: {report.failure}")


async def _forked(
    data: Path | None,
    source: dict[str, Any],
    moments: tuple[str, str | None],
    user: str | None,
    shard: int,
    agents: list[str] | None,
    extractor: tuple[str, bool],
    settings: list[str],
    keep: Path | None,
) -> ForkReport:
    from actors.past.fork import FORKABLE, ForkRequest, fork
    from actors.past.forked_events import ForkedEvents
    from actors.past.moments import Moments
    from actors.past.views import Views
    from cluster.export import check_free, export
    from cluster.sources import open_source
    from cluster.what_if import chosen_model, decider_settings
    from events.envelope import Event
    from projections.snapshots import NoSnapshots

    wanted = decider_settings(settings)
    chosen = chosen_model(extractor[0], data, reuse=extractor[1])
    if keep is not None:
        check_free(keep)
    async with open_source(data, **source) as events:
        assert events.keys is not None, "a log and a backup are opened with their keys"
        reader, whose = await _whereabouts(events, user, shard)
        at = Moments(reader)
        start = await at.position_at(moment_of(moments[0]))
        if moments[1] is None:
            until = await reader.last_position()
        else:
            until = await at.position_at(moment_of(moments[1]))
        request = ForkRequest(
            at=start,
            until=until,
            user=whose,
            agents=tuple(one for one in FORKABLE if one in agents) if agents else FORKABLE,
            settings=wanted,
            reuse=extractor[1],
            prefer=chosen.prefer,
        )
        kept: list[Event] = []
        views = Views(reader, NoSnapshots(), events.keys)
        try:
            with position_bar("events", start, until) as progress:
                report = await fork(
                    reader,
                    views.build,
                    request,
                    extractor=chosen.extractor,
                    keys=events.keys,
                    live=chosen.live(views.build),
                    keep=kept.append if keep is not None else lambda event: None,
                    progress=progress,
                )
        finally:
            await views.close()
        if keep is not None:
            await export([ForkedEvents(reader, start, kept)], keep, user=whose, shard=reader.shard)
    return report


async def _whereabouts(events: Source, user: str | None, shard: int) -> tuple[Any, str]:
    if user is not None:
        return await events.find(user)
    if shard not in events.readers:
        there = ", ".join(str(number) for number in events.readers)
        raise CommandRejected(f"there is no shard {shard} in {events.name}; there is {there}")
    return events.readers[shard], ""


def _show(report: ForkReport) -> None:
    import msgspec

    from cluster.cli_past_show import change_lines

    changes = report.difference.changes
    for change in changes:
        for line in change_lines(msgspec.to_builtins(change), change.tier):
            out.print(line, highlight=False)
    kinds = Counter(change.kind for change in changes)
    differing = ", ".join(f"{count} {_MEANING[kind]}" for kind, count in kinds.items())
    failed = f" ({report.parked} failed)" if report.parked else ""
    out.print(
        f"{counted(report.causes, 'decision')} made again{failed} with {report.extractor}, from "
        f"position {report.difference.start} to {report.difference.end}: "
        f"{differing or 'nothing differs'}; the fork remembers {report.memories}",
        highlight=False,
    )
    if generations := report.reused + report.asked + report.unasked:
        out.print(
            f"{counted(generations, 'generation')}: {report.reused} as the log has them, "
            f"{report.asked} asked anew, {report.unasked} with nobody to ask",
            highlight=False,
        )


#: `before` is the log's memory, `after` the fork's.
_MEANING = {
    "added": "only in the fork",
    "forgotten": "only in the log",
    "superseded": "superseded only in the fork",
    "merged": "merged only in the fork",
    "restored": "no longer holding only in the log",
    "changed": "reading otherwise",
}
