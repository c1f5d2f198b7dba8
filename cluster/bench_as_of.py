"""How long a search of the past takes, at a random position of a log, of a random person.

The log is on a server of its own, its snapshots are those that the search agent would have taken.
The past answers as it does in its actor; one search at a time, after a round to warm up. The
question's vector comes from the embedder's twin: what is measured is the way back, not a model.
"""

from __future__ import annotations

import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np

from actors.embedding import HashEmbedder
from actors.embedding_queue import LocalEmbedding
from actors.past.past import Past
from actors.past.queries import AskPast
from actors.queries import SearchMemories
from cluster.bench_log import DIMENSION, scratch_log, write_log
from events.codec import Codec
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from projections.base import apply_or_skip
from projections.retrieval_projection import RetrievalProjection
from projections.snapshots import SnapshotDirectory

#: What the system aims at, for a log of 100,000 events.
P50_MS_MAX = 300
_QUESTIONS = (
    "Who plays the violin in the harbour?",
    "Which museum did my cousin visit in winter?",
    "When is the concert at the university?",
    "What was in the letter from the dentist?",
    "Where did we leave the camera?",
)


async def bench_as_of(
    directory: Path | None = None,
    *,
    events: int = 100_000,
    people: int = 100,
    searches: int = 200,
    snapshot_every: int = 20_000,
    seed: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Search as of random positions; return the times in milliseconds.

    Args:
        directory: where the scratch directory is made (default: where temporary files are).
        events: how long the log is.
        people: whose events they are.
        searches: how many are measured; before them as many to warm up.
        snapshot_every: events between two snapshots.
        seed: of the log, of positions and people.
        advance: hears how many events were written, and searches done, just now.
    """
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        keys = KeyRing(MemoryKeyStore())
        snapshots = SnapshotDirectory(Path(scratch), keys)
        async with scratch_log(directory) as connection:
            journal = Journal(connection.log(0), Codec(keys))
            await write_log(journal, events, people=people, seed=seed, advance=advance)
            users = await _take_snapshots(journal, snapshots, snapshot_every)
            past = Past(
                journal,
                snapshots=snapshots,
                embedding=LocalEmbedding(HashEmbedder(DIMENSION)),
                keys=keys,
            )
            asked = _Asked(past, users, events, random.Random(seed))
            first_ms = await asked.search_ms()
            for _ in range(searches):
                await asked.search_ms()
                advance(1)
            times_ms = []
            for _ in range(searches):
                times_ms.append(await asked.search_ms())
                advance(1)
            await past.close()
    p50, p95, p99 = (round(float(one), 1) for one in np.percentile(times_ms, (50, 95, 99)))
    return {
        "events": events,
        "people": people,
        "searches": searches,
        "found": asked.found,
        "first_ms": round(first_ms, 1),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "memory_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "p50_ms_max": P50_MS_MAX,
    }


async def _take_snapshots(
    journal: Journal, snapshots: SnapshotDirectory, every: int
) -> tuple[str, ...]:
    """Fold the log as the search agent does, with its snapshots; return whose events they are."""
    projection = RetrievalProjection()
    users: dict[str, None] = {}
    due = every
    async with aclosing(journal.read(kinds=projection.kinds)) as events:
        async for event in events:
            if event.position > due:
                await asyncio.to_thread(snapshots.save, projection, due)
                due += every
            apply_or_skip(projection, event)
            users[event.user] = None
    return tuple(users)


class _Asked:
    """Puts searches to the past, each of somebody, about something, at some time."""

    def __init__(
        self, past: Past, users: tuple[str, ...], events: int, choose: random.Random
    ) -> None:
        self._past = past
        self._users = users
        self._events = events
        self._choose = choose
        self.found = 0

    async def search_ms(self) -> float:
        """Search once; return how long it took."""
        request = SearchMemories(
            user=self._choose.choice(self._users),
            tenant="bench",
            query=self._choose.choice(_QUESTIONS),
        )
        position = self._choose.randint(1, self._events)
        started = time.perf_counter()
        recalled = await self._past.ask(AskPast(agent="search", query=request, as_of=position))
        took_ms = 1000 * (time.perf_counter() - started)
        self.found += len(recalled.answer.results)
        return took_ms
