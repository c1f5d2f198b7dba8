"""A search over an index, from the question as it is asked to the hits as they are answered.

The search agent runs it over what it holds now (`actors/searching.py`), the historian over what it
held at some position (`actors/past/past.py`): one code, so that both find the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.queries import CountAll, FoundMemory, SearchMemories
from projections.retrieval.passage import Hit, SearchRequest, Vector

if TYPE_CHECKING:
    from projections.retrieval.index import RetrievalIndex

#: A question longer than this is searched by its beginning.
QUERY_CHARS_MAX = 4000


def wants_vector(request: SearchMemories) -> bool:
    """Say whether meaning plays a part, so that the question must be embedded."""
    return request.method in ("hybrid", "embedding")


def text_to_embed(index: RetrievalIndex, request: SearchMemories) -> str:
    """Return the text whose vector stands for the question."""
    return index.bare_question(request.user, request.query[:QUERY_CHARS_MAX])


def find(
    index: RetrievalIndex, request: SearchMemories, vector: Vector | None
) -> tuple[FoundMemory, ...]:
    """Search one user's passages; `vector` is that of `text_to_embed`."""
    wanted = SearchRequest(
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
        explain=request.explain,
        exclude=request.exclude_ids,
    )
    return tuple(map(_found, index.search(wanted)))


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
