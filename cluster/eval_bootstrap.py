"""How sure a mean is: bootstrapped 95 % intervals (Efron 1979), by percentiles. Pure and seeded.

As many questions as there are get drawn with replacement, and the mean is taken again. Methods are
compared question by question (paired): they find most questions alike hard, so the mean of their
differences is surer than the difference of their means.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from events.memory import Value

Values = npt.NDArray[np.float64]

SEED = 5
RESAMPLES = 10_000
#: Resamples that are drawn at once: some megabytes for a thousand questions.
_AT_ONCE = 500
_TAILS = (0.025, 0.975)


class Interval(Value, frozen=True, kw_only=True):
    """A mean, and the bounds between which 95 % of the resampled means lie."""

    mean: float
    low: float
    high: float


def intervals(values: Values, *, resamples: int = RESAMPLES, seed: int = SEED) -> list[Interval]:
    """Return the interval of each column's mean.

    Args:
        values: one row a question, one column a measure, float64 [questions, measures]; of
            differences for a paired comparison.
        resamples: how often all questions are drawn.
        seed: of the draws. Columns are drawn together.
    """
    count = len(values)
    if not count:
        raise ValueError("there is no mean of no questions")
    generator = np.random.default_rng(seed)
    # How often each question is drawn, instead of which: then a mean is a product of matrices.
    shares = np.full(count, 1 / count)
    means = np.concatenate(
        [
            generator.multinomial(count, shares, size=min(_AT_ONCE, resamples - done)) @ values
            for done in range(0, resamples, _AT_ONCE)
        ]
    )
    low, high = np.quantile(means / count, _TAILS, axis=0)
    return [
        Interval(mean=_rounded(mean), low=_rounded(least), high=_rounded(most))
        for mean, least, most in zip(values.mean(axis=0), low, high, strict=True)
    ]


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # no -0.0
