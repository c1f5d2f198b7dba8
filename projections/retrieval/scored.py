"""Scores of a few rows among many: those above zero, without an array as long as the shelf."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from projections.retrieval.columns import Floats

#: Row numbers, int64 [rows].
Rows = npt.NDArray[np.int64]


class Scored(NamedTuple):
    """Rows that have a score above zero, each once, in no order; all others have none.

    rows: int64 [found].
    scores: float32 [found].
    """

    rows: Rows
    scores: Floats

    def among(self, kept: npt.NDArray[np.bool_]) -> Scored:
        """Return the part of them that `kept`, bool [found], says."""
        return Scored(self.rows[kept], self.scores[kept])

    def shares(self, size: int) -> Floats:
        """Return the score of each row as a share of the greatest, float32 [size]; 0 for others."""
        shares = np.zeros(size, np.float32)
        shares[self.rows] = self.scores / self.scores.max(initial=np.float32(1e-6))
        return shares


NONE_SCORED = Scored(np.zeros(0, np.int64), np.zeros(0, np.float32))
