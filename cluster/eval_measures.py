"""How well a ranking answers a question: recall, reciprocal rank, nDCG. Pure.

A ranking is a sequence of message ids, best first. Relevance is binary: a message is evidence or it
is not. Definitions: Manning, Raghavan and Schütze 2008, chapter 8; nDCG: Järvelin and Kekäläinen
2002, with the logarithm of base 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

DEPTHS = (1, 5, 10, 25, 50)
NDCG_DEPTH = 10
#: The names of what `measures_of` returns, in its order.
MEASURES = (*(f"R@{depth}" for depth in DEPTHS), "MRR", f"nDCG@{NDCG_DEPTH}")


def message_ranking(hits: Iterable[Sequence[str]]) -> list[str]:
    """Return messages in the order in which hits first name them; a hit may name several."""
    return list(dict.fromkeys(message for hit in hits for message in hit))


def measures_of(evidence: frozenset[str], ranked: Sequence[str]) -> tuple[float, ...]:
    """Return one value a measure, each between 0 and 1."""
    recalls = (recall(evidence, ranked, depth) for depth in DEPTHS)
    return (*recalls, reciprocal_rank(evidence, ranked), ndcg(evidence, ranked, NDCG_DEPTH))


def recall(evidence: frozenset[str], ranked: Sequence[str], depth: int) -> float:
    """Return the share of the evidence among the first `depth` messages."""
    return len(evidence.intersection(ranked[:depth])) / len(evidence)


def reciprocal_rank(evidence: frozenset[str], ranked: Sequence[str]) -> float:
    """Return one over the rank of the first message that is evidence, 0 when none is ranked."""
    return next((1 / rank for rank, one in enumerate(ranked, 1) if one in evidence), 0.0)


def ndcg(evidence: frozenset[str], ranked: Sequence[str], depth: int) -> float:
    """Return the discounted gain of the first `depth`, as a share of the best order's."""
    gain = sum(_discount(rank) for rank, one in enumerate(ranked[:depth], 1) if one in evidence)
    return gain / sum(_discount(rank) for rank in range(1, min(len(evidence), depth) + 1))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values (0 when there are none)."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
