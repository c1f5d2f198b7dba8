"""What an evaluation of retrieval saw, scored: means with intervals, by category. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.eval_bootstrap import Interval, Values, intervals
from cluster.eval_measures import MEASURES, measures_of, percentile
from cluster.eval_methods import Answer, Method
from cluster.eval_people import ALL, UNCATEGORISED, Question
from events.memory import Value

#: Of each category, of each measure.
Table = dict[str, dict[str, Interval]]


class MethodScores(Value, frozen=True, kw_only=True):
    """How well a way of searching did.

    `differences` are what its measures have less than (below 0) or beyond those of our ranking,
    question by question; our own has none.
    """

    name: str
    summary: str
    search_p50_ms: float
    search_p99_ms: float
    measures: Table
    differences: Table | None = None


def score_methods(
    questions: Sequence[Question], answers: Sequence[tuple[Method, Sequence[Answer]]]
) -> tuple[MethodScores, ...]:
    """Score the answers to the same questions by some methods, of which the first is our own.

    Of no questions at all the tables are empty.
    """
    values = [_values(questions, given) for _, given in answers]
    # Side by side, so that each resample is drawn once for all of them.
    columns = [*values, *(own - values[0] for own in values[1:])]
    tables = _tables(questions, columns)
    return tuple(
        MethodScores(
            name=method.name,
            summary=method.summary,
            search_p50_ms=round(percentile([one.latency_ms for one in given], 0.50), 2),
            search_p99_ms=round(percentile([one.latency_ms for one in given], 0.99), 2),
            measures=tables[at],
            differences=tables[len(values) + at - 1] if at else None,
        )
        for at, (method, given) in enumerate(answers)
    )


def count_by_category(questions: Sequence[Question]) -> dict[str, int]:
    """Return how many questions there are, in all and of each category, in order of the names."""
    return {name: len(rows) for name, rows in _rows_by_category(questions).items()}


def _rows_by_category(questions: Sequence[Question]) -> dict[str, list[int]]:
    names = sorted({question.category for question in questions})
    rows = {ALL: list(range(len(questions)))}
    if names != [UNCATEGORISED]:
        rows |= {
            name: [at for at, question in enumerate(questions) if question.category == name]
            for name in names
        }
    return rows


def _values(questions: Sequence[Question], answers: Sequence[Answer]) -> Values:
    """Return every measure of every question, float64 [questions, measures]."""
    rows = [
        measures_of(question.evidence, answer.ranked)
        for question, answer in zip(questions, answers, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(rows), len(MEASURES))


def _tables(questions: Sequence[Question], columns: Sequence[Values]) -> list[Table]:
    """Return the table of each [questions, measures] of `columns`."""
    together = np.hstack(columns)
    tables: list[Table] = [{} for _ in columns]
    for category, rows in _rows_by_category(questions).items():
        if not rows:
            continue
        found = intervals(together[rows])
        for at, table in enumerate(tables):
            first = at * len(MEASURES)
            row = found[first : first + len(MEASURES)]
            table[category] = dict(zip(MEASURES, row, strict=True))
    return tables
