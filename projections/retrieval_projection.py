"""Fold events into the retrieval index: messages, memories of all tiers, and their vectors.

On the message path right after the log: a message is findable by its words as soon as this view
has its position, and by meaning when its vector follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from events.catalogue import (
    EmbeddingModelSwitched,
    MemoryEmbedded,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    MemorySuperseded,
    MessageEmbedded,
    MessageReceived,
    ReembeddingBegun,
)
from events.envelope import Event
from events.memory import Content, EpisodicContent, passages, texts_hash, tier_of
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import CONVERSATION, Passage, Vector


class RetrievalProjection:
    """The index of the search agent as a view of the log; `index` answers the searches.

    Version 4 keeps vectors with their model. The terms of each passage are in the state and part of
    its hash: when texts are cut into other terms than before, the version has to be raised.
    """

    name = "retrieval"
    version = 4
    kinds = frozenset(
        kind.__name__
        for kind in (
            MessageReceived,
            MessageEmbedded,
            MemoryRecorded,
            MemoryRevised,
            MemorySuperseded,
            MemoryMerged,
            MemoryForgotten,
            MemoryRestored,
            MemoryEmbedded,
            ReembeddingBegun,
            EmbeddingModelSwitched,
        )
    )

    def __init__(self) -> None:
        self.index = RetrievalIndex()

    def apply(self, event: Event) -> None:
        """Fold one event in. What is already there is not added again."""
        user = event.user
        match event.payload:
            case MessageReceived() as said:
                if said.role != "system" and not self.index.passages_of(user, said.message_id):
                    self.index.add(_message(said, event).without(said.secret_spans))
            case MessageEmbedded(message_id=message, vector=vector, model=model):
                self.index.set_vector(user, message, 0, _vector(vector), model)
            case MemoryRecorded() as recorded:
                if not self.index.passages_of(user, recorded.memory.id):
                    self._record(recorded, event)
            case MemoryRevised() as change:
                self._revise(user, change)
            case MemorySuperseded(memory_id=memory) as end:
                self._amend(user, memory, ended_at=end.valid_to, superseded_by=end.superseded_by)
            case MemoryMerged(memory_id=memory, into=other):
                self._amend(user, memory, resting=True, superseded_by=other)
            case MemoryForgotten(memory_id=memory, restorable=True):
                self._amend(user, memory, resting=True)
            case MemoryForgotten(memory_id=memory):
                self.index.remove(user, memory)
            case MemoryRestored(memory_id=memory):
                self._amend(user, memory, resting=False, ended_at=None, superseded_by="")
            case MemoryEmbedded() as embedded:
                self._embed(user, embedded)
            case ReembeddingBegun(model=model):
                self.index.move_to_model(user, model)
            case EmbeddingModelSwitched(model=model):
                self.index.switch_model(user, model)
            case _:
                pass

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each user's passages and vectors, as msgpack."""
        return self.index.snapshot()

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        self.index.restore(parts)

    def _record(self, recorded: MemoryRecorded, event: Event) -> None:
        """Add a memory's passages, and blot out in its message the secret that it keeps sealed."""
        memory = recorded.memory
        sources = memory.provenance.message_ids
        said = self.index.passages_of(event.user, sources[0]) if sources else ()
        message = said[0] if said else None
        first = Passage(
            id=memory.id,
            tier=tier_of(memory.content),
            user=event.user,
            text="",
            speaker=message.speaker if message else "",
            conversation=message.conversation if message else "",
            assistant=message.assistant if message else "",
            position=event.position,
            recorded_at=event.envelope.recorded_at,
            said_at=message.said_at if message else event.envelope.recorded_at,
            message_ids=sources,
            external_ids=memory.provenance.external_ids,
            event_id=event.id,
            tags=memory.tags,
        )
        self.index.revise(_chunks(first, memory.content))
        start, end = recorded.secret_span
        if message is not None and start < end:
            self.index.amend(message.without(((start, end),)))

    def _embed(self, user: str, embedded: MemoryEmbedded) -> None:
        """Give a memory's passages their vectors, unless they were revised since."""
        first, last = embedded.first, embedded.first + len(embedded.vectors)
        if embedded.text_hash:
            known = self.index.passages_of(user, embedded.memory_id)[first:last]
            if texts_hash([passage.text for passage in known]) != embedded.text_hash:
                return
        for ordinal, vector in enumerate(embedded.vectors, first):
            self.index.set_vector(
                user, embedded.memory_id, ordinal, _vector(vector), embedded.model
            )

    def _amend(self, user: str, memory: str, **fields: Any) -> None:
        """Change how a memory stands; its words and vectors stay."""
        for passage in self.index.passages_of(user, memory):
            self.index.amend(msgspec.structs.replace(passage, **fields))

    def _revise(self, user: str, change: MemoryRevised) -> None:
        known = self.index.passages_of(user, change.memory_id)
        if known:
            tags = known[0].tags if change.tags is None else change.tags
            first = msgspec.structs.replace(known[0], tags=tags)
            self.index.revise(_chunks(first, change.content))


def _message(said: MessageReceived, event: Event) -> Passage:
    return Passage(
        id=said.message_id,
        tier=CONVERSATION,
        user=event.user,
        text=said.content,
        speaker=said.name or said.role,
        conversation=said.conversation,
        assistant=said.assistant,
        position=event.position,
        recorded_at=event.envelope.recorded_at,
        said_at=said.said_at,
        message_ids=(said.message_id,),
        external_ids=(said.external_id,) if said.external_id else (),
        event_id=event.id,
        tags=said.tags,
    )


def _chunks(first: Passage, content: Content) -> tuple[Passage, ...]:
    """Return the passages under which this content is found, otherwise like `first`."""
    occurred_at = content.occurred_at if isinstance(content, EpisodicContent) else ""
    return tuple(
        msgspec.structs.replace(first, ordinal=ordinal, text=text, occurred_at=occurred_at)
        for ordinal, text in enumerate(passages(content))
    )


def _vector(raw: bytes) -> Vector:
    """Return a vector as events carry it (float16, little endian) in single precision."""
    return np.frombuffer(raw, "<f2").astype(np.float32)
