"""Examples from a data set: people's messages are indexed, and their questions measured.

Messages only, as the index holds them before any memory is drawn from them; every message that a
question does not name as evidence counts as not answering it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from actors.deciders.search import EMBEDDED_CHARS_MAX
from actors.embedding import Vectors
from actors.ports import EmbeddingService
from cluster.eval_people import Person
from cluster.record_values import MessageRecord
from cluster.training.examples import Example, in_order
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import CONVERSATION, Passage, SearchRequest

#: Texts that are embedded at once.
_BATCH = 256
#: When something was said of which the data does not tell.
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


async def labelled_examples(
    person: Person, group: str, embedding: EmbeddingService
) -> list[Example]:
    """Return a person's questions, measured on an index of the person's messages alone."""
    said = [
        one for one in person.records if isinstance(one, MessageRecord) and one.role != "system"
    ]
    passages = [_passage(group, at, record) for at, record in enumerate(said, start=1)]
    if not passages:
        return []
    texts = [passage.text[:EMBEDDED_CHARS_MAX] for passage in passages]
    index = index_of(passages, await _embedded(embedding, texts))
    bare = [index.bare_question(group, question.text) for question in person.questions]
    vectors = await _embedded(embedding, bare)
    examples = []
    for question, vector in zip(person.questions, vectors, strict=True):
        request = SearchRequest(user=group, query=question.text, vector=vector)
        found, signals = in_order(*index.measured(request))
        examples.append(
            Example(
                group=group,
                category=question.category,
                ids=tuple(one.external_ids[0] for one in found),
                signals=signals,
                evidence=question.evidence,
            )
        )
    return examples


def index_of(passages: Sequence[Passage], vectors: Vectors) -> RetrievalIndex:
    """Return an index of passages; their vectors are rounded as the log rounds them."""
    index = RetrievalIndex()
    for passage in passages:
        index.add(passage)
    for passage, vector in zip(passages, vectors, strict=True):
        halved = vector.astype("<f2").astype(np.float32)
        index.set_vector(passage.user, passage.id, passage.ordinal, halved)
    return index


def _passage(user: str, position: int, record: MessageRecord) -> Passage:
    said_at = record.created_at or _UNKNOWN
    id_ = f"message-{position}"
    return Passage(
        id=id_,
        tier=CONVERSATION,
        user=user,
        text=record.content,
        speaker=record.name or record.role,
        conversation=record.conversation,
        position=position,
        recorded_at=said_at,
        said_at=said_at,
        message_ids=(id_,),
        external_ids=(record.external_id or id_,),
    )


async def _embedded(embedding: EmbeddingService, texts: Sequence[str]) -> Vectors:
    parts = [
        (await embedding.embed(texts[at : at + _BATCH])).vectors
        for at in range(0, len(texts), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
