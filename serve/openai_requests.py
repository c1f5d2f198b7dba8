"""What OpenAI's clients send. Unlike our own forms, fields that are not known are passed over.

Such clients send new fields before anybody else knows of them; what would change the answer and is
not done here is refused by name instead (`n`, a forced `tool_choice`, content that is no text).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from serve.requests import ClientId, StopText

Model = Annotated[str, Meta(min_length=1, max_length=256, examples=["mirix"])]


class OpenAIBody(msgspec.Struct, frozen=True, kw_only=True):
    """Base of OpenAI's bodies; subclasses repeat `kw_only=True`."""


class ContentPart(OpenAIBody, frozen=True, kw_only=True):
    """A part of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None


class DialogueMessage(OpenAIBody, frozen=True, kw_only=True):
    """A message of the dialogue."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[ContentPart, ...] | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    tool_calls: tuple[dict[str, Any], ...] | None = None
    tool_call_id: Annotated[str, Meta(max_length=256)] | None = None


class JsonSchema(OpenAIBody, frozen=True, kw_only=True):
    """A JSON schema under a name."""

    name: Annotated[str, Meta(max_length=256)] = ""
    schema: dict[str, Any] = {}


class ResponseFormat(OpenAIBody, frozen=True, kw_only=True):
    """How the answer has to look."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(OpenAIBody, frozen=True, kw_only=True):
    """What a stream tells besides."""

    include_usage: bool | None = None


class CompletionForm(OpenAIBody, frozen=True, kw_only=True):
    """A dialogue to go on with; `user` names the person whose memory it is."""

    model: Model
    messages: Annotated[tuple[DialogueMessage, ...], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: ClientId | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    stop: StopText | Annotated[tuple[StopText, ...], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: Annotated[tuple[dict[str, Any], ...], Meta(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None


class EmbeddingForm(OpenAIBody, frozen=True, kw_only=True):
    """Texts to be embedded; the answer says by which model they were."""

    model: Model
    input: str | Annotated[tuple[str, ...], Meta(min_length=1, max_length=2_048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
