"""`mirix replay`: step through a user's past, forward and back, and see what every step changed.

Reads the log of a running system, a backup or an exported file, and never writes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli_options import FromBackup, FromFile, KeysFrom, Projection, checked_moment
from cluster.cli_output import (
    AsJson,
    Data,
    WrongUse,
    counted,
    err,
    of_user,
    out,
    refusal_is_wrong_use,
    run,
    show_json,
)
from events.errors import CommandRejected
from events.moments import moment_of

if TYPE_CHECKING:
    from actors.past.breakpoints import Break
    from actors.past.stepping import Stepper


def _breaks(texts: list[str] | None) -> list[str]:
    if texts:  # what parses them knows the whole catalogue, which `--help` can do without
        from actors.past.breakpoints import parse_break

        for text in texts:
            try:
                parse_break(text)
            except CommandRejected as error:
                raise typer.BadParameter(error.message) from error
    return texts or []


From = Annotated[
    str | None,
    typer.Option("--from", help="Begin at this position or time.", callback=checked_moment),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="End at this position or time.", callback=checked_moment),
]
Breaks = Annotated[
    list[str] | None,
    typer.Option(
        "--break", help="Stop where this holds, e.g. type=MemorySuperseded.", callback=_breaks
    ),
]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(replay)


def replay(
    user: Annotated[
        str | None, typer.Option("--user", help="Whose past (default: of a file, its only user).")
    ] = None,
    start: From = None,
    end: To = None,
    projection: Projection = None,
    breaks: Breaks = None,
    from_backup: FromBackup = "",
    keys_from: KeysFrom = "",
    from_file: FromFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Step through a user's past: forward, back, goto, the state, what each step changed.

    Examples: `mirix replay --user alice` · `mirix replay --user alice --to 120 --json` ·
    `mirix replay --user alice --break type=MemorySuperseded --break 'tier == "core"'`

    On a terminal it takes commands (`help` lists them). Without one, or with `--json`, it shows
    every event at which a break holds, or the state at the end. Nothing is ever written.
    """
    source = {"backup": from_backup, "keys_from": keys_from, "file": from_file}
    moments = (start, end)
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        from cluster.cli_replay_shell import step_through
        from serve.identity import DEFAULT_USER

        with refusal_is_wrong_use():
            name = user or ("" if from_file else DEFAULT_USER)
            stepper = partial(opened, data, source, user, moments, projection)
            step_through(stepper, breaks or [], name)
        return
    with refusal_is_wrong_use():
        run(_plain(data, source, user, moments, projection, breaks or [], as_json))


@asynccontextmanager
async def opened(
    data: Path | None,
    source: dict[str, Any],
    user: str | None,
    moments: tuple[str | None, str | None],
    projection: str | None,
) -> AsyncIterator[Stepper]:
    """Have a stepper that stands at the first of two moments and goes to the second.

    Raises:
        CommandRejected: there is no such user or moment, or they are in the wrong order.
    """
    from actors.names import agents_of
    from actors.past.moments import Moments
    from actors.past.stepping import open_stepper
    from cluster.sources import open_source

    async with open_source(data, **source) as events:
        reader, opaque = await events.find(user)
        at = Moments(reader)
        first, last = [
            None if text is None else await at.position_at(moment_of(text)) for text in moments
        ]
        if first is not None and last is not None and first > last:
            raise WrongUse(f"--from is position {first}, after --to at {last}")
        stepper = await open_stepper(reader, opaque, agents_of(projection), end=last)
        await stepper.goto(first or 0)
        yield stepper


async def _plain(
    data: Path | None,
    source: dict[str, Any],
    user: str | None,
    moments: tuple[str | None, str | None],
    projection: str | None,
    breaks: Sequence[str],
    as_json: bool,
) -> None:
    from actors.past.breakpoints import parse_break

    async with opened(data, source, user, moments, projection) as stepper:
        if breaks:
            await _show_hits(stepper, [parse_break(text) for text in breaks], as_json)
            return
        await stepper.goto(stepper.end)
        if as_json:
            show_json({"position": stepper.position, "state": stepper.state()})
        else:
            from cluster.cli_replay_show import show_state

            show_state(stepper)
            if not any(stepper.state().values()):
                from serve.identity import DEFAULT_USER

                err.print(f"nothing is held {of_user(user or DEFAULT_USER)}", markup=False)


async def _show_hits(stepper: Stepper, breaks: Sequence[Break], as_json: bool) -> None:
    from cluster.cli_replay_show import show_step, step_shown

    count = 0
    while hit := await stepper.proceed(breaks):
        count += 1
        if as_json:
            show_json({"break": hit.text, **step_shown(stepper)})
        else:
            show_step(stepper, hit.text)
    if not as_json:
        told = f"{counted(count, 'hit')} up to position {stepper.position}"
        out.print(told, highlight=False)
