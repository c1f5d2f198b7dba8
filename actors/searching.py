"""The search agent's answering half: question in, hits out.

One hop from the gateway: the question is embedded and the index asked in this process. What an
answer to a message will ask for is searched before anybody asks (`foreseeing`); what was searched
goes on the record behind the answer (`search_records`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from actors.chatting.retrieving import Foresight
from actors.finding import Question, count, find, question_of, vector_of
from actors.foreseeing import Foreseen, Found
from actors.ports import EmbeddingService
from actors.queries import CountAll, SearchMemories, SearchOutcome
from actors.search_records import SearchRecords
from actors.settings import RankingSettings
from actors.shell import Shell
from events.ids import random_id
from events.journal import Journal
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import Vector
from projections.retrieval_projection import RetrievalProjection

#: People whose words are written ahead of their next search: those who searched last.
READY_MAX = 64
#: How long after a change; longer where writing takes long, so that it takes a tenth at most.
READY_PAUSE_S = 0.02
#: So few passages are searched in a millisecond or two; another thread would take half of one more.
BRIEF_PASSAGES_MAX = 1000
#: How long nothing is made anew after something was, in times of what that took.
RENEWAL_PAUSES = 4


class Searcher:
    """Searches the index that the search agent's shell keeps."""

    def __init__(
        self,
        shell: Shell,
        journal: Journal,
        embedding: EmbeddingService,
        ranking: RankingSettings | None = None,
        foresight: Foresight = lambda user, tenant, message: None,
    ) -> None:
        """Put it together; `foresight` tells which search the answer to a message begins with."""
        self.records = SearchRecords(journal)
        self._shell = shell
        self._embedding = embedding
        self._ranking = ranking
        self.foreseen = Foreseen(
            foresight, self._find, lambda user: self._index.stamp(user), shell.gate
        )
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._worn = asyncio.Event()

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
        found = await self.foreseen.claim(request, min_position)
        if found is None:
            found = await self._find(request, min_position, timeout_s)
        self._recent[request.user] = None
        self._recent.move_to_end(request.user)
        if len(self._recent) > READY_MAX:
            self._recent.popitem(last=False)
        outcome = SearchOutcome(
            search_id=random_id("search"), position=found.position, results=found.results
        )
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
        found, newer = await self._found(request, vector)
        while newer != question:  # a name was first said, or the person's model was switched
            question = newer
            vector = await vector_of(self._embedding, request, question)
            found, newer = await self._found(request, vector)
        self._tell_worn()
        return found

    async def _found(
        self, request: SearchMemories, vector: Vector | None
    ) -> tuple[Found, Question | None]:
        """Return what was found, and what the vector should be of there."""

        def look() -> tuple[Found, Question | None]:
            index = self._index
            results = find(index, request, vector, self._ranking)
            found = Found(self._shell.applied, results, index.stamp(request.user))
            return found, question_of(index, request)

        brief = self._index.size(request.user) <= BRIEF_PASSAGES_MAX
        return await self._shell.on_state(look, brief=brief)

    async def count(self, query: CountAll) -> dict[str, int]:
        """Return how many passages the index holds, of one user or of all."""
        return await self._shell.on_state(lambda: count(self._index, query))

    # --- beside what is asked --------------------------------------------------------------------

    async def run(self) -> None:
        """Record what was searched, and be ready for what will be, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.records.run())
            group.create_task(self._keep_ready())
            group.create_task(self._keep_fresh())

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
            self._tell_worn()
            pause_s = max(READY_PAUSE_S, 9 * (time.monotonic() - began_s))

    async def _keep_fresh(self) -> None:
        """Make words anew that are worn, beside those in use."""
        while True:
            await self._worn.wait()
            self._worn.clear()
            while True:
                index, began_s = self._index, time.monotonic()
                renewal = await self._shell.on_state(index.begin_renewal)
                if renewal is None:
                    break
                words = await asyncio.to_thread(renewal.make)
                await self._shell.on_state(partial(index.renew, renewal, words))
                await asyncio.sleep(RENEWAL_PAUSES * (time.monotonic() - began_s))

    def _tell_worn(self) -> None:
        if self._index.worn:
            self._worn.set()

    def _behind(self, users: Sequence[str]) -> list[str]:
        return [user for user in users if self._index.has_words_waiting(user)]

    def _write_words(self, user: str) -> None:
        self._index.write_words(user)
