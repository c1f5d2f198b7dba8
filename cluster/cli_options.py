"""Options that more than one family of commands takes, checked before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from events.errors import CommandRejected
from events.hints import hint
from events.memory import TIERS
from events.moments import moment_of


def checked_moment(text: str | None) -> str | None:
    """Return a moment as it was given, once it is known to be one.

    Raises:
        BadParameter: it is none.
    """
    if text is not None:
        try:
            moment_of(text)
        except CommandRejected as error:
            raise typer.BadParameter(error.message) from error
    return text


def known_projection(name: str | None) -> str | None:
    """Return the name of a projection, or of its agent, once it is known to be one.

    Raises:
        BadParameter: it is none.
    """
    from actors.names import agents_of

    try:
        agents_of(name)
    except CommandRejected as error:
        raise typer.BadParameter(error.message) from error
    return name


def each_of(known: Sequence[str]) -> Callable[[list[str] | None], list[str]]:
    """Return the check of an option that takes some words, and each again (typer has none)."""

    def check(names: list[str] | None) -> list[str]:
        for name in names or ():
            if name not in known:
                raise typer.BadParameter(f"{name!r} is none of them; {hint(name, known)}")
        return names or []

    return check


AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="As the log had it then: a position, or a time (ISO 8601; no zone: UTC) of recording.",
        callback=checked_moment,
    ),
]
Projection = Annotated[
    str | None,
    typer.Option(
        "--projection",
        help="Only this one, e.g. semantic or conversations (default: all nine).",
        callback=known_projection,
    ),
]
Tiers = Annotated[
    list[str] | None,
    typer.Option(
        "--tier",
        metavar="|".join(TIERS),
        help="Only this tier; repeatable.",
        callback=each_of(TIERS),
    ),
]
FromBackup = Annotated[
    str, typer.Option("--from-backup", help="Read this backup: a directory or a URL.")
]
KeysFrom = Annotated[str, typer.Option("--keys-from", help="Where the keys of the backup are.")]
FromFile = Annotated[
    Path | None, typer.Option("--from-file", help="Read this file of exported events.")
]
