"""What a ranker is trained on: questions whose candidates are measured and labelled. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from projections.retrieval.passage import Passage
from projections.retrieval.ranking import Weights, fuse
from projections.retrieval.signals import Signals

Floats = npt.NDArray[np.float64]


class Example(NamedTuple):
    """A question with its candidates, in the order in which a search shows equal scores.

    `group` is the conversation or the person that it is about: never split between training and
    test. `ids` tells what each candidate is, `signals` what it measures (arrays [candidates]).
    `evidence` are the ids that answer the question; some may not be among the candidates.
    """

    group: str
    category: str
    ids: tuple[str, ...]
    signals: Signals
    evidence: frozenset[str]

    def ranked(self, weights: Weights) -> list[str]:
        """Return the ids in the order that these weights give."""
        order = np.argsort(-fuse(self.signals, weights), kind="stable")
        return [self.ids[at] for at in order]

    def matrix(self) -> Floats:
        """Return the signals, float64 [candidates, signals], in the order of their names."""
        return np.stack(self.signals, axis=1).astype(np.float64)

    def labels(self) -> npt.NDArray[np.bool_]:
        """Return which candidates are evidence, bool [candidates]."""
        return np.array([one in self.evidence for one in self.ids], np.bool_)


def in_order(passages: Sequence[Passage], signals: Signals) -> tuple[tuple[Passage, ...], Signals]:
    """Return candidates newest first, as a search shows those of equal scores."""
    order = sorted(
        range(len(passages)), key=lambda at: (-passages[at].position, passages[at].ordinal)
    )
    return tuple(passages[at] for at in order), rows_of(signals, order)


def rows_of(signals: Signals, rows: Sequence[int]) -> Signals:
    """Return the signals of some candidates."""
    chosen = np.array(rows, np.int64)
    return Signals(*(values[chosen] for values in signals))
