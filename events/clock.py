"""The clock is a port: only shells ask it, pure code is handed the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Return the time now, in UTC, with its zone."""
        ...


def system_clock() -> datetime:
    """Return this machine's time, in UTC."""
    return datetime.now(UTC)


class FixedClock:
    """The clock's twin for tests: stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 7, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time that was set."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += timedelta(seconds=seconds)
