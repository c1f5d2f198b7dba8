"""Short ways to write passages and searches, shared by the retrieval tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from actors.embedding import HashEmbedder
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import Hit, Passage, SearchRequest

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TWIN = HashEmbedder(256)


def message(number: int, text: str, *, user: str = "ada", **fields: Any) -> Passage:
    """Return a message that was said `number` minutes after the start."""
    moment = START + timedelta(minutes=number)
    given = {
        "id": f"m{number}",
        "tier": "conversation",
        "conversation": "c1",
        "position": number,
        "recorded_at": moment,
        "said_at": moment,
        "message_ids": (f"m{number}",),
    }
    return Passage(user=user, text=text, **(given | fields))


def memory(number: int, text: str, source: int, **fields: Any) -> Passage:
    """Return a semantic memory drawn from message `source`."""
    given = {
        "id": f"mem{number}",
        "tier": "semantic",
        "conversation": "",
        "message_ids": (f"m{source}",),
    }
    return message(number, text, **(given | fields))


def filled(*passages: Passage, embedded: bool = True) -> RetrievalIndex:
    """Return an index that holds these passages, with the twin's vectors."""
    index = RetrievalIndex()
    for passage in passages:
        index.add(passage)
        if embedded:
            embed(index, passage)
    return index


def embed(index: RetrievalIndex, passage: Passage) -> None:
    """Give a passage the twin's vector."""
    vector = TWIN.embed([passage.text])[0]
    index.set_vector(passage.user, passage.id, passage.ordinal, vector)


def search(index: RetrievalIndex, query: str, *, user: str = "ada", **fields: Any) -> list[Hit]:
    """Search with the twin's vector of the bare question."""
    vector = TWIN.embed([index.bare_question(user, query)])[0]
    return index.search(SearchRequest(user=user, query=query, **({"vector": vector} | fields)))


def ids(hits: list[Hit]) -> list[str]:
    """Return the ids of the hits, best first."""
    return [hit.id for hit in hits]
