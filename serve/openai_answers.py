"""What OpenAI's clients get, one struct an object of theirs.

`mirix` on a completion is ours: which message it answers, in which conversation, what it cites.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from events.catalogue import Usage
from serve.answers import CitationShown


class OpenAIObject(msgspec.Struct, frozen=True, kw_only=True):
    """Base of OpenAI's objects; subclasses repeat `kw_only=True`."""


class TokensCached(OpenAIObject, frozen=True, kw_only=True):
    """Tokens of the prompt that came from a prefix cache."""

    cached_tokens: int = 0


class TokensUsed(OpenAIObject, frozen=True, kw_only=True):
    """Tokens that a completion used."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: TokensCached = TokensCached()

    @classmethod
    def of(cls, usage: Usage) -> TokensUsed:
        """Show a usage."""
        return cls(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details=TokensCached(cached_tokens=usage.cached_tokens),
        )


class FromMemory(OpenAIObject, frozen=True, kw_only=True):
    """What this system knows of an answer besides."""

    message_id: str
    conversation_id: str
    position: int
    model: str
    citations: tuple[CitationShown, ...]


class CompletionMessage(OpenAIObject, frozen=True, kw_only=True):
    """What the assistant said."""

    content: str | None
    role: str = "assistant"
    tool_calls: tuple[dict[str, Any], ...] | UnsetType = UNSET
    refusal: str | None = None


class CompletionChoice(OpenAIObject, frozen=True, kw_only=True):
    """The one choice."""

    message: CompletionMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class Completion(OpenAIObject, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    created: int
    model: str
    choices: tuple[CompletionChoice, ...]
    usage: TokensUsed
    object: str = "chat.completion"
    mirix: FromMemory


class ChunkDelta(OpenAIObject, frozen=True, kw_only=True, omit_defaults=True):
    """What is new."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: tuple[dict[str, Any], ...] | UnsetType = UNSET


class ChunkChoice(OpenAIObject, frozen=True, kw_only=True):
    """The one choice of a chunk."""

    delta: ChunkDelta
    finish_reason: str | None = None
    index: int = 0
    logprobs: None = None


class Chunk(OpenAIObject, frozen=True, kw_only=True):
    """A piece of an answer; with `include_usage`, the last one has the usage and no choice."""

    id: str
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: TokensUsed | UnsetType | None = UNSET
    object: str = "chat.completion.chunk"
    mirix: FromMemory | UnsetType = UNSET


class EmbeddingShown(OpenAIObject, frozen=True, kw_only=True):
    """A vector: numbers, or float32 in little endian as base64."""

    index: int
    embedding: tuple[float, ...] | str
    object: str = "embedding"


class EmbeddingTokens(OpenAIObject, frozen=True, kw_only=True):
    """Tokens that were embedded, as an estimate."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(OpenAIObject, frozen=True, kw_only=True):
    """Vectors of some texts, in their order."""

    data: tuple[EmbeddingShown, ...]
    model: str
    usage: EmbeddingTokens
    object: str = "list"


class OpenAIModel(OpenAIObject, frozen=True, kw_only=True):
    """What `model` may name: the default assistant, a language model, or an assistant profile."""

    id: str
    created: int = 0
    object: str = "model"
    owned_by: str = "mirix"
    name: str | UnsetType = UNSET


class OpenAIModels(OpenAIObject, frozen=True, kw_only=True):
    """All of them, the default first."""

    data: tuple[OpenAIModel, ...]
    object: str = "list"


class OpenAIFault(OpenAIObject, frozen=True, kw_only=True):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(OpenAIObject, frozen=True, kw_only=True):
    """The body of an error."""

    error: OpenAIFault
