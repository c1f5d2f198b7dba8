"""Bootstrapped intervals, where the resampled means can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.eval_bootstrap import Interval, intervals


def test_interval_is_a_point_when_all_questions_agree() -> None:
    """Whatever is drawn, the mean is the same."""
    (found,) = intervals(np.full((7, 1), 0.25))

    assert found == Interval(mean=0.25, low=0.25, high=0.25)


def test_interval_has_the_bounds_of_the_resampled_means() -> None:
    """Of one hit and one miss, a resample has mean 0, 1/2 or 1 in 1/4, 1/2 and 1/4 of the draws."""
    (found,) = intervals(np.array([[0.0], [1.0]]))

    assert found == Interval(mean=0.5, low=0.0, high=1.0)


def test_interval_narrows_as_questions_become_many() -> None:
    """400 questions, half of them found: 1.96 standard errors are .049, as the binomial has it."""
    values = np.repeat([[0.0], [1.0]], 200, axis=0)

    (found,) = intervals(values)

    assert found.mean == 0.5
    assert found.low == pytest.approx(0.451, abs=0.004)
    assert found.high == pytest.approx(0.549, abs=0.004)


def test_paired_difference_is_surer_than_its_parts() -> None:
    """One method finds .1 more of every question: the difference is .1, however hard they are."""
    ours = np.linspace(0.1, 0.9, 50)[:, None]

    _, difference = intervals(np.hstack([ours, (ours - 0.1) - ours]))

    assert difference == Interval(mean=-0.1, low=-0.1, high=-0.1)


def test_intervals_are_the_same_when_taken_again() -> None:
    """The draws are seeded; another seed draws others."""
    values = np.random.default_rng(1).random((30, 3))

    assert intervals(values) == intervals(values)
    assert intervals(values) != intervals(values, seed=6)


def test_nothing_has_no_mean() -> None:
    """No questions are a mistake of the caller, not a mean of 0."""
    with pytest.raises(ValueError, match="no questions"):
        intervals(np.zeros((0, 1)))
