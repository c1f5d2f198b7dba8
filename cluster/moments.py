"""Moments of the past as people write them: a position (digits) or a time (ISO 8601)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from events.errors import CommandRejected

POSITION_MAX = 2**63 - 1


def moment_of(text: str) -> int | datetime:
    """Return the position or the time that `text` names; a time without a zone is UTC.

    Raises:
        CommandRejected: it is neither.
    """
    given = text.strip()
    if given.isascii() and given.isdigit():
        if len(given) > len(str(POSITION_MAX)) or int(given) > POSITION_MAX:
            raise CommandRejected(f"{given[:30]} is larger than any position")
        return int(given)
    try:
        moment = datetime.fromisoformat(given)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandRejected(
            f"{text[:80]!r} is no moment; expected a position (digits) or a time of ISO 8601, "
            "e.g. 120 or 2026-01-07T09:30"
        ) from error


def checked_moment(text: str | None) -> str | None:
    """Return a moment as it was given, once it is known to be one: for options.

    Raises:
        BadParameter: it is none.
    """
    if text is not None:
        try:
            moment_of(text)
        except CommandRejected as error:
            raise typer.BadParameter(error.message) from error
    return text


AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="As it was then: a position, or a time (ISO 8601; no zone: UTC).",
        callback=checked_moment,
    ),
]
