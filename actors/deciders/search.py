"""The search agent: gives every message its vector, so that what was said stays findable.

Memories arrive with theirs: extraction always loses something, the words themselves must not.
"""

from __future__ import annotations

from actors.deciders.base import Stateless
from actors.effects import Effect, EmbedMessage
from actors.names import Agent
from events.catalogue import MessageReceived
from events.envelope import Event
from projections.retrieval_projection import RetrievalProjection

#: What a vector can say of a long message is in its beginning.
EMBEDDED_CHARS_MAX = 4000


class SearchDecider(Stateless[RetrievalProjection]):
    """Holds the retrieval index over all six tiers and the messages."""

    agent: Agent = "search"
    causes = frozenset({MessageReceived.__name__})

    def __init__(self) -> None:
        self.projection = RetrievalProjection()

    def decide(self, event: Event) -> list[Effect]:
        """Return the embedding of a message."""
        match event.payload:
            case MessageReceived(message_id=message_id, content=content):
                return [EmbedMessage(message_id=message_id, text=content[:EMBEDDED_CHARS_MAX])]
            case _:
                return []
