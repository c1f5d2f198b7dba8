"""The port of language models: what one is asked, what it says, how it fails.

On the message path behind an agent's effects (`actors/execution.py`): a decider says what to ask,
the shell asks, and what was said, or why nothing was, becomes an event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal, Protocol, TypeAlias

from actors.queries import FoundMemory
from events.catalogue import GenerationFailed, Usage
from events.errors import MirixError
from events.memory import Value

#: An output beyond this is none, whatever the request allowed: an event has to hold it.
OUTPUT_CHARS_MAX = 200_000

#: What a generation is for; recorded with it.
Purpose = Literal["answer", "topic", "summary", "extraction", "consolidation", "client"]

#: Why a model gave no output. `refused`: the request itself is at fault (too long, unknown model,
#: content filter), no other attempt would help. `cut_off`: the stream broke in the middle.
FailureKind = Literal[
    "rate_limited",
    "unavailable",
    "timed_out",
    "cut_off",
    "invalid",
    "refused",
    "unauthorized",
    "budget_spent",
    "cancelled",
]


class ToolCall(Value, frozen=True, kw_only=True):
    """A call that a model asked for; `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str = "{}"


class Turn(Value, frozen=True, kw_only=True):
    """One turn of the dialogue that a model goes on with.

    A turn of the role `tool` is the result of the call that `tool_call_id` names.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    name: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ToolOffered(Value, frozen=True, kw_only=True):
    """A tool that the model may call; `input_schema` is a JSON schema of its arguments."""

    name: str
    description: str
    input_schema: dict[str, Any]


class OutputSchema(Value, frozen=True, kw_only=True):
    """A JSON schema that the output has to follow, under a name that providers show."""

    name: str
    schema: dict[str, Any]


class GenerationRequest(Value, frozen=True, kw_only=True):
    """What a model is asked.

    `user` is the internal id of the person that it is for (budgets count by it; providers never
    see it). `model` asks for a provider or model by name; empty: the configured order. `question`
    and `recalled` are what the extractive model answers from; others find both in the turns.
    """

    turns: tuple[Turn, ...]
    purpose: Purpose
    user: str
    generation_id: str
    model: str = ""
    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    output: OutputSchema | None = None
    tools: tuple[ToolOffered, ...] = ()
    question: str = ""
    recalled: tuple[FoundMemory, ...] = ()


class Delta(Value, frozen=True, kw_only=True):
    """A piece of the output, as soon as it is there."""

    text: str


class StartedOver(Value, frozen=True, kw_only=True):
    """What was told so far does not count: another attempt begins. Told only after a `Delta`."""

    reason: str


class Generation(Value, frozen=True, kw_only=True):
    """The whole output; always the last thing a model tells.

    `provider` is the configured name, `model` what the provider says that it ran. `failures` are
    the attempts before this one, ready to be recorded. `cited` are indices into the request's
    `recalled`, when the model itself knows what it quoted; None: read the marks in the text.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    provider: str
    model: str
    usage: Usage = Usage()
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    attempt: int = 1
    first_token_ms: int = 0
    duration_ms: int = 0
    failures: tuple[GenerationFailed, ...] = ()
    cited: tuple[int, ...] | None = None


Told: TypeAlias = Delta | StartedOver | Generation


class ModelFailed(MirixError):
    """No output: (what happened and what to do, kind, failed attempts ready to be recorded).

    `retry_after_s` is what the provider asked for, if it did. It is no `Unavailable`: who asked
    gets an answer without the model, or hears of it, and does not wait for ever.
    """

    status = 503
    title = "The language model gave no answer"

    def __init__(
        self,
        message: str,
        kind: FailureKind,
        failures: tuple[GenerationFailed, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, kind, failures, retry_after_s)
        self.kind: FailureKind = kind
        self.failures = failures
        self.retry_after_s = retry_after_s


class LanguageModel(Protocol):
    """Something that goes on with a dialogue."""

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Yield pieces of the output as they come, and last the whole `Generation`.

        Closing the generator before its end cancels the work at the provider.

        Raises:
            ModelFailed: there is no output; raised from the iteration.
        """
        ...


async def whole(model: LanguageModel, request: GenerationRequest) -> Generation:
    """Return the whole output.

    Raises:
        ModelFailed: there is none, or it has no end.
    """
    generation: Generation | None = None
    chars = 0
    async with aclosing(model.generate(request)) as told:
        async for one in told:
            match one:
                case Delta(text=text):
                    chars += len(text)
                case StartedOver():
                    chars = 0
                case Generation(text=text):
                    generation, chars = one, len(text)
            if chars > OUTPUT_CHARS_MAX:
                raise ModelFailed(
                    f"the model did not end: its output passed {OUTPUT_CHARS_MAX} characters",
                    "invalid",
                )
    assert generation is not None, "a model ends with the whole or raises"
    return generation
