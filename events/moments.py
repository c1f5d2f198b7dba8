"""Moments of a log as people write them: a position (digits) or a time (ISO 8601).

What position a time stands for, `actors.past.moments` knows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from events.errors import CommandRejected

POSITION_MAX = 2**63 - 1


def moment_of(text: str) -> int | datetime:
    """Return the position or the time that `text` names.

    Raises:
        CommandRejected: it is neither, or larger than any position.
    """
    given = text.strip()
    if given.isascii() and given.isdigit():
        if len(given) > len(str(POSITION_MAX)) or int(given) > POSITION_MAX:
            raise CommandRejected(f"{given[:30]} is larger than any position ({POSITION_MAX})")
        return int(given)
    try:
        return time_of(given)
    except CommandRejected as error:
        raise CommandRejected(
            f"{text[:80]!r} is no moment; expected a position (digits) or a time of ISO 8601, "
            "e.g. 120 or 2026-01-07T09:30"
        ) from error


def time_of(text: str) -> datetime:
    """Return the time that `text` names, in UTC; without a zone it is taken as UTC.

    Raises:
        CommandRejected: it is not ISO 8601, or not between the years 1 and 9999 once in UTC.
    """
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandRejected(
            f"{text[:80]!r} is not a date-time that ISO 8601 knows (years 1 to 9999)"
        ) from error
