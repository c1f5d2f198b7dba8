"""Fuse the signals into one score, and keep near-duplicates from pushing others out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import msgspec
import numpy as np

from projections.retrieval.columns import Floats
from projections.retrieval.explained import SignalValue
from projections.retrieval.signals import Signals


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What each signal is worth: round numbers set by hand, ablated in `docs/retrieval.md`."""

    words: float = 0.3
    words_together: float = 0.5
    around: float = 0.8
    meaning: float = 1.0
    answers: float = 0.5
    meaning_after: float = 0.2
    session: float = 0.5
    speaker: float = 0.3
    speaker_of_several: float = 0.3
    asks: float = -0.6
    kind: float = 0.6
    dated: float = 1.0
    recent: float = 0.1
    length: float = 0.2


HAND_SET = Weights()


def fuse(signals: Signals, weights: Weights = HAND_SET) -> Floats:
    """Return the weighted sum of the signals, float32 [candidates].

    A linear fusion of scores keeps how far apart two candidates are, which a fusion of ranks loses
    (Bruch, Gai and Ingber 2023, arXiv:2210.11934). Rounded, so that the last bits of a vector
    product, which vary with what it was batched with, never order two hits.
    """
    total = np.zeros(len(signals.meaning), np.float32)
    for name, values in signals._asdict().items():
        total += np.float32(getattr(weights, name)) * values
    fused: Floats = np.round(total, 5)
    return fused


def explain(signals: Signals, weights: Weights) -> Callable[[int], dict[str, SignalValue]]:
    """Return what tells each signal of a candidate, by the candidate's number."""
    in_order = {}
    for name, values in signals._asdict().items():
        weight = float(getattr(weights, name))
        # Of what counts against a passage, the least is the best.
        in_order[name] = weight, values, np.sort(-values if weight >= 0 else values)

    def of(candidate: int) -> dict[str, SignalValue]:
        shown = {}
        for name, (weight, values, best_first) in in_order.items():
            own = values[candidate]
            better = int(np.searchsorted(best_first, -own if weight >= 0 else own))
            shown[name] = SignalValue(value=float(own), rank=better + 1, weight=weight)
        return shown

    return of


def distinct_first(
    order: Sequence[int], source_of: Callable[[int], Hashable], limit: int
) -> list[int]:
    """Return up to `limit` of `order`, the first of each source before the repeated ones.

    A memory and the message that it was drawn from say the same: only the better one takes a
    place, the other comes after all distinct ones.

    Args:
        order: candidates, best first.
        source_of: tells what a candidate was drawn from.
        limit: at most so many.
    """
    first: list[int] = []
    repeated: list[int] = []
    seen: set[Hashable] = set()
    for candidate in order:
        source = source_of(candidate)
        (repeated if source in seen else first).append(candidate)
        seen.add(source)
        if len(first) == limit:
            break
    return (first + repeated)[:limit]
