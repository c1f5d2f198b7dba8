"""What was said, by conversation, and the assistant profiles that it was said to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from events.catalogue import (
    AnswerGiven,
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    Citation,
    MessageReceived,
    Usage,
)
from events.envelope import NOBODY, Event
from events.memory import Value


class Message(Value, frozen=True, kw_only=True):
    """A message or an answer, in its place in the log."""

    id: str
    conversation: str
    role: str
    name: str = ""
    content: str
    said_at: datetime
    external_id: str = ""
    assistant: str = ""
    in_reply_to: str = ""
    citations: tuple[Citation, ...] = ()
    model: str = ""
    usage: Usage = Usage()
    position: int


class Profile(Value, frozen=True, kw_only=True):
    """An assistant profile and the organisation it belongs to."""

    tenant: str
    profile: AssistantProfile


class ConversationsProjection:
    """Messages by user in log order, and assistant profiles by id."""

    name = "conversations"
    version = 1
    kinds = frozenset(
        kind.__name__
        for kind in (
            MessageReceived,
            AnswerGiven,
            AssistantCreated,
            AssistantRevised,
            AssistantDeleted,
        )
    )

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Message]] = {}
        self.profiles: dict[str, Profile] = {}

    def apply(self, event: Event) -> None:
        """Fold one event in. A message that came twice under one id stands once."""
        match event.payload:
            case MessageReceived() as said:
                self._add(event, _message(said, event.position))
            case AnswerGiven() as answer:
                self._add(event, _answer(answer, event))
            case AssistantCreated(profile=profile) | AssistantRevised(profile=profile):
                self.profiles[profile.id] = Profile(tenant=event.envelope.tenant, profile=profile)
            case AssistantDeleted(assistant_id=gone):
                self.profiles.pop(gone, None)
            case _:
                pass

    def _add(self, event: Event, message: Message) -> None:
        self.messages.setdefault(event.user, {}).setdefault(message.id, message)

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each user's messages, and the profiles under `system`, as msgpack."""
        parts = {
            user: _encoder.encode(list(messages.values()))
            for user, messages in self.messages.items()
        }
        if self.profiles:
            parts[NOBODY] = _encoder.encode(list(self.profiles.values()))
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        self.messages, self.profiles = {}, {}
        for user, data in parts.items():
            if user == NOBODY:
                profiles = msgspec.msgpack.decode(data, type=list[Profile])
                self.profiles = {one.profile.id: one for one in profiles}
            else:
                self.messages[user] = {one.id: one for one in _decoder.decode(data)}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Message])


def _message(said: MessageReceived, position: int) -> Message:
    return Message(
        id=said.message_id,
        conversation=said.conversation,
        role=said.role,
        name=said.name,
        content=said.content,
        said_at=said.said_at,
        external_id=said.external_id,
        assistant=said.assistant,
        position=position,
    )


def _answer(answer: AnswerGiven, event: Event) -> Message:
    return Message(
        id=answer.message_id,
        conversation=answer.conversation,
        role="assistant",
        content=answer.content,
        said_at=event.envelope.recorded_at,
        assistant=answer.assistant,
        in_reply_to=answer.in_reply_to,
        citations=answer.citations,
        model=answer.model,
        usage=answer.usage,
        position=event.position,
    )
