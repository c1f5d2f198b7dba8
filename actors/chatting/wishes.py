"""How an answer is wished: the client's options before the profile's settings before the defaults.

A profile's settings are whatever its maker stored. Keys are read beside each other or, as the seed
documents have them, under `parameters`; what is no value of its kind is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from actors.models.settings import ModelSettings
from events.catalogue import AssistantProfile
from events.memory import Value
from events.said import AnswerOptions

#: Tokens of an answer where nobody says more or less.
ANSWER_TOKENS = 1024
#: Greedy decoding makes chat models repeat themselves.
TEMPERATURE = 0.7
#: Our own tools that a profile offers with `"tools": true`.
TOOLS_BY_DEFAULT = ("memory_search", "current_time")

_Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
_TopP = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Tokens = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

T = TypeVar("T")


class Wishes(Value, frozen=True, kw_only=True):
    """What an answer is asked with; `tools` are names of our own tools that may be offered."""

    model: str = ""
    instructions: str = ""
    temperature: float = TEMPERATURE
    top_p: float | None = None
    max_tokens: int = ANSWER_TOKENS
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[str, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Return what of it is a parameter of the generation."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": self.stop,
            "seed": self.seed,
        }


def wishes_of(
    profile: AssistantProfile | None, options: AnswerOptions | None, settings: ModelSettings
) -> Wishes:
    """Return how an answer is wished.

    A model that a profile names and nobody has configured is passed over: profiles outlive
    providers. One that a client asks for by name is asked for, and refused where it is not there.
    """
    stored = _flat(profile.model_settings if profile else {})
    asked = options or AnswerOptions()
    named = _value(stored, "model", str, "")
    known = {name for one in settings.providers for name in (one.name, one.model)}
    stop = _value(stored, "stop", tuple[str, ...] | str, ())
    return Wishes(
        model=asked.model or (named if named in known else ""),
        instructions=profile.system_prompt if profile else "",
        temperature=_first(
            asked.temperature, _value(stored, "temperature", _Temperature, TEMPERATURE)
        ),
        top_p=_first(asked.top_p, _value(stored, "top_p", _TopP | None, None)),
        max_tokens=_first(asked.max_tokens, _value(stored, "max_tokens", _Tokens, ANSWER_TOKENS)),
        stop=asked.stop or ((stop,) if isinstance(stop, str) else stop),
        seed=_first(asked.seed, _value(stored, "seed", int | None, None)),
        tools=_tools(stored),
    )


def quotes_only(settings: ModelSettings) -> bool:
    """Tell whether answers are quotations, there being no language model."""
    return all(provider.kind == "extractive" for provider in settings.providers)


def context_tokens(settings: ModelSettings, model: str) -> int:
    """Return how much the model that is asked for takes in, in tokens.

    Without a name any provider may have to answer, so it is the least of all. Quotations need no
    context: for them nothing has to be left out.
    """
    asked = [one for one in settings.providers if model and model in (one.name, one.model)]
    taking = [one for one in asked or settings.providers if one.kind != "extractive"]
    return min((one.context_tokens for one in taking), default=_NO_BOUND)


_NO_BOUND = 1 << 40


def _flat(stored: Mapping[str, Any]) -> dict[str, Any]:
    nested = stored.get("parameters")
    return {**(nested if isinstance(nested, dict) else {}), **stored}


def _value(stored: Mapping[str, Any], key: str, kind: Any, otherwise: T) -> T:
    try:
        return otherwise if key not in stored else msgspec.convert(stored[key], kind)
    except msgspec.ValidationError:
        return otherwise


def _first(asked: T | None, otherwise: T) -> T:
    return otherwise if asked is None else asked


def _tools(stored: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = _value(stored, "tools", bool | tuple[str, ...], False)
    if isinstance(wanted, bool):
        return TOOLS_BY_DEFAULT if wanted else ()
    return wanted
