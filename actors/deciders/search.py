"""The search agent: gives every message its vector, so that what was said stays findable.

Memories arrive with theirs, of the system's model: extraction always loses something, the words
themselves must not. A person whose passages are searched by another model, or who is being moved to
another, gets the vectors of that from here.
"""

from __future__ import annotations

from actors.deciders.base import Stateless
from actors.effects import Effect, EmbedMemory, EmbedMessage
from actors.names import Agent
from events.catalogue import MemoryEmbedded, MessageReceived
from events.envelope import Event
from projections.retrieval_projection import RetrievalProjection

#: What a vector can say of a long message is in its beginning.
EMBEDDED_CHARS_MAX = 4000


class SearchDecider(Stateless[RetrievalProjection]):
    """Holds the retrieval index over all six tiers and the messages."""

    agent: Agent = "search"
    causes = frozenset({MessageReceived.__name__, MemoryEmbedded.__name__})

    def __init__(self) -> None:
        self.projection = RetrievalProjection()

    def decide(self, event: Event) -> list[Effect]:
        """Return the embedding of a message, or what the vectors of a memory leave to embed."""
        match event.payload:
            case MessageReceived(message_id=message_id, content=content):
                text = content[:EMBEDDED_CHARS_MAX]
                return [
                    EmbedMessage(message_id=message_id, text=text, model=model)
                    for model in self.projection.index.models_of(event.user)
                ]
            case MemoryEmbedded() as embedded:
                return self._beside(event.user, embedded)
            case _:
                return []

    def _beside(self, user: str, embedded: MemoryEmbedded) -> list[Effect]:
        """Return the embedding of passages by those of the person's models that have not been."""
        models = self.projection.index.models_of(user)
        # What was embedded later than it was written is what follows from here, or from outside.
        if embedded.text_hash or models == (embedded.model,):
            return []
        index, memory = self.projection.index, embedded.memory_id
        ordinals = range(embedded.first, embedded.first + len(embedded.vectors))
        texts = [one.text for one in index.passages_of(user, memory) if one.ordinal in ordinals]
        return [
            EmbedMemory(
                tier=embedded.tier,
                memory_id=memory,
                texts=tuple(texts),
                first=embedded.first,
                model=model,
            )
            for model in models
            if any(one.ordinal in ordinals for one in index.lacking(user, model, memory))
        ]
