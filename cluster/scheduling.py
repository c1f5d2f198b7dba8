"""Asks for everybody's consolidation again and again, once in each window of time.

Windows are counted from 1970, so that all replicas and all restarts mean the same ones. The id of a
request follows from the person and the window: whoever was asked for in this window already is not
asked for again, and a system that slept through the beginning of a window makes up for it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from cluster.consolidating import Person, people_of, request_for
from events.catalogue import ConsolidationRequested
from events.clock import Clock, system_clock
from events.errors import KeyDestroyed, Unavailable
from events.ids import derived_id
from events.journal import Journal

log = structlog.get_logger(__name__)

#: The longest wait before the clock is looked at again, in seconds.
LOOK_S_MAX = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ConsolidationSchedule:
    """The clock of consolidation. `run` goes on until it is cancelled.

    Args:
        journals: of all shards.
        every: the length of a window.
        clock: tells the time.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        journals: Sequence[Journal],
        every: timedelta,
        *,
        clock: Clock = system_clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        assert every > timedelta(0), "without a window there is no schedule"
        self._journals = journals
        self._every = every
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Ask for everybody in each window, as soon as it has begun."""
        done = -1
        while True:
            window = (self._clock() - _EPOCH) // self._every
            if window > done:
                try:
                    asked = await self.ask_all(window)
                    done = window
                    log.info("consolidation_requested", window=window, people=asked)
                except Unavailable as error:
                    log.warning("consolidation_waits", error=error.message)
            ends = _EPOCH + (window + 1) * self._every
            left_s = (ends - self._clock()).total_seconds()
            await self._sleep(min(max(left_s, 0.0), LOOK_S_MAX))

    async def ask_all(self, window: int) -> int:
        """Ask for everybody who was not asked for in this window; return for how many.

        Raises:
            Unavailable: a log cannot be reached; ask again, nobody is asked for twice.
        """
        asked = 0
        for journal in self._journals:
            for person in await people_of(journal):
                try:
                    asked += await self._ask(journal, person, window)
                except KeyDestroyed:
                    continue  # erased at this moment
        return asked

    async def _ask(self, journal: Journal, person: Person, window: int) -> bool:
        every_s = int(self._every.total_seconds())
        wanted = derived_id("con", person.user, every_s, window)
        last = await journal.last_of(ConsolidationRequested.__name__, person.user)
        match last.payload if last else None:
            case ConsolidationRequested(consolidation_id=known) if known == wanted:
                return False
        begins = _EPOCH + window * self._every
        await journal.append([request_for(person, wanted, begins)])
        return True
