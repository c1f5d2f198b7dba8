"""The report of a training: what it saw, what its weights are worth, and what they are.

As plain values it is the `training` of the artefact; `report_markdown` shows it to people. Every
figure is of questions that the weights behind it had not seen. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from cluster.eval_bootstrap import Interval, intervals
from cluster.eval_measures import MEASURES
from cluster.training.crossing import CHOSEN_BY, STRENGTHS, Crossed
from cluster.training.examples import Example, Floats
from cluster.training.fitting import AGAINST_MAX, NAMES
from events.memory import Value
from projections.retrieval.ranking import HAND_SET

#: What decides whether a ranker is better: `CHOSEN_BY`, and what the evaluations lead with.
DECISIVE = (CHOSEN_BY, "R@10")
ALL = "all"


class Compared(Value, frozen=True, kw_only=True):
    """Both rankings on the same questions; `difference` is learned less hand-set, paired."""

    questions: int
    hand_set: dict[str, Interval]
    learned: dict[str, Interval]
    difference: dict[str, Interval]


class FoldReport(Value, frozen=True, kw_only=True):
    """One fold: who was held out, and the means over the questions about them."""

    held_out: tuple[str, ...]
    questions: int
    strength: float
    weights: dict[str, float]
    hand_set: dict[str, float]
    learned: dict[str, float]


class SignalReport(Value, frozen=True, kw_only=True):
    """A signal: its weights, the range of those over the folds, its scale among the candidates."""

    hand_set: float
    learned: float
    least: float
    greatest: float
    mean: float
    deviation: float


class TrainingReport(Value, frozen=True, kw_only=True):
    """All that a training tells. `data` says what it learned from.

    `better` and `worse` are measures whose interval of the difference lies beyond 0; `losing` are
    categories in which that of a decisive measure lies below.
    """

    data: tuple[dict[str, Any], ...]
    method: str
    strength: float
    strengths: tuple[float, ...] = STRENGTHS
    folds: tuple[FoldReport, ...]
    compared: dict[str, Compared]
    signals: dict[str, SignalReport]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    losing: tuple[str, ...]
    beats_hand_set: bool

    @property
    def verdict(self) -> str:
        """Whether it beats the hand-set weights beyond the interval, in one sentence."""
        questions = self.compared[ALL].questions
        but = f", but loses in {', '.join(self.losing)}" if self.losing else ""
        if self.beats_hand_set:
            return (
                f"It beats the hand-set weights beyond the interval, on {questions} questions{but}."
            )
        return (
            f"It does not beat the hand-set weights beyond the interval, on {questions} questions"
            f"{but}: keep those."
        )


METHOD = (
    f"pairwise logistic regression, each evidence against the {AGAINST_MAX} best others; "
    "drawn towards the hand-set weights; no sign turned"
)


def report_of(
    examples: Sequence[Example], crossed: Crossed, data: Sequence[dict[str, Any]]
) -> TrainingReport:
    """Return the report of a training on these examples."""
    compared = _compared(examples, crossed)
    difference = compared[ALL].difference
    better = tuple(name for name in MEASURES if difference[name].low > 0)
    worse = tuple(name for name in MEASURES if difference[name].high < 0)
    return TrainingReport(
        data=tuple(data),
        method=METHOD,
        strength=crossed.strength,
        folds=tuple(
            FoldReport(
                held_out=fold.groups,
                questions=len(fold.questions),
                strength=fold.strength,
                weights=msgspec.structs.asdict(fold.weights),
                hand_set=_means(crossed.hand_set[list(fold.questions)]),
                learned=_means(crossed.learned[list(fold.questions)]),
            )
            for fold in crossed.folds
        ),
        compared=compared,
        signals=_signals(examples, crossed),
        better=better,
        worse=worse,
        losing=tuple(
            category
            for category, one in compared.items()
            if category != ALL and any(one.difference[name].high < 0 for name in DECISIVE)
        ),
        beats_hand_set=not worse and any(name in better for name in DECISIVE),
    )


def _compared(examples: Sequence[Example], crossed: Crossed) -> dict[str, Compared]:
    """Return both rankings compared on all questions, and on those of each category."""
    rows = {ALL: list(range(len(examples)))}
    for at, example in enumerate(examples):
        rows.setdefault(example.category, []).append(at)
    if len(rows) == 2:  # one category: the same once more
        rows = {ALL: rows[ALL]}
    together = np.hstack([crossed.hand_set, crossed.learned, crossed.learned - crossed.hand_set])
    found: dict[str, Compared] = {}
    for category, chosen in rows.items():
        row = intervals(together[chosen])
        width = len(MEASURES)
        hand_set, learned, difference = (
            dict(zip(MEASURES, row[first : first + width], strict=True))
            for first in range(0, len(row), width)
        )
        found[category] = Compared(
            questions=len(chosen), hand_set=hand_set, learned=learned, difference=difference
        )
    return found


def _means(values: Floats) -> dict[str, float]:
    return {
        name: round(float(mean), 4)
        for name, mean in zip(MEASURES, values.mean(axis=0), strict=True)
    }


def _signals(examples: Sequence[Example], crossed: Crossed) -> dict[str, SignalReport]:
    matrix = np.concatenate([example.matrix() for example in examples])
    means, deviations = matrix.mean(axis=0), matrix.std(axis=0)
    found = {}
    for at, name in enumerate(NAMES):
        over_folds = [getattr(fold.weights, name) for fold in crossed.folds]
        found[name] = SignalReport(
            hand_set=getattr(HAND_SET, name),
            learned=getattr(crossed.weights, name),
            least=min(over_folds),
            greatest=max(over_folds),
            mean=round(float(means[at]), 4),
            deviation=round(float(deviations[at]), 4),
        )
    return found
