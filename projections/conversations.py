"""What was said, by conversation, and the assistant profiles that it was said to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    Citation,
    ConversationSummarised,
    MessageReceived,
    Usage,
)
from events.envelope import NOBODY, Event
from events.memory import Value


class Message(Value, frozen=True, kw_only=True):
    """A message or an answer, in its place in the log.

    `secret_spans` are the places of secrets in `content`, which is kept as it was said.
    """

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
    finish_reason: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str = ""
    secret_spans: tuple[tuple[int, int], ...] = ()
    position: int


class Profile(Value, frozen=True, kw_only=True):
    """An assistant profile and the organisation it belongs to."""

    tenant: str
    profile: AssistantProfile


class Summary(Value, frozen=True, kw_only=True):
    """What a conversation said through the position `through`, in short."""

    conversation: str
    text: str
    through: int


class Abandoned(Value, frozen=True, kw_only=True):
    """Why a message will have no answer, and what had been said of one."""

    in_reply_to: str
    conversation: str
    assistant: str
    reason: str
    kind: str = ""
    detail: str = ""
    partial: str = ""
    usage: Usage = Usage()
    position: int


class Talk(Value, frozen=True, kw_only=True):
    """All that a person said and was answered, as a snapshot keeps it."""

    messages: tuple[Message, ...] = ()
    summaries: tuple[Summary, ...] = ()
    abandoned: tuple[Abandoned, ...] = ()


class ConversationsProjection:
    """Messages by user in log order, summaries by conversation, and assistant profiles by id."""

    name = "conversations"
    version = 2
    kinds = frozenset(
        kind.__name__
        for kind in (
            MessageReceived,
            AnswerGiven,
            AnswerAbandoned,
            ConversationSummarised,
            AssistantCreated,
            AssistantRevised,
            AssistantDeleted,
        )
    )

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Message]] = {}
        #: By user and conversation.
        self.summaries: dict[str, dict[str, Summary]] = {}
        #: By user and the message that has no answer.
        self.abandoned: dict[str, dict[str, Abandoned]] = {}
        self.profiles: dict[str, Profile] = {}
        # The messages again, by user and conversation: a prompt wants the end of one conversation.
        self._conversations: dict[str, dict[str, list[Message]]] = {}

    def conversation(self, user: str, conversation: str) -> Sequence[Message]:
        """Return the messages of one conversation, in log order."""
        return self._conversations.get(user, {}).get(conversation, ())

    def apply(self, event: Event) -> None:
        """Fold one event in. A message that came twice under one id stands once."""
        match event.payload:
            case MessageReceived() as said:
                self._add(event, _message(said, event.position))
            case AnswerGiven() as answer:
                self._add(event, _answer(answer, event))
            case AnswerAbandoned() as given_up:
                abandoned = self.abandoned.setdefault(event.user, {})
                abandoned.setdefault(given_up.in_reply_to, _abandoned(given_up, event.position))
            case ConversationSummarised(conversation=conversation) as told:
                self.summaries.setdefault(event.user, {})[conversation] = Summary(
                    conversation=conversation, text=told.summary, through=told.through
                )
            case AssistantCreated(profile=profile) | AssistantRevised(profile=profile):
                self.profiles[profile.id] = Profile(tenant=event.envelope.tenant, profile=profile)
            case AssistantDeleted(assistant_id=gone):
                self.profiles.pop(gone, None)
            case _:
                pass

    def _add(self, event: Event, message: Message) -> None:
        held = self.messages.setdefault(event.user, {})
        if message.id not in held:
            held[message.id] = message
            self._index(event.user, message)

    def _index(self, user: str, message: Message) -> None:
        conversations = self._conversations.setdefault(user, {})
        conversations.setdefault(message.conversation, []).append(message)

    def snapshot(self) -> Mapping[str, bytes]:
        """Return what each user said and was told, and the profiles under `system`, as msgpack."""
        users = {**self.messages, **self.summaries, **self.abandoned}
        parts = {user: _encoder.encode(self._talk(user)) for user in users}
        if self.profiles:
            parts[NOBODY] = _encoder.encode(list(self.profiles.values()))
        return parts

    def _talk(self, user: str) -> Talk:
        return Talk(
            messages=tuple(self.messages.get(user, {}).values()),
            summaries=tuple(self.summaries.get(user, {}).values()),
            abandoned=tuple(self.abandoned.get(user, {}).values()),
        )

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        self.messages, self.summaries, self.abandoned, self.profiles = {}, {}, {}, {}
        self._conversations = {}
        for user, data in parts.items():
            if user == NOBODY:
                profiles = msgspec.msgpack.decode(data, type=list[Profile])
                self.profiles = {one.profile.id: one for one in profiles}
                continue
            talk = _decoder.decode(data)
            self.messages[user] = {one.id: one for one in talk.messages}
            for one in talk.messages:
                self._index(user, one)
            if talk.summaries:
                self.summaries[user] = {one.conversation: one for one in talk.summaries}
            if talk.abandoned:
                self.abandoned[user] = {one.in_reply_to: one for one in talk.abandoned}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Talk)


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
        tool_call_id=said.tool_call_id,
        secret_spans=said.secret_spans,
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
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
        position=event.position,
    )


def _abandoned(given_up: AnswerAbandoned, position: int) -> Abandoned:
    return Abandoned(
        in_reply_to=given_up.in_reply_to,
        conversation=given_up.conversation,
        assistant=given_up.assistant,
        reason=given_up.reason,
        kind=given_up.kind,
        detail=given_up.detail,
        partial=given_up.partial,
        usage=given_up.usage,
        position=position,
    )
