"""Lanes: slow work holds up its own lane and nothing else.

A cause whose effects take long (an answer, a tool call, a generation) is in flight in its lane;
later causes of the lane wait undecided, in order, since what they lead to may rest on what comes of
it. Other lanes go on. Which lane a cause belongs to is the decider's to say.
"""

from __future__ import annotations

from collections import deque

from events.envelope import Event


class Lanes:
    """The lanes that are busy, and who waits in them."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Event]] = {}

    def join(self, lane: str, cause: Event) -> bool:
        """Put a cause behind what is in flight in its lane; return False when the lane is free."""
        if lane not in self._waiting:
            return False
        self._waiting[lane].append(cause)
        return True

    def occupy(self, lane: str) -> None:
        """Note that something is in flight in a lane."""
        self._waiting.setdefault(lane, deque())

    def next_of(self, lane: str) -> Event | None:
        """Return who is next in a lane; when nobody is, the lane is free again."""
        waiting = self._waiting[lane]
        if waiting:
            return waiting.popleft()
        del self._waiting[lane]
        return None
