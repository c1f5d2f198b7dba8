"""How fast a way to a language model is: the arithmetic of `mirix bench llm`.

A way is asked one answer after the other, which gives the times, and then many at once, which
gives the rate.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from events.memory import Value


class Timed(Value, frozen=True, kw_only=True):
    """One answer: seconds from the request to its first and its last piece, and how many tokens.

    `cached_tokens` of the prompt came from the prefix cache; where nobody says, both are 0.
    """

    first_s: float
    last_s: float
    tokens: int
    prompt_tokens: int = 0
    cached_tokens: int = 0

    @property
    def between_s(self) -> float:
        """The mean time between two tokens; a piece may hold several of them."""
        return (self.last_s - self.first_s) / max(1, self.tokens - 1)


class Pace(Value, frozen=True, kw_only=True):
    """How fast one way is: tokens a second of all at once; of one at a time the medians, and p99.

    Of fewer than a hundred answers p99 is about the slowest.
    """

    tokens_per_s: float
    first_token_ms: float
    first_token_p99_ms: float
    between_tokens_ms: float


def pace(alone: Sequence[Timed], together: Sequence[Timed], together_s: float) -> Pace:
    """Return the pace of a way.

    Args:
        alone: answers that were asked for one after the other.
        together: answers that were asked for at once.
        together_s: how long all of these took.
    """
    first_s = [one.first_s for one in alone]
    return Pace(
        tokens_per_s=round(sum(one.tokens for one in together) / together_s, 1),
        first_token_ms=round(statistics.median(first_s) * 1000, 2),
        first_token_p99_ms=round(float(np.percentile(first_s, 99)) * 1000, 2),
        between_tokens_ms=round(statistics.median(one.between_s for one in alone) * 1000, 3),
    )


def against(bare: Pace, way: Pace) -> dict[str, Any]:
    """Return the figures of a way, and what it adds to another's times or takes from its rate."""
    return {
        **msgspec.to_builtins(way),
        "lost_tokens_per_s": lost(bare.tokens_per_s, way.tokens_per_s),
        "added_first_token_ms": round(way.first_token_ms - bare.first_token_ms, 2),
        "added_between_tokens_ms": round(way.between_tokens_ms - bare.between_tokens_ms, 3),
    }


def lost(bare: float, way: float) -> str:
    """Return the share of a rate that a way loses; negative where it is the faster one."""
    return f"{1 - way / bare:.1%}"


def added(pairs: Sequence[tuple[Timed, Timed]]) -> dict[str, float]:
    """Return what one way adds to another: the medians of the differences of pairs (it, other).

    Two answers of a pair were asked for right after each other, so that what else the machine does
    weighs on both.
    """
    first_s = statistics.median(one.first_s - other.first_s for one, other in pairs)
    between_s = statistics.median(one.between_s - other.between_s for one, other in pairs)
    return {
        "added_first_token_ms": round(first_s * 1000, 2),
        "added_between_tokens_ms": round(between_s * 1000, 3),
    }


def prompts(asked: Sequence[Timed]) -> dict[str, float]:
    """Return the medians of what was asked: tokens of the prompt, and those from the cache."""
    return {
        "prompt_tokens": statistics.median(one.prompt_tokens for one in asked),
        "cached_tokens": statistics.median(one.cached_tokens for one in asked),
    }
