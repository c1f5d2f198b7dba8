"""What of the log an agent has handled, and what it still works on.

Everything up to a position is decided. Most of it is handled with that; some causes are *open*:
their work takes long, or they wait in a lane behind such work. In a lane causes are handled in
order, so that the first open one of each lane says it all: a marker in the log names those, and
after a crash exactly the open causes are taken up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

#: Lanes that are busy, and causes that are open, at a time: beyond either the agent reads no
#: further until some are done.
LANES_MAX = 1000
OPEN_MAX = 100_000


class Cause(NamedTuple):
    """A cause by its place in the log, in its lane."""

    lane: str
    position: int


class Head(NamedTuple):
    """The first open cause of a lane, and whose it is."""

    position: int
    user: str


class Ledger:
    """The open causes of one agent, by lane. For one turn at a time."""

    def __init__(self) -> None:
        #: Lane -> user, and the positions that are open, ascending.
        self._open: dict[str, tuple[str, dict[int, None]]] = {}
        self._count = 0
        #: Through here the last marker in the log tells what is handled and what is open.
        self.marked = 0
        self._moved = asyncio.Event()

    @property
    def heads(self) -> tuple[Head, ...]:
        """The first open cause of each busy lane, in the order of the log."""
        # A copy: causes are begun on the thread that owns the state.
        lanes = list(self._open.values())
        return tuple(sorted(Head(next(iter(at)), user) for user, at in lanes))

    @property
    def is_told(self) -> bool:
        """Whether the last marker tells of every lane that is busy now."""
        return all(head.position <= self.marked for head in self.heads)

    def begin(self, lane: str, position: int, user: str) -> None:
        """Note a cause that something follows from."""
        at = self._open.setdefault(lane, (user, {}))[1]
        if position not in at:
            at[position] = None
            self._count += 1

    def end(self, causes: Iterable[Cause]) -> None:
        """Note that causes are handled: what follows from them is in the log, or nothing does."""
        for lane, position in causes:
            _, at = self._open.get(lane, ("", {}))
            if position in at:
                # A lane without a cause is none: it must never be seen.
                if len(at) == 1:
                    del self._open[lane]
                else:
                    del at[position]
                self._count -= 1
        self._moved.set()
        self._moved = asyncio.Event()

    def left_open(self, through: int, handled: Iterable[Cause]) -> tuple[int, ...]:
        """Return what a marker through a position has to name as open, when `handled` is done."""
        done = set(handled)
        firsts = (
            next((at for at in positions if (lane, at) not in done), through + 1)
            for lane, (_, positions) in self._open.items()
        )
        return tuple(sorted(at for at in firsts if at <= through))

    def told(self, through: int) -> None:
        """Note that a marker through a position is in the log."""
        self.marked = max(self.marked, through)

    def is_open(self, lane: str, position: int) -> bool:
        """Return whether a cause is open."""
        return position in self._open.get(lane, ("", {}))[1]

    async def wait_for_room(self) -> None:
        """Return once there is not too much open."""
        while len(self._open) >= LANES_MAX or self._count >= OPEN_MAX:
            await self._moved.wait()

    async def wait_for_user(self, user: str, position: int) -> None:
        """Return once nothing of a user up to a position is open."""
        while any(head.user == user and head.position <= position for head in self.heads):
            await self._moved.wait()
