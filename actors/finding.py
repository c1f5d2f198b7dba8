"""A search over an index, from the question as it is asked to the hits as they are answered.

The search agent runs it over what it holds now (`actors/searching.py`), the historian over what it
held at some position (`actors/past/past.py`): one code, so that both find the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from actors.embedding import ModelNotServed
from actors.queries import CountAll, FoundMemory, SearchMemories
from actors.settings import RankingSettings
from projections.retrieval.passage import Hit, SearchRequest, Vector
from projections.retrieval.ranking import Weights

if TYPE_CHECKING:
    from actors.ports import EmbeddingService
    from projections.retrieval.index import RetrievalIndex

log = structlog.get_logger(__name__)

#: A question longer than this is searched by its beginning.
QUERY_CHARS_MAX = 4000


def wants_vector(request: SearchMemories) -> bool:
    """Say whether meaning plays a part, so that the question must be embedded."""
    return request.method in ("hybrid", "embedding")


def text_to_embed(index: RetrievalIndex, request: SearchMemories) -> str:
    """Return the text whose vector stands for the question."""
    return index.bare_question(request.user, request.query[:QUERY_CHARS_MAX])


class Question(NamedTuple):
    """What of a question is embedded, and by which model: the one of the person's vectors."""

    text: str
    model: str


def question_of(index: RetrievalIndex, request: SearchMemories) -> Question | None:
    """Return what to embed for a search; None where the way of searching needs no vector."""
    if not wants_vector(request):
        return None
    return Question(text_to_embed(index, request), index.model_of(request.user))


async def vector_of(
    embedding: EmbeddingService, request: SearchMemories, question: Question | None
) -> Vector | None:
    """Return a question's vector; None where words alone can be searched for.

    Raises:
        ModelNotServed: only vectors are searched, and their model cannot be reached.
        Unavailable: the system's own model cannot be reached at the moment.
    """
    if question is None:
        return None
    try:
        embedded = await embedding.embed([question.text], question.model)
    except ModelNotServed as error:
        if request.method == "embedding":
            raise
        log.warning("question_not_embedded", model=question.model, error=error.message)
        return None
    vector: Vector = embedded.vectors[0]
    return vector


def find(
    index: RetrievalIndex,
    request: SearchMemories,
    vector: Vector | None,
    ranking: RankingSettings | None = None,
) -> tuple[FoundMemory, ...]:
    """Search one user's passages; `vector` is that of `text_to_embed`.

    `ranking` is the system's; None: as it is without any settings.
    """
    ranking = ranking or RankingSettings()
    wanted = wanted_by(request, vector, ranking.exact_max)
    return tuple(map(_found, index.search(wanted, Weights(**ranking.weights))))


def wanted_by(
    request: SearchMemories, vector: Vector | None, exact_max: int | None = None
) -> SearchRequest:
    """Return the request as the index takes it."""
    return SearchRequest(
        user=request.user,
        query=request.query[:QUERY_CHARS_MAX],
        vector=vector,
        tiers=request.tiers or None,
        limit=request.limit,
        method=request.method,
        threshold=request.threshold,
        tags=request.tags,
        since=request.since,
        until=request.until,
        occurred_since=request.occurred_since,
        occurred_until=request.occurred_until,
        assistant=request.assistant,
        explain=request.explain,
        exclude=request.exclude_ids,
        exact_max=exact_max,
    )


def count(index: RetrievalIndex, query: CountAll) -> dict[str, int]:
    """Return how many passages of a user the index holds."""
    return {"passages": index.size(query.user)}


def _found(hit: Hit) -> FoundMemory:
    return FoundMemory(
        id=hit.id,
        tier=hit.tier,
        text=hit.text,
        score=hit.score,
        speaker=hit.speaker,
        conversation=hit.conversation,
        occurred_at=hit.occurred_at,
        said_at=hit.said_at,
        recorded_at=hit.recorded_at,
        message_ids=hit.message_ids,
        external_ids=hit.external_ids,
        event_ids=(hit.event_id,) if hit.event_id else (),
        relevance=hit.relevance,
        superseded=hit.superseded,
        title=hit.title,
        signals=hit.signals,
    )
