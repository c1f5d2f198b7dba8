"""What is read of a `chat.completion.chunk`, by the names that it has in OpenAI's protocol.

The SDK's own type takes ten times as long to fill.
"""

from __future__ import annotations

import msgspec


class Function(msgspec.Struct, frozen=True):
    """A piece of a tool call's name and arguments."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A piece of the tool call with a number."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct, frozen=True):
    """What a chunk adds to the answer."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[Call, ...] | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; there is only one."""

    delta: Said
    finish_reason: str | None = None


class Details(msgspec.Struct, frozen=True):
    """What of the prompt was there already."""

    cached_tokens: int | None = None


class Used(msgspec.Struct, frozen=True):
    """The tokens of the whole."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A piece of the stream."""

    choices: tuple[Choice, ...] | None = None
    model: str | None = None
    usage: Used | None = None
