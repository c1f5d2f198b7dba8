"""The search agent's answering half: question in, hits out, and the search itself on the record.

One hop from the gateway: the question is embedded and the index asked in this process. What was
asked and found is appended behind the answer (`SearchPerformed` is training data), through a
bounded queue that makes searching wait when the log cannot keep up.
"""

from __future__ import annotations

import asyncio

import structlog

from actors.finding import QUERY_CHARS_MAX, count, find, text_to_embed, wants_vector
from actors.ports import EmbeddingService
from actors.queries import CountAll, SearchMemories, SearchOutcome
from actors.shell import Shell
from events.catalogue import SearchHit, SearchPerformed
from events.envelope import NewEvent
from events.errors import KeyDestroyed, Unavailable
from events.ids import random_id
from events.journal import Journal
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import Vector
from projections.retrieval_projection import RetrievalProjection

#: Searches that may wait to be recorded.
RECORDS_WAITING_MAX = 1000
#: Searches recorded in one append, and how long the first of them waits for the others.
RECORDS_BATCH_MAX = 500
RECORDS_PAUSE_S = 0.5

log = structlog.get_logger(__name__)


class Searcher:
    """Searches the index that the search agent's shell keeps."""

    def __init__(self, shell: Shell, journal: Journal, embedding: EmbeddingService) -> None:
        self._shell = shell
        self._journal = journal
        self._embedding = embedding
        self._records: asyncio.Queue[NewEvent] = asyncio.Queue(RECORDS_WAITING_MAX)

    @property
    def _index(self) -> RetrievalIndex:
        """The index of the moment: the shell's state may be replaced."""
        projection = self._shell.projection
        if not isinstance(projection, RetrievalProjection):
            raise TypeError(f"agent {self._shell.agent} holds no retrieval index")
        return projection.index

    async def search(
        self, request: SearchMemories, *, min_position: int = 0, timeout_s: float = 10
    ) -> SearchOutcome:
        """Search one user's memory, once the index has applied `min_position`.

        Raises:
            DeadlineExceeded: the index did not get there in `timeout_s` seconds.
        """
        text: str | None = None
        if wants_vector(request):
            text = await self._shell.on_state(lambda: text_to_embed(self._index, request))
        if not min_position:
            vector = await self._embedded(text)
        else:
            # Side by side: embedding takes about as long as the index is behind.
            vector, _ = await asyncio.gather(
                self._embedded(text),
                self._shell.wait_for(min_position, timeout_s, user=request.user),
            )
            if text is not None:  # a name that was first said meanwhile counts as one
                newer = await self._shell.on_state(lambda: text_to_embed(self._index, request))
                vector = vector if newer == text else await self._embedded(newer)
        position, results = await self._shell.on_state(
            lambda: (self._shell.applied, find(self._index, request, vector))
        )
        outcome = SearchOutcome(search_id=random_id("search"), position=position, results=results)
        await self._records.put(_record(request, outcome))
        return outcome

    async def _embedded(self, text: str | None) -> Vector | None:
        """Return a question's vector; none where the way of searching needs none."""
        if text is None:
            return None
        vector: Vector = (await self._embedding.embed([text])).vectors[0]
        return vector

    async def count(self, query: CountAll) -> dict[str, int]:
        """Return how many passages the index holds, of one user or of all."""
        return await self._shell.on_state(lambda: count(self._index, query))

    async def run(self) -> None:
        """Append what was searched, until cancelled."""
        while True:
            batch = [await self._records.get()]
            # Nobody waits for them, and every append wakes all nine agents: many go in one.
            await asyncio.sleep(RECORDS_PAUSE_S)
            while len(batch) < RECORDS_BATCH_MAX and not self._records.empty():
                batch.append(self._records.get_nowait())
            await self._append(batch)

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
        ),
        tenant=request.tenant,
        user=request.user,
        correlation_id=outcome.search_id,
        producer="search",
    )
