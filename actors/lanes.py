"""Lanes: slow work holds up its own lane and nothing else.

A cause whose effects take long (an answer, a tool call, a generation) is in flight in its lane;
later causes of the lane wait undecided, in order, since what they lead to may rest on what comes of
it. Other lanes go on. Which lane a cause belongs to is the decider's to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from events.envelope import Event

#: Events that wait in memory; of those beyond, the position does, and the log has the rest.
HELD_MAX = 1000


class Lanes:
    """The lanes that are busy, and who waits in them."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._waiting: dict[str, deque[Event | int]] = {}
        self._held_max = held_max
        self._held = 0

    def join(self, lane: str, cause: Event) -> bool:
        """Put a cause behind what is in flight in its lane; return False when the lane is free."""
        if lane not in self._waiting:
            return False
        if self._held < self._held_max:
            self._held += 1
            self._waiting[lane].append(cause)
        else:
            self._waiting[lane].append(cause.position)
        return True

    def occupy(self, lane: str) -> None:
        """Note that something is in flight in a lane."""
        self._waiting.setdefault(lane, deque())

    def absent(self, lanes: Iterable[str]) -> list[int]:
        """Return the positions of those who are next in these lanes and not held here."""
        first = (self._waiting[lane][0] for lane in lanes if self._waiting.get(lane))
        return sorted(one for one in first if isinstance(one, int))

    def first(self, lane: str) -> Event | int | None:
        """Return who is next in a lane, by position where it is not held here; None: it is free."""
        waiting = self._waiting[lane]
        if waiting:
            return waiting[0]
        del self._waiting[lane]
        return None

    def pop(self, lane: str) -> None:
        """Let who is next in a lane go."""
        if not isinstance(self._waiting[lane].popleft(), int):
            self._held -= 1
