"""The search agent's answering half: question in, hits out.

One hop from the gateway: the question is embedded and the index asked in this process. What an
answer to a message will ask for is searched when the message comes in, before anybody asks; what
was searched goes on the record behind the answer (`search_records`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from actors.chatting.retrieving import Foresight
from actors.finding import Question, count, find, question_of, vector_of
from actors.ports import EmbeddingService
from actors.queries import CountAll, FoundMemory, SearchMemories, SearchOutcome
from actors.search_records import SearchRecords
from actors.shell import Shell
from events.envelope import Event
from events.ids import random_id
from events.journal import Journal
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import Vector
from projections.retrieval.ranking import HAND_SET, Weights
from projections.retrieval_projection import RetrievalProjection

#: People whose words are written ahead of their next search: those who searched last.
READY_MAX = 64
#: How long after a change; longer where writing takes long, so that it takes a tenth at most.
READY_PAUSE_S = 0.02
#: How long nothing is made anew after something was, in times of what that took.
RENEWAL_PAUSES = 4
#: How long a search that was begun ahead waits to be asked for, and how many may.
FORESEEN_S = 2.0
FORESEEN_MAX = 64
#: How long the handling of a message lets its own search go first.
FIRST_S = 0.02
#: What is asked for has to be there by then.
FORESEEN_TIMEOUT_S = 30.0

#: The position of an index, and what was found in it.
Found: TypeAlias = tuple[int, tuple[FoundMemory, ...]]


class Searcher:
    """Searches the index that the search agent's shell keeps."""

    def __init__(
        self,
        shell: Shell,
        journal: Journal,
        embedding: EmbeddingService,
        weights: Weights = HAND_SET,
        foresight: Foresight = lambda event: None,
    ) -> None:
        """Put it together; `foresight` tells which search the answer to a message begins with."""
        self.records = SearchRecords(journal)
        self._shell = shell
        self._embedding = embedding
        self._weights = weights
        self._foresight = foresight
        self._foreseen: dict[SearchMemories, tuple[int, asyncio.Task[Found]]] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._stale = asyncio.Event()

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
        foreseen = self._foreseen.pop(request, None)
        if foreseen is not None and foreseen[0] >= min_position:
            position, results = await foreseen[1]
        else:
            position, results = await self._find(request, min_position, timeout_s)
        self._recent[request.user] = None
        self._recent.move_to_end(request.user)
        if len(self._recent) > READY_MAX:
            self._recent.popitem(last=False)
        outcome = SearchOutcome(search_id=random_id("search"), position=position, results=results)
        await self.records.note(request, outcome)
        return outcome

    async def _find(self, request: SearchMemories, min_position: int, timeout_s: float) -> Found:
        """Return what is found, and the position of the index that it was found in."""
        # Not on the state's thread, whose turn would have to be waited for: `_found` says, at the
        # position that it searches, whether this was right.
        question = question_of(self._index, request)
        if not min_position:
            vector = await vector_of(self._embedding, request, question)
        else:
            # Side by side: embedding takes about as long as the index is behind.
            vector, _ = await asyncio.gather(
                vector_of(self._embedding, request, question),
                self._shell.wait_for(min_position, timeout_s, user=request.user),
            )
        position, results, newer = await self._found(request, vector)
        while newer != question:  # a name was first said, or the person's model was switched
            question = newer
            vector = await vector_of(self._embedding, request, question)
            position, results, newer = await self._found(request, vector)
        self._tell_stale()
        return position, results

    async def _found(
        self, request: SearchMemories, vector: Vector | None
    ) -> tuple[int, tuple[FoundMemory, ...], Question | None]:
        """Return the position searched, what was found, and what the vector should be of there."""
        return await self._shell.on_state(
            lambda: (
                self._shell.applied,
                find(self._index, request, vector, self._weights),
                question_of(self._index, request),
            )
        )

    async def count(self, query: CountAll) -> dict[str, int]:
        """Return how many passages the index holds, of one user or of all."""
        return await self._shell.on_state(lambda: count(self._index, query))

    # --- ahead of what is asked -----------------------------------------------------------------

    async def foresee(self, events: Sequence[Event]) -> None:
        """Begin the searches that answers will begin with: the chat agent is about to ask."""
        for event in events:
            request = self._foresight(event)
            if request is None or len(self._foreseen) >= FORESEEN_MAX:
                continue
            before = event.position - 1
            task = asyncio.create_task(self._find(request, before, FORESEEN_TIMEOUT_S))
            self._foreseen[request] = (before, task)
            asyncio.get_running_loop().call_later(FORESEEN_S, self._forget, request, task)
            if self._shell.gate.position >= before:
                # What is kept of the message comes after it: both would want this process at once.
                await asyncio.wait({task}, timeout=FIRST_S)

    def _forget(self, request: SearchMemories, task: asyncio.Task[Found]) -> None:
        """Drop what nobody asked for."""
        if self._foreseen.get(request, (0, None))[1] is not task:
            return
        del self._foreseen[request]
        task.cancel()
        if task.done() and not task.cancelled():
            task.exception()  # seen, so that nothing is said of it: nobody wanted it

    async def run(self) -> None:
        """Record what was searched, and be ready for what will be, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.records.run())
            group.create_task(self._keep_ready())
            group.create_task(self._keep_exact())

    async def _keep_ready(self) -> None:
        """Write the words of those who searched lately, so that their next search need not."""
        pause_s, seen = READY_PAUSE_S, 0
        while True:
            await self._shell.gate.wait_for(seen + 1)
            seen = self._shell.gate.position
            await asyncio.sleep(pause_s)
            began_s = time.monotonic()
            behind = partial(self._behind, tuple(self._recent))
            for user in await self._shell.on_state(behind):
                await self._shell.on_state(partial(self._write_words, user))
            self._tell_stale()
            pause_s = max(READY_PAUSE_S, 9 * (time.monotonic() - began_s))

    async def _keep_exact(self) -> None:
        """Make words anew, beside those in use, whose weights count what was removed."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            while True:
                index, began_s = self._index, time.monotonic()
                renewal = await self._shell.on_state(index.begin_renewal)
                if renewal is None:
                    break
                words = await asyncio.to_thread(renewal.make)
                await self._shell.on_state(partial(index.renew, renewal, words))
                await asyncio.sleep(RENEWAL_PAUSES * (time.monotonic() - began_s))

    def _tell_stale(self) -> None:
        if self._index.stale:
            self._stale.set()

    def _behind(self, users: Sequence[str]) -> list[str]:
        return [user for user in users if self._index.has_words_waiting(user)]

    def _write_words(self, user: str) -> None:
        self._index.write_words(user)
