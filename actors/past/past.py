"""Everything that can be asked about the past of one shard.

What an agent would have answered is answered by the same readers as today, over a view of what it
held then (`views`). Nothing is appended: a search of the past is not on the record.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import numpy.typing as npt

from actors.names import OWNER_OF, Agent
from actors.past.moments import Moments
from actors.past.queries import (
    AskFork,
    AskPast,
    AsOf,
    Difference,
    ForkReport,
    GetConsolidation,
    GetCorrelation,
    GetDiff,
    GetEvent,
    GetHistory,
    GetWhy,
    ListEvents,
    PastQuery,
    Recalled,
)
from actors.past.views import Views
from actors.ports import EmbeddingService
from actors.queries import (
    AdoptState,
    CountAll,
    GetAssistant,
    GetState,
    ListAssistants,
    ListTools,
    Query,
    RevealSecret,
    RollBackState,
    SearchMemories,
    SearchOutcome,
)
from actors.readers import read
from actors.settings import RankingSettings
from events.envelope import NOBODY
from events.errors import CommandRejected, DeadlineExceeded
from events.journal import EventReader
from events.memory import TIERS, Tier
from events.sealing import KeyRing
from projections.base import Projection
from projections.snapshots import SnapshotStore
from projections.tiers import TierProjection

if TYPE_CHECKING:
    from actors.finding import Question
    from projections.retrieval.index import RetrievalIndex

#: Questions whose vectors are remembered.
QUESTIONS_MAX = 1000
#: Forks that are worked out at a time, the others wait: each holds a person's memory thrice.
FORKS_MAX = 2
#: Changes that one answer tells: some 20 MB of them.
CHANGES_MAX = 20_000

Vector = npt.NDArray[np.float32]


class Past:
    """Answers questions about the past of a shard from its log and snapshots; never writes."""

    def __init__(
        self,
        reader: EventReader,
        *,
        snapshots: SnapshotStore,
        embedding: EmbeddingService,
        keys: KeyRing | None,
        ranking: RankingSettings | None = None,
    ) -> None:
        self._reader = reader
        self._embedding = embedding
        self._keys = keys
        self._ranking = ranking
        self._moments = Moments(reader)
        self._views = Views(reader, snapshots, keys)
        self._vectors: OrderedDict[Question, Vector] = OrderedDict()
        self._forks = asyncio.Semaphore(FORKS_MAX)

    async def ask(self, query: PastQuery, *, timeout_s: float = 60) -> Any:
        """Answer a query.

        Raises:
            NotFound: there was no such thing.
            CommandRejected: the log does not go that far, or the past does not answer such queries.
            DeadlineExceeded: it was not worked out in `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                return await self._answer(query)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"{type(query).__name__} about shard {self._reader.shard} was not answered within"
                f" {timeout_s:g} s; ask again, it goes on from where it is now"
            ) from None

    async def position_at(self, as_of: AsOf) -> int:
        """Return the position that a moment stands for.

        Raises:
            CommandRejected: the log does not go that far.
        """
        return await self._moments.position_at(as_of)

    async def view(self, agent: Agent, user: str, position: int) -> Projection:
        """Return what an agent held of a user (empty: of everybody); it is the caller's from now.

        Raises:
            CommandRejected: the log does not go that far.
        """
        return await self._views.build(agent, user, await self.position_at(position))

    async def close(self) -> None:
        """Stop what is being worked out."""
        await self._views.close()

    async def _answer(self, query: PastQuery) -> Any:
        # Modules of explaining and listing come with the first question to them.
        match query:
            case AskPast(agent=agent, query=asked):
                position = await self.position_at(query.as_of)
                answer = await self._recall(agent, asked, position)
                return Recalled(position=position, answer=answer)
            case GetDiff():
                return await self._diff(query)
            case AskFork():
                return await self._fork(query)
            case GetHistory():
                from actors.past.history import history

                return await history(self._reader, query)
            case GetWhy():
                from actors.past.history import why

                return await why(self._reader, query)
            case ListEvents():
                from actors.past.events import list_events

                return await list_events(self._reader, await self._moments.index(), query)
            case GetEvent():
                from actors.past.events import get_event

                return await get_event(self._reader, await self._moments.index(), query)
            case GetCorrelation():
                from actors.past.events import get_correlation

                return await get_correlation(self._reader, await self._moments.index(), query)
            case GetConsolidation():
                from actors.past.consolidations import consolidation

                return await consolidation(self._reader, query)
            case _:
                assert_never(query)

    async def _recall(self, agent: Agent, query: Query, position: int) -> Any:
        """Return what an agent would have answered."""
        match query:
            case RevealSecret() | ListTools() | GetState() | AdoptState() | RollBackState():
                raise CommandRejected(
                    f"{type(query).__name__} has no answer as of a moment; ask without one"
                )
            case GetAssistant() | ListAssistants():
                return await self._read(agent, NOBODY, query, position)
            case SearchMemories() if agent == "search":
                return await self._search(query, position)
            case CountAll(user=user):
                counts = await self._read(agent, user, query, position)
                if agent == "chat" and user:
                    # Profiles are nobody's: what a view of one user holds has none.
                    all_profiles = await self._read(agent, NOBODY, query, position)
                    counts["assistants"] = all_profiles["assistants"]
                return counts
            case _:
                return await self._read(agent, query.user, query, position)

    async def _read(self, agent: Agent, user: str, query: Query, position: int) -> Any:
        async with self._views.lease((agent,), user, position) as projections:
            projection = projections[agent]
            if agent == "search" and isinstance(query, CountAll):
                from actors.finding import count

                index = _index_of(projection)
                return await self._views.on_view(lambda: count(index, query))
            return await self._views.on_view(lambda: read(projection, query, None))

    async def _search(self, request: SearchMemories, position: int) -> SearchOutcome:
        # With numpy and the ranking below it: most that is asked of the past is no search.
        from actors.finding import find, question_of

        async with self._views.lease(("search",), request.user, position) as projections:
            index = _index_of(projections["search"])
            question = await self._views.on_view(lambda: question_of(index, request))
            vector = await self._vector_of(request, question)
            # As the search agent ranks now: what is asked of the past is what was known, not how.
            results = await self._views.on_view(lambda: find(index, request, vector, self._ranking))
        # Nothing is recorded of this search, so it has no id.
        return SearchOutcome(search_id="", position=position, results=results)

    async def _vector_of(self, request: SearchMemories, question: Question | None) -> Vector | None:
        from actors.finding import vector_of

        if question is None:
            return None
        known = self._vectors.get(question)
        if known is None:
            known = await vector_of(self._embedding, request, question)
            if known is None:
                return None
            self._vectors[question] = known
            if len(self._vectors) > QUESTIONS_MAX:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(question)
        return known

    async def _fork(self, query: AskFork) -> ForkReport:
        from actors.extraction.extractor import EXTRACTORS
        from actors.past.fork import FORKABLE, ForkRequest, fork

        if self._keys is None:
            raise CommandRejected("without the keys of the log nothing can be decided again")
        start = await self.position_at(query.at)
        until = query.until
        end = await self._reader.last_position() if until is None else await self.position_at(until)
        request = ForkRequest(
            at=start,
            until=end,
            user=query.user,
            agents=query.agents or FORKABLE,
            settings=query.settings,
        )
        extractor = EXTRACTORS[query.extractor]()
        async with self._forks:
            report = await fork(
                self._reader, self.view, request, extractor=extractor, keys=self._keys
            )
        _check_length(report.difference)
        return report

    async def _diff(self, query: GetDiff) -> Difference:
        from actors.past.difference import difference

        start = await self.position_at(query.start)
        if query.end is None:
            end = await self._reader.last_position()
        else:
            end = await self.position_at(query.end)
        if start > end:
            raise CommandRejected(
                f"a difference goes forward: it cannot start at position {start} and end at {end}"
            )
        tiers = tuple(tier for tier in TIERS if not query.tiers or tier in query.tiers)
        agents = tuple(OWNER_OF[tier] for tier in tiers)
        async with (
            self._views.lease(agents, query.user, start) as before,
            self._views.lease(agents, query.user, end) as after,
        ):
            found = await self._views.on_view(
                lambda: difference(
                    self._reader.shard,
                    start,
                    end,
                    _tiers_of(before),
                    _tiers_of(after),
                    query.user,
                    tiers,
                )
            )
        _check_length(found)
        return found


def _check_length(found: Difference) -> None:
    """Refuse to send what nobody reads and few can hold."""
    if len(found.changes) > CHANGES_MAX:
        raise CommandRejected(
            f"{len(found.changes)} memories differ between positions {found.start} and"
            f" {found.end}, more than the {CHANGES_MAX} that an answer tells; ask for fewer tiers,"
            " or for moments that are nearer to each other"
        )


def _index_of(projection: Any) -> RetrievalIndex:
    """Return the search agent's index, without loading its module here."""
    index: RetrievalIndex = projection.index
    return index


def _tiers_of(projections: Any) -> dict[Tier, TierProjection]:
    held = (one for one in projections.values() if isinstance(one, TierProjection))
    return {one.tier: one for one in held}
