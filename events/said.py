"""Events of what people say and what they are answered: messages, generations, profiles."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from events.memory import Value
from events.payload import Payload

# --- People and what they say ---------------------------------------------------------------------


class UserRegistered(Payload, frozen=True, kw_only=True):
    """A person was first seen, under the id that their client gave."""

    external_id: str
    name: str = ""


class AnswerOptions(Value, frozen=True, kw_only=True):
    """How a client wants its answer, where it says so; empty: as the assistant profile has it.

    `turns` are the turns of the dialogue that the client itself put before the message (OpenAI's
    message objects): they then stand in the place of the conversation as it is remembered. `tools`
    are the client's own, `output_schema` a JSON schema that the answer has to follow.
    """

    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    output_schema: dict[str, Any] | None = None
    turns: tuple[dict[str, Any], ...] | None = None
    tools: tuple[dict[str, Any], ...] = ()


class MessageReceived(Payload, frozen=True, kw_only=True):
    """Somebody said something in a conversation.

    `assistant` is the profile that is addressed; `answer_wanted` asks the chat agent for an answer.
    `said_at` is when it was said (the client may tell it late), with its zone. `secret_spans` are
    the places of secrets in `content`, in characters: they are never shown where memory is.
    `tool_call_id` names the call that a message of the role `tool` is the result of.
    """

    message_id: str
    conversation: str
    role: Literal["user", "assistant", "system", "tool"] = "user"
    name: str = ""
    content: str
    said_at: datetime
    external_id: str = ""
    assistant: str = ""
    answer_wanted: bool = False
    tags: tuple[str, ...] = ()
    secret_spans: tuple[tuple[int, int], ...] = ()
    options: AnswerOptions | None = None
    tool_call_id: str = ""


class MessageEmbedded(Payload, frozen=True, kw_only=True):
    """A message got its vector (float16, little endian) from `model`."""

    message_id: str
    model: str
    vector: bytes


class DocumentReceived(Payload, frozen=True, kw_only=True):
    """A document was handed in, as text."""

    document_id: str
    title: str
    text: str
    media_type: str = "text/plain"
    uri: str = ""
    said_at: datetime
    tags: tuple[str, ...] = ()


class Citation(Value, frozen=True, kw_only=True):
    """A memory or message that an answer rests on; `mark` is its number in the answer's text."""

    id: str
    tier: str
    text: str
    score: float = 0.0
    message_ids: tuple[str, ...] = ()
    mark: int = 0


class Usage(Value, frozen=True, kw_only=True):
    """Tokens that a generation used; `cached_tokens` of the prompt came from a prefix cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class AnswerGiven(Payload, frozen=True, kw_only=True):
    """The chat agent answered a message, citing what it found.

    `tool_calls` are calls of the client's own tools, which it is to make before it goes on.
    """

    message_id: str
    conversation: str
    assistant: str
    in_reply_to: str
    content: str
    citations: tuple[Citation, ...] = ()
    model: str
    usage: Usage = Usage()
    finish_reason: str = "stop"
    tool_calls: tuple[dict[str, Any], ...] = ()


class AnswerAbandoned(Payload, frozen=True, kw_only=True):
    """A message will have no answer: the client went away, or every way to one failed.

    `kind` is a failure's kind, `detail` says more, `partial` is what had been said by then.
    """

    conversation: str
    assistant: str
    in_reply_to: str
    reason: Literal["cancelled", "failed"]
    kind: str = ""
    detail: str = ""
    partial: str = ""
    usage: Usage = Usage()


class ConversationSummarised(Payload, frozen=True, kw_only=True):
    """What a conversation said up to a message, in short: for what no prompt has room for.

    It replaces the conversation's summary before it. `through_message_id` is the last message that
    it covers, at position `through`.
    """

    conversation: str
    assistant: str
    summary: str
    through_message_id: str
    through: int
    generation_id: str = ""


class GenerationCompleted(Payload, frozen=True, kw_only=True):
    """A language model (or the extractive answerer) produced an output.

    `prompt` names the file and version of the prompt (`extraction/semantic@1`), `prompt_hash` is
    the SHA-256 of the whole dialogue as it was asked. `provider` is the configured name. Whatever
    was concluded from an output refers to it by its cause; a rebuild reads it and asks nobody.
    """

    generation_id: str
    model: str
    prompt_hash: str
    parameters: dict[str, Any] = {}
    output: str
    usage: Usage = Usage()
    purpose: str = "answer"
    provider: str = ""
    prompt: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str = "stop"
    attempt: int = 1
    first_token_ms: int = 0
    duration_ms: int = 0


class GenerationFailed(Payload, frozen=True, kw_only=True):
    """An attempt at a generation gave nothing that could be used.

    `kind` is one of `actors.models.port.FailureKind`; `invalid` keeps the unusable `output`.
    """

    generation_id: str
    purpose: str
    provider: str
    model: str
    kind: str
    detail: str = ""
    output: str = ""
    prompt: str = ""
    prompt_hash: str = ""
    attempt: int = 1
    usage: Usage = Usage()
    duration_ms: int = 0


# --- Assistant profiles ---------------------------------------------------------------------------


class AssistantProfile(Value, frozen=True, kw_only=True):
    """What the HTTP API calls an agent: a name, a type, a system prompt, model settings."""

    id: str
    name: str
    agent_type: str = "chat"
    description: str = ""
    system_prompt: str = ""
    model_settings: dict[str, Any] = msgspec.field(default_factory=dict)


class AssistantCreated(Payload, frozen=True, kw_only=True):
    """An assistant profile was made."""

    personal: ClassVar[bool] = False
    profile: AssistantProfile


class AssistantRevised(Payload, frozen=True, kw_only=True):
    """An assistant profile was changed; it now reads as given."""

    personal: ClassVar[bool] = False
    profile: AssistantProfile


class AssistantDeleted(Payload, frozen=True, kw_only=True):
    """An assistant profile was taken out of use; its conversations stay."""

    personal: ClassVar[bool] = False
    assistant_id: str
