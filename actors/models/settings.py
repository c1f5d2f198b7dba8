"""What the operator sets about language models; composed in `cluster.settings`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from events.errors import Misconfigured

ProviderKind = Literal["vllm", "openai", "anthropic", "openai_compatible", "extractive"]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to a language model.

    Providers of the lowest `rank` are tried first; among equals, each gets its share by `weight`.
    `model` is the name that the provider knows it by. `deadline_s` bounds a whole generation,
    `first_token_s` the wait for its first piece; `attempts` counts tries before the next provider
    has its turn. `context_tokens` is what the model can take in, prompt and output together.
    `structured` says how it is held to a JSON schema: by the schema itself, by asking for JSON
    alone, or by nothing but the prompt. `base_url` is for `openai_compatible`, or for a proxy.
    """

    name: str
    kind: ProviderKind
    model: str = ""
    base_url: str = ""
    api_key: str = ""
    rank: Annotated[int, msgspec.Meta(ge=0, le=100)] = 1
    weight: Positive = 1.0
    deadline_s: Positive = 60.0
    first_token_s: Positive = 20.0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    context_tokens: Annotated[int, msgspec.Meta(ge=256)] = 8192
    structured: Literal["schema", "json", "prompt"] = "schema"

    def __repr__(self) -> str:
        """Show everything but the key."""
        return f"ProviderSettings({self.name}, {self.kind}, model={self.model!r}, rank={self.rank})"

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            Misconfigured: a field is missing for this kind of provider.
        """
        if not self.name or any(letter.isspace() or letter in ":/" for letter in self.name):
            raise Misconfigured(f"model {self.name!r}: a name has no spaces, colons or slashes")
        if self.kind == "openai_compatible" and not self.base_url:
            raise Misconfigured(f"model {self.name}: base_url is missing; give its /v1 address")
        if self.kind != "extractive" and not self.model:
            raise Misconfigured(
                f"model {self.name}: model is missing; what does the provider call it?"
            )
        if self.kind in ("openai", "anthropic") and not self.api_key:
            raise Misconfigured(f"model {self.name}: api_key is missing")


#: Without any other, answers are quotations.
EXTRACTIVE = ProviderSettings(name="extractive", kind="extractive", rank=100)


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The providers and how they are used; token budgets count prompt and output, 0 is no limit.

    With `extraction`, the memory agents ask a model (`extraction_model` by name, or the configured
    order); without, the rules alone read messages. `topic` says who finds out what a message is
    about before memory is searched. A breaker opens after `breaker_failures` in a row, for
    `breaker_s`.
    """

    providers: tuple[ProviderSettings, ...] = (EXTRACTIVE,)
    extraction: bool = False
    extraction_model: str = ""
    topic: Literal["words", "model"] = "words"
    window_messages: Annotated[int, msgspec.Meta(ge=0, le=200)] = 20
    answers_at_once: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 64
    user_tokens_a_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    tokens_a_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    breaker_failures: Annotated[int, msgspec.Meta(ge=1)] = 5
    breaker_s: Positive = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            Misconfigured: two providers have one name, or an unknown one is asked to extract.
        """
        names = [provider.name for provider in self.providers]
        for name in names:
            if names.count(name) > 1:
                raise Misconfigured(f"two models are named {name}; give each a name of its own")
        if not names:
            raise Misconfigured("there is no model, not even the extractive one")
        if self.extraction_model and self.extraction_model not in names:
            raise Misconfigured(
                f"extraction_model {self.extraction_model} is none of {', '.join(names)}"
            )
