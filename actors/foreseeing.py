"""Searches that are begun before anybody asks: those that answers to messages begin with.

The gateway says which message is on its way into the log (`expect`), so that its search goes on
while it is being written. When the message itself comes along (`foresee`), that search counts if it
found all that there was before it, or is begun anew. The chat agent asks for it soon after
(`claim`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from actors.chatting.retrieving import Foresight
from actors.gate import PositionGate
from actors.queries import Foresee, FoundMemory, SearchMemories
from events.catalogue import MessageReceived
from events.envelope import Event

#: How long a search that was begun ahead waits to be asked for, and how many may.
FORESEEN_S = 2.0
FORESEEN_MAX = 64
#: How long the handling of a message lets its own search go first.
FIRST_S = 0.02
#: What is asked for has to be there by then.
FORESEEN_TIMEOUT_S = 30.0


class Found(NamedTuple):
    """What was found, the position of the index then, and the stamp of the person in it."""

    position: int
    results: tuple[FoundMemory, ...]
    stamp: int


class Begun(NamedTuple):
    """A search that was begun ahead; one of a person with `stamp` has all that was before it."""

    search: asyncio.Task[Found]
    stamp: int | None


class Foreseen:
    """The searches that were begun and not asked for yet; for one event loop.

    Args:
        foresight: tells which search the answer to a message begins with.
        find: searches: (request, position that the index has to have, seconds) -> what is found.
        stamp: a number of a person that is another after every change of what they can find.
        gate: how far the events have been handled that `foresee` is told of.
    """

    def __init__(
        self,
        foresight: Foresight,
        find: Callable[[SearchMemories, int, float], Coroutine[Any, Any, Found]],
        stamp: Callable[[str], int],
        gate: PositionGate,
    ) -> None:
        self._foresight = foresight
        self._find = find
        self._stamp = stamp
        self._gate = gate
        self._begun: dict[SearchMemories, Begun] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def search_for(self, request: SearchMemories) -> asyncio.Task[Found] | None:
        """Return the search that was begun for a request."""
        begun = self._begun.get(request)
        return begun.search if begun else None

    def expect(self, coming: Foresee) -> None:
        """Begin the search for the answer to a message that is on its way into the log."""
        request = self._foresight(coming.user, coming.tenant, coming.message)
        if request is not None and request not in self._begun:
            self._begin(request, 0, None)

    async def foresee(self, events: Sequence[Event]) -> None:
        """Begin the searches that answers will begin with: the chat agent is about to ask."""
        heard: set[str] = set()
        for event in events:
            request = self._request_of(event)
            if request is not None:
                before = event.position - 1
                alone = event.user not in heard
                search = self._sure(request, alone) or self._begin(
                    request, before, self._stamp(event.user) if alone else None
                )
                if search is not None and self._gate.position >= before:
                    # What is kept of the message comes after: both would want this process at once.
                    await asyncio.wait({search}, timeout=FIRST_S)
            heard.add(event.user)

    async def claim(self, request: SearchMemories, min_position: int) -> Found | None:
        """Return what was searched ahead, if it has `min_position`; it is claimed once."""
        begun = self._begun.pop(request, None)
        if begun is None:
            return None
        found = await begun.search
        has_all = found.position >= min_position or found.stamp == begun.stamp
        return found if has_all else None

    def _request_of(self, event: Event) -> SearchMemories | None:
        message = event.payload
        if not isinstance(message, MessageReceived):
            return None
        return self._foresight(event.user, event.envelope.tenant, message)

    def _sure(self, request: SearchMemories, alone: bool) -> asyncio.Task[Found] | None:
        """Return a search that was begun, if what it finds is all that was before its message.

        So it is when nothing of the person has changed between it and now, and nothing of theirs
        is waiting to be applied before the message (`alone`).
        """
        search = self.search_for(request)
        if search is None or not alone:
            return None
        stamp = self._stamp(request.user)
        if search.done() and (
            search.cancelled() or search.exception() or search.result().stamp != stamp
        ):
            return None
        self._begun[request] = Begun(search, stamp)
        return search

    def _begin(
        self, request: SearchMemories, before: int, stamp: int | None
    ) -> asyncio.Task[Found] | None:
        """Begin a search that has `before`; None where too many are begun already."""
        old = self._begun.pop(request, None)
        if old is not None:
            old.search.cancel()
        if len(self._begun) >= FORESEEN_MAX:
            return None
        search = asyncio.create_task(self._find(request, before, FORESEEN_TIMEOUT_S))
        self._begun[request] = Begun(search, stamp)
        asyncio.get_running_loop().call_later(FORESEEN_S, self._forget, request, search)
        return search

    def _forget(self, request: SearchMemories, search: asyncio.Task[Found]) -> None:
        """Drop what nobody asked for."""
        if self.search_for(request) is not search:
            return
        del self._begun[request]
        search.cancel()
        if search.done() and not search.cancelled():
            search.exception()  # seen, so that nothing is said of it: nobody wanted it
