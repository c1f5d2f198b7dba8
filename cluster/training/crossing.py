"""Cross-validation: every question is ranked with weights that were found without its conversation.

How strongly the weights are drawn towards the hand-set ones is chosen inside of each fold, on the
conversations that are left, in the same way. So nothing is tuned on a question that is reported.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from cluster.eval_measures import MEASURES, measures_of
from cluster.training.examples import Example, Floats
from cluster.training.fitting import Pairs, fit, pairs_of
from events.errors import CommandRejected
from projections.retrieval.ranking import HAND_SET, Weights

#: How much a distance from the hand-set direction may cost: from next to nothing to all.
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
#: What the strength is chosen by: it counts every place among the first ten.
CHOSEN_BY = "nDCG@10"
FOLDS_MAX = 10
INNER_FOLDS_MAX = 5
#: With fewer questions an interval says nothing.
QUESTIONS_MIN = 20

#: Hears what is done, a line at a time.
Tell = Callable[[str], None]


class Fold(NamedTuple):
    """A part of the questions, and the weights that were found on all others."""

    groups: tuple[str, ...]
    questions: tuple[int, ...]
    strength: float
    weights: Weights


class Crossed(NamedTuple):
    """What was found: the weights of all questions together, and the folds that tell their worth.

    `hand_set` and `learned` are the measures of each question, float64 [questions, measures], the
    latter by the weights of its fold.
    """

    weights: Weights
    strength: float
    folds: tuple[Fold, ...]
    hand_set: Floats
    learned: Floats


def cross_validate(examples: Sequence[Example], tell: Tell = lambda line: None) -> Crossed:
    """Find weights on all examples, and by cross-validation what such weights are worth.

    A fold is one conversation (or person); beyond `FOLDS_MAX` of them several. Where there is but
    one, the folds are every fifth question.

    Raises:
        CommandRejected: there are too few questions, or nothing to learn from them.
    """
    if len(examples) < QUESTIONS_MIN:
        raise CommandRejected(
            f"{len(examples)} questions are too few to train on; give {QUESTIONS_MIN} or more"
        )
    with threadpool_limits(1):  # training is nobody's hurry: the other cores are for who asks
        work = _Work(examples)
        hand_set = work.measured(range(len(examples)), HAND_SET)
        learned = np.zeros_like(hand_set)
        folds = []
        parts = _parts([one.group for one in examples], FOLDS_MAX)
        for number, held_out in enumerate(parts, start=1):
            rest = sorted(set(range(len(examples))).difference(held_out))
            strength = work.chosen_strength(rest)
            weights = work.fitted(rest, strength)
            learned[held_out] = work.measured(held_out, weights)
            groups = tuple(dict.fromkeys(examples[at].group for at in held_out))
            folds.append(Fold(groups, tuple(held_out), strength, weights))
            tell(f"fold {number} of {len(parts)}: {len(held_out)} questions held out")
        everything = list(range(len(examples)))
        strength = work.chosen_strength(everything)
        tell(f"all {len(examples)} questions: strength {strength:g}")
        weights = work.fitted(everything, strength)
    return Crossed(weights, strength, tuple(folds), hand_set, learned)


class _Work:
    """The examples with their pairs, which are the same in every fold."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples
        self._pairs: list[Pairs] = [pairs_of(example) for example in examples]

    def fitted(self, chosen: Sequence[int], strength: float) -> Weights:
        """Return the weights of some of the questions."""
        pairs = [self._pairs[at] for at in chosen if len(self._pairs[at])]
        if not pairs:
            raise CommandRejected(
                "no question has evidence and other candidates beside it: there is nothing to learn"
            )
        return fit(pairs, strength)

    def measured(self, chosen: Sequence[int], weights: Weights) -> Floats:
        """Return the measures of some questions, float64 [questions, measures]."""
        found = (self._examples[at] for at in chosen)
        rows = [measures_of(one.evidence, one.ranked(weights)) for one in found]
        return np.array(rows, np.float64).reshape(-1, len(MEASURES))

    def chosen_strength(self, chosen: Sequence[int]) -> float:
        """Return the strength that serves best where it was not learned; of equals the greatest."""
        parts = _parts([self._examples[at].group for at in chosen], INNER_FOLDS_MAX)
        column = MEASURES.index(CHOSEN_BY)
        worth: dict[float, float] = {}
        for strength in STRENGTHS:
            total = 0.0
            for part in parts:
                held_out = [chosen[at] for at in part]
                rest = sorted(set(chosen).difference(held_out))
                weights = self.fitted(rest, strength)
                total += float(self.measured(held_out, weights)[:, column].sum())
            worth[strength] = round(total / len(chosen), 4)
        return max(STRENGTHS, key=lambda strength: (worth[strength], strength))


def _parts(groups: Sequence[str], parts_max: int) -> list[list[int]]:
    """Return the places of a partition that parts no group, of about equal sizes.

    The largest group goes first, each into the smallest part; a single group is dealt out singly.
    """
    places: dict[str, list[int]] = {}
    for at, group in enumerate(groups):
        places.setdefault(group, []).append(at)
    if len(places) == 1:
        return [
            list(range(first, len(groups), INNER_FOLDS_MAX)) for first in range(INNER_FOLDS_MAX)
        ]
    parts: list[list[int]] = [[] for _ in range(min(parts_max, len(places)))]
    if len(parts) == len(places):
        return list(places.values())
    for members in sorted(places.values(), key=len, reverse=True):
        min(parts, key=len).extend(members)
    return [sorted(part) for part in parts]
