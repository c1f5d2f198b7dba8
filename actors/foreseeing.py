"""Searches that are begun before anybody asks: those that answers to messages begin with.

The gateway says which message is on its way into the log (`expect`), so that its search goes on
while it is being written. When the message itself comes along (`foresee`), that search counts if it
found all that there was before it, or is begun anew. The chat agent asks for it soon after
(`claim`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from actors.ahead import Ahead
from actors.chatting.retrieving import Foresight
from actors.gate import PositionGate
from actors.queries import Foresee, FoundMemory, SearchMemories
from events.catalogue import MessageReceived
from events.envelope import Event

#: How long the handling of a message lets its own search go first.
FIRST_S = 0.02
#: How long a claim waits for its message to come here.
SEEN_S = 1.0
#: What is asked for has to be there by then.
FORESEEN_TIMEOUT_S = 30.0


class Found(NamedTuple):
    """What was found, the position of the index then, and the stamp of the person in it."""

    position: int
    results: tuple[FoundMemory, ...]
    stamp: int


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
        #: How far the events have come that `foresee` was told of, handled or not.
        self._seen = PositionGate()
        self._ahead: Ahead[SearchMemories, Found] = Ahead()
        #: One that finds a person with this stamp has all that was before its message.
        self._stamps: WeakKeyDictionary[asyncio.Task[Found], int] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._ahead)

    def search_for(self, request: SearchMemories) -> asyncio.Task[Found] | None:
        """Return the search that was begun for a request."""
        return self._ahead.get(request)

    def expect(self, coming: Foresee) -> None:
        """Begin the search for the answer to a message that is on its way into the log."""
        request = self._foresight(coming.user, coming.tenant, coming.message)
        if request is not None and self._ahead.get(request) is None:
            self._begin(request, 0, None)

    async def foresee(self, events: Sequence[Event]) -> None:
        """Begin the searches that answers will begin with: the chat agent is about to ask."""
        heard: set[str] = set()
        first: set[asyncio.Task[Found]] = set()
        for event in events:
            request = self._request_of(event)
            if request is not None:
                before = event.position - 1
                alone = event.user not in heard
                search = self._sure(request, alone) or self._begin(
                    request, before, self._stamp(event.user) if alone else None
                )
                if search is not None and self._gate.position >= before:
                    first.add(search)
            heard.add(event.user)
        if events:
            self._seen.advance(events[-1].position)
        if first:
            # What is kept of the messages comes after: both would want this process at once.
            await asyncio.wait(first, timeout=FIRST_S)

    async def claim(self, request: SearchMemories, min_position: int) -> Found | None:
        """Return what was searched ahead, if it has `min_position`; it is claimed once.

        The message that it is for is the one behind `min_position`. Who asks may have it before
        this agent does, which only then can tell whether the search has all.
        """
        if self._ahead.get(request) is None:
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_S):
                await self._seen.wait_for(min_position + 1)
        search = self._ahead.claim(request)
        if search is None:
            return None
        found = await search
        has_all = found.position >= min_position or found.stamp == self._stamps.get(search)
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
        self._stamps[search] = stamp
        return search

    def _begin(
        self, request: SearchMemories, before: int, stamp: int | None
    ) -> asyncio.Task[Found] | None:
        """Begin a search that has `before`; None where too many are begun already."""
        search = self._ahead.begin(request, self._find(request, before, FORESEEN_TIMEOUT_S))
        if search is not None and stamp is not None:
            self._stamps[search] = stamp
        return search
