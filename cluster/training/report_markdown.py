"""The report of a training as Markdown, for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.eval_bootstrap import Interval
from cluster.training.crossing import CHOSEN_BY
from cluster.training.report import TrainingReport

_SHOWN = ("R@5", "R@10", "MRR", CHOSEN_BY)


def markdown(name: str, report: TrainingReport) -> str:
    """Return the report for people to read."""
    told = "; ".join(
        ", ".join(f"{key} {value}" for key, value in one.items()) for one in report.data
    )
    lines = [
        f"# Ranker {name}",
        "",
        f"{report.verdict} Better: {_listed(report.better)}. Worse: {_listed(report.worse)}.",
        "",
        f"Learned from: {told}.",
        f"How: {report.method} (strength {report.strength:g} of "
        f"{', '.join(f'{one:g}' for one in report.strengths)}, chosen within each fold).",
        "Figures are of questions that the weights had not seen; intervals are of 95 %, resampling",
        "questions. In a fold's line: hand-set → learned.",
        "",
        "## By category",
        *_table(
            ("category", "questions", *(f"{one} hand-set" for one in _SHOWN), *_SHOWN),
            [
                (category, str(one.questions), *_cells(one.hand_set), *_cells(one.learned))
                for category, one in report.compared.items()
            ],
        ),
        "",
        "## Difference, learned less hand-set, question by question",
        *_table(
            ("category", *_SHOWN),
            [
                (category, *(_signed(one.difference[measure]) for measure in _SHOWN))
                for category, one in report.compared.items()
            ],
        ),
        "",
        "## By fold",
        *_table(
            ("held out", "questions", "strength", *_SHOWN),
            [
                (
                    ", ".join(fold.held_out),
                    str(fold.questions),
                    f"{fold.strength:g}",
                    *(f"{_short(fold.hand_set[m])} → {_short(fold.learned[m])}" for m in _SHOWN),
                )
                for fold in report.folds
            ],
        ),
        "",
        "## Signals",
        *_table(
            ("signal", "hand-set", "learned", "over the folds", "mean", "deviation"),
            [
                (
                    signal,
                    f"{one.hand_set:g}",
                    f"{one.learned:g}",
                    f"{one.least:g} to {one.greatest:g}",
                    f"{one.mean:.3f}",
                    f"{one.deviation:.3f}",
                )
                for signal, one in report.signals.items()
            ],
        ),
        "",
    ]
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cells(measures: Mapping[str, Interval]) -> list[str]:
    return [
        f"{_short(one.mean)} ({_short(one.low)} to {_short(one.high)})"
        for one in (measures[name] for name in _SHOWN)
    ]


def _signed(one: Interval) -> str:
    return f"{one.mean:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def _short(value: float) -> str:
    return f"{value:.3f}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
