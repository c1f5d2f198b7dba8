"""What of the log an agent has handled, and what it still works on.

Everything up to a position is decided. Most of it is handled with that; some causes are *open*:
their work takes long, or they wait in a lane behind such work. A marker in the log says both, so
that after a crash exactly the open causes are taken up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

#: Open causes at a time: beyond it the agent reads no further until some are done.
OPEN_MAX = 1000


class Ledger:
    """The open causes of one agent, in the order of the log. For one turn at a time."""

    def __init__(self) -> None:
        #: Position -> user, in ascending order: causes are opened in the order of the log.
        self._open: dict[int, str] = {}
        #: Through here the last marker in the log tells what is handled and what is open.
        self.marked = 0
        self._moved = asyncio.Event()

    @property
    def open(self) -> tuple[int, ...]:
        """The positions of the open causes, ascending."""
        return tuple(self._open)

    @property
    def is_told(self) -> bool:
        """Whether the last marker tells of every cause that is open now."""
        return next(reversed(self._open), 0) <= self.marked

    def begin(self, position: int, user: str) -> None:
        """Note a cause that something follows from."""
        self._open[position] = user

    def end(self, positions: Iterable[int]) -> None:
        """Note that causes are handled: what follows from them is in the log, or nothing does."""
        for position in positions:
            self._open.pop(position, None)
        self._moved.set()
        self._moved = asyncio.Event()

    def left_open(self, through: int, handled: Iterable[int]) -> tuple[int, ...]:
        """Return what a marker through a position has to name as open, when `handled` is done."""
        done = set(handled)
        return tuple(at for at in self._open if at <= through and at not in done)

    def told(self, through: int) -> None:
        """Note that a marker through a position is in the log."""
        self.marked = max(self.marked, through)

    async def wait_for_room(self) -> None:
        """Return once there are not too many open causes."""
        while len(self._open) >= OPEN_MAX:
            await self._moved.wait()

    async def wait_for_user(self, user: str, position: int) -> None:
        """Return once nothing of a user up to a position is open."""
        # A copy: causes are begun on the thread that owns the state.
        while any(of == user and at <= position for at, of in list(self._open.items())):
            await self._moved.wait()
