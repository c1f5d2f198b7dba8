"""Weights from examples: pairwise logistic regression over differences of signals. Pure.

Of each question every evidence is set against the best candidates that are none; the weights are to
tell which of the two is which (RankNet without a net: Burges et al. 2005; with a linear model and
hinge loss it would be RankSVM: Joachims 2002). Each question counts once, however many pairs it
has.

The weights are drawn towards the hand-set ones h: they are a·h + v, and only v is penalised, by the
square of its length times `strength`. A column d·h, scaled up so that its penalty does not matter,
makes of that an ordinary ridge penalty. So a signal that never differs in the data keeps its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression

from cluster.training.examples import Example, Floats
from projections.retrieval.ranking import HAND_SET, Weights, fuse
from projections.retrieval.signals import Signals

NAMES: tuple[str, ...] = Signals._fields
#: The best candidates that are no evidence, and that each evidence is set against.
AGAINST_MAX = 30
#: Weights are multiples of this: more digits than the data bears would say nothing.
STEP = 0.05
_SCALE = 30.0
_ITERATIONS_MAX = 2000


#: The pairs of one question: evidence less non-evidence, float64 [pairs, signals].
Pairs: TypeAlias = Floats


def pairs_of(example: Example, hand_set: Weights = HAND_SET) -> Pairs:
    """Return the pairs of a question; none when it has no evidence among its candidates."""
    labels = example.labels()
    matrix = example.matrix()
    scores = np.where(labels, -np.inf, fuse(example.signals, hand_set))
    against = np.argsort(-scores, kind="stable")[: min(AGAINST_MAX, int((~labels).sum()))]
    differences = matrix[labels][:, np.newaxis, :] - matrix[against][np.newaxis, :, :]
    return differences.reshape(-1, matrix.shape[1])


def fit(pairs: Sequence[Pairs], strength: float, hand_set: Weights = HAND_SET) -> Weights:
    """Return the weights that tell evidence from the rest.

    A weight never turns against the hand-set one: a signal that would is left out (weight 0) and
    the others are fitted anew. As large together as the hand-set ones, so that a score means about
    what it meant; rounded to multiples of `STEP`.

    Args:
        pairs: of the questions to learn from, at least one of them with a pair.
        strength: how much a weight's distance from the hand-set direction costs, above 0.
        hand_set: where the weights are drawn to.

    Raises:
        ValueError: there are no pairs.
    """
    chosen = [one for one in pairs if len(one)]
    differences = np.concatenate(chosen)
    counts = np.concatenate([np.full(len(one), 1 / len(one)) for one in chosen])
    towards = np.array([getattr(hand_set, name) for name in NAMES], np.float64)
    kept = np.ones(len(NAMES), np.bool_)
    while True:
        found = _fitted(differences * kept, counts, towards * kept, strength)
        turned = kept & (towards != 0) & (found * towards < 0)
        if not turned.any() or not (kept & ~turned).any():
            break
        kept &= ~turned
    size = np.abs(found).sum()
    if size:
        found *= np.abs(towards).sum() / size
    rounded = np.round(found / STEP) * STEP
    weights = {
        name: round(float(value), 4) + 0.0 for name, value in zip(NAMES, rounded, strict=True)
    }
    return msgspec.structs.replace(hand_set, **weights)


def _fitted(differences: Floats, counts: Floats, towards: Floats, strength: float) -> Floats:
    """Return the weights of one logistic regression, float64 [signals]."""
    # Every second pair the other way round: both classes, and no intercept to be found.
    signs = np.where(np.arange(len(differences)) % 2, -1.0, 1.0)
    columns = np.column_stack([_SCALE * differences @ towards, differences]) * signs[:, np.newaxis]
    model = LogisticRegression(
        C=1 / strength, fit_intercept=False, max_iter=_ITERATIONS_MAX, tol=1e-6
    )
    model.fit(columns, signs > 0, sample_weight=counts)
    (coefficients,) = model.coef_
    found: Floats = _SCALE * coefficients[0] * towards + coefficients[1:]
    return found
