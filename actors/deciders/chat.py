"""The chat agent: answers the messages that ask for an answer."""

from __future__ import annotations

from actors.deciders.base import Stateless
from actors.effects import Answer, Effect
from actors.names import Agent
from events.catalogue import MessageReceived
from events.envelope import Event
from projections.conversations import ConversationsProjection


class ChatDecider(Stateless[ConversationsProjection]):
    """Holds the conversations and the assistant profiles."""

    agent: Agent = "chat"
    causes = frozenset({MessageReceived.__name__})

    def __init__(self) -> None:
        self.projection = ConversationsProjection()

    def decide(self, event: Event) -> list[Effect]:
        """Return an answer where one is wanted."""
        match event.payload:
            case MessageReceived(answer_wanted=True) as message:
                return [Answer(message=message)]
            case _:
                return []
