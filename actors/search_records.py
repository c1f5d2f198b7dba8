"""Searches on the record: what was asked and found is appended behind the answer.

`SearchPerformed` is what a ranker learns from, together with what people say of the hits. It goes
through a bounded queue that makes searching wait when the log cannot keep up.
"""

from __future__ import annotations

import asyncio
from datetime import date

import structlog

from actors.finding import QUERY_CHARS_MAX
from actors.queries import SearchMemories, SearchOutcome
from events.catalogue import SearchHit, SearchPerformed
from events.envelope import NewEvent
from events.errors import DeadlineExceeded, KeyDestroyed, Unavailable
from events.journal import Journal

#: Searches that may wait to be recorded.
RECORDS_WAITING_MAX = 1000
#: Searches recorded in one append, and how long the first of them waits for the others.
RECORDS_BATCH_MAX = 500
RECORDS_PAUSE_S = 0.5

log = structlog.get_logger(__name__)


class SearchRecords:
    """What is still to be appended about searches."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._records: asyncio.Queue[NewEvent] = asyncio.Queue(RECORDS_WAITING_MAX)
        #: Searches that are answered and not in the log yet, by id.
        self._unrecorded: dict[str, asyncio.Event] = {}

    async def recorded(self, search_id: str, timeout_s: float) -> None:
        """Return once a search that was answered here is in the log; of others nothing is known.

        Raises:
            DeadlineExceeded: it was not written in `timeout_s` seconds.
        """
        waiting = self._unrecorded.get(search_id)
        if waiting is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await waiting.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"search {search_id} is not in the log after {timeout_s:g} s; try again"
            ) from error

    async def note(self, request: SearchMemories, outcome: SearchOutcome) -> None:
        """Let a search be recorded behind its answer."""
        record = _record(request, outcome)
        self._unrecorded[record.event_id] = asyncio.Event()
        try:
            await self._records.put(record)
        except BaseException:  # nobody gets the answer, and nothing will be recorded
            del self._unrecorded[record.event_id]
            raise

    async def run(self) -> None:
        """Append what was searched, until cancelled."""
        while True:
            batch = [await self._records.get()]
            # Nobody waits for them, and every append wakes all nine agents: many go in one.
            await asyncio.sleep(RECORDS_PAUSE_S)
            while len(batch) < RECORDS_BATCH_MAX and not self._records.empty():
                batch.append(self._records.get_nowait())
            await self._append(batch)
            for record in batch:
                self._unrecorded.pop(record.event_id).set()

    async def _append(self, batch: list[NewEvent]) -> None:
        wait_s = 0.2
        while batch:
            try:
                await self._journal.append(batch)
                return
            except Unavailable as error:
                log.warning("search_record_waits", error=error.message)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)
            except KeyDestroyed:
                keys = self._journal.codec.keys
                for user in {event.user for event in batch}:
                    keys.forget(user)
                batch = [event for event in batch if not keys.is_erased(event.user)]


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _record(request: SearchMemories, outcome: SearchOutcome) -> NewEvent:
    return NewEvent(
        event_id=outcome.search_id,
        payload=SearchPerformed(
            search_id=outcome.search_id,
            query=request.query[:QUERY_CHARS_MAX],
            method=request.method,
            tiers=request.tiers,
            hits=tuple(
                SearchHit(id=hit.id, tier=hit.tier, score=hit.score) for hit in outcome.results
            ),
            position=outcome.position,
            tags=request.tags,
            since=request.since,
            until=request.until,
            occurred_since=_day(request.occurred_since),
            occurred_until=_day(request.occurred_until),
            assistant=request.assistant,
            excluded=request.exclude_ids,
        ),
        tenant=request.tenant,
        user=request.user,
        correlation_id=outcome.search_id,
        producer="search",
    )
