"""What made the score of a hit, as it is told. Light: whoever shows it needs no index."""

from __future__ import annotations

import msgspec


class SignalValue(msgspec.Struct, frozen=True, kw_only=True):
    """One signal of a hit: its value between 0 and 1, and the weight it entered the score with.

    `rank` is its place among the candidates by what the signal added to their scores: 1 is the
    best, equals share the better place.
    """

    value: float
    rank: int
    weight: float
