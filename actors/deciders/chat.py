"""The chat agent: answers messages that ask for it, and sums up conversations that grow long."""

from __future__ import annotations

from actors.chatting.summarising import Falling, SummarySettings, falling, summary_asked
from actors.deciders.base import Holder
from actors.effects import Answer, Append, Effect, Generate
from actors.names import Agent
from actors.progress import answer_id
from events.catalogue import (
    AnswerGiven,
    ConversationSummarised,
    GenerationCompleted,
    GenerationFailed,
    MessageReceived,
)
from events.envelope import Event
from projections.conversations import ConversationsProjection


class ChatDecider(Holder[ConversationsProjection]):
    """Holds the conversations and the assistant profiles.

    Its own answers are causes as well, where conversations are summarised: an answer ends a turn.
    """

    agent: Agent = "chat"
    #: Who reads a conversation does not wait until the answer to its last message is there.
    readers_wait = False

    def __init__(self, summarise: SummarySettings | None = None) -> None:
        """Begin with no conversations; `summarise` None: none is ever summarised."""
        self.projection = ConversationsProjection()
        self._summarise = summarise
        kinds = (MessageReceived,) if summarise is None else (MessageReceived, AnswerGiven)
        self.causes = frozenset(kind.__name__ for kind in kinds)
        #: Through where conversations are summarised, by user: what has not come back yet.
        self._ahead: dict[str, dict[str, int]] = {}

    def lane(self, event: Event) -> str:
        """Return the conversation: its answers are made one after another.

        Its summaries have a lane of their own, so that no answer waits for one.
        """
        match event.payload:
            case MessageReceived(conversation=conversation):
                return conversation_lane(event.user, conversation)
            case AnswerGiven(conversation=conversation):
                return f"{conversation_lane(event.user, conversation)} summary"
            case _:
                return event.user

    def decide(self, event: Event) -> list[Effect]:
        """Return an answer where one is wanted and not there yet, a summary where one is due."""
        match event.payload:
            case MessageReceived(answer_wanted=True) as message:
                return [] if self._is_settled(event.user, message) else [Answer(message=message)]
            case AnswerGiven():
                fallen = self._falling(event)
                return [summary_asked(fallen)] if fallen else []
            case _:
                return []

    def _is_settled(self, user: str, message: MessageReceived) -> bool:
        return answer_id(message.message_id) in self.projection.messages.get(
            user, {}
        ) or message.message_id in self.projection.abandoned.get(user, {})

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        """Return the summary; when there is none, the next answer asks for it again."""
        fallen = self._falling(event)
        if isinstance(told, GenerationFailed) or not told.output.strip() or fallen is None:
            return []
        last = fallen.messages[-1]
        return [
            Append(
                payload=ConversationSummarised(
                    conversation=last.conversation,
                    assistant=last.assistant,
                    summary=told.output.strip(),
                    through_message_id=last.id,
                    through=last.position,
                    generation_id=told.generation_id,
                )
            )
        ]

    def _falling(self, answered: Event) -> Falling | None:
        """Return what goes into the summary after an answer; the same whenever it is asked.

        What has been said since does not count, and no other summary of the conversation comes in
        between: they have one lane.
        """
        given = answered.payload
        if self._summarise is None or not isinstance(given, AnswerGiven):
            return None
        user, conversation = answered.user, given.conversation
        summary = self.projection.summaries.get(user, {}).get(conversation)
        if self._ahead.get(user, {}).get(conversation, 0) > (summary.through if summary else 0):
            return None  # one is on its way through the log
        held = reversed(self.projection.conversation(user, conversation))
        latest_first = (message for message in held if message.position <= answered.position)
        return falling(latest_first, summary, self._summarise)

    def conclude(self, event: Event) -> None:
        """Remember a summary of its own, which the projection does not have yet."""
        match event.payload:
            case ConversationSummarised(conversation=conversation, through=through):
                self._ahead.setdefault(event.user, {})[conversation] = through
            case _:
                pass

    def settle(self, user: str) -> None:
        """Forget the conclusions about a user: all of them have come back through the log."""
        self._ahead.pop(user, None)


def conversation_lane(user: str, conversation: str) -> str:
    """Return the lane in which a conversation's messages are answered."""
    return f"{user} {conversation}"
