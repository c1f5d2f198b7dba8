"""A report of an evaluation as sentences and tables, and those as Markdown. Pure.

The command line shows the same sentences and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cluster.eval_bootstrap import Interval
from cluster.eval_measures import MEASURES
from cluster.eval_methods import SEARCH_LIMIT
from cluster.eval_people import ALL
from cluster.eval_retrieval import RetrievalReport
from cluster.eval_scoring import MethodScores, Table

#: The measure by which categories are compared.
_CHIEF = "R@10"


class Grid(NamedTuple):
    """A table: its title, the names of its columns, and its rows as text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sentences(report: RetrievalReport) -> list[str]:
    """Return what the tables do not tell."""
    ours = report.methods[0]
    told = [
        f"{_count(report.messages, 'message')} of {_count(report.people, 'person', 'people')} in "
        f"{report.ingest_s:.1f} s: {report.messages_per_s:.0f} messages/s until all can be found",
        f"{_count(report.questions[ALL], 'question')} ({report.questions_left_out} without "
        f"evidence left out): search p50 {ours.search_p50_ms:.1f} ms, "
        f"p99 {ours.search_p99_ms:.1f} ms",
    ]
    if report.bad_records:
        told.append(f"{_count(len(report.bad_records), 'bad record')} did not go in")
    if report.mem0 is not None:
        mem0 = report.mem0
        times = report.messages_per_s / mem0.adds_per_s if mem0.adds_per_s else 0.0
        versions = ", ".join(f"{name} {version}" for name, version in mem0.versions.items())
        told.append(
            f"mem0 took {mem0.add_s:.1f} s for {_count(mem0.messages, 'message')}: "
            f"{mem0.adds_per_s:.0f} adds/s; ours are {times:.1f} times as many ({versions})"
        )
    return told


def grids(report: RetrievalReport) -> Iterator[Grid]:
    """Yield the tables: ours by category; where methods were compared, those too."""
    ours, *others = report.methods
    rows = [
        (category, str(count), *_cells(ours.measures.get(category, {}), _plain))
        for category, count in report.questions.items()
    ]
    title = "Ours, by category (mean and 95 % interval)"
    yield Grid(title, ("category", "asked", *MEASURES), rows)
    if others:
        yield from _comparison(report, ours, others)


def _comparison(
    report: RetrievalReport, ours: MethodScores, others: Sequence[MethodScores]
) -> Iterator[Grid]:
    methods = [ours, *others]
    rows = [
        (
            method.name,
            *_cells(method.measures.get(ALL, {}), _plain),
            f"{method.search_p50_ms:.1f}",
            f"{method.search_p99_ms:.1f}",
        )
        for method in methods
    ]
    title = "Methods, all questions (mean and 95 % interval)"
    yield Grid(title, ("method", *MEASURES, "p50 ms", "p99 ms"), rows)
    rows = [
        (method.name, *_cells((method.differences or {}).get(ALL, {}), _signed))
        for method in others
    ]
    title = "Difference to ours, question by question (mean and 95 % interval)"
    yield Grid(title, ("method", *MEASURES), rows)
    rows = [
        (category, str(count), *(_plain(_chief(method.measures, category)) for method in methods))
        for category, count in report.questions.items()
    ]
    names = (method.name for method in methods)
    yield Grid(f"{_CHIEF} by category", ("category", "asked", *names), rows)
    rows = [
        (
            category,
            str(count),
            *(_signed(_chief(method.differences, category)) for method in others),
        )
        for category, count in report.questions.items()
    ]
    names = (method.name for method in others)
    yield Grid(f"{_CHIEF}, difference to ours", ("category", "asked", *names), rows)


def markdown(report: RetrievalReport) -> str:
    """Return the whole report."""
    lines = [
        f"# Retrieval: {report.data_set}",
        "",
        f"Made {report.made_at:%Y-%m-%d %H:%M} UTC by `mirix` {report.version}; the client ran on "
        f"{report.machine}. Data set: sha256 `{report.data_set_sha256}`.",
        "",
        *(f"- {sentence}." for sentence in sentences(report)),
    ]
    for grid in grids(report):
        lines += ["", f"## {grid.title}", ""]
        lines += _pipes(grid)
    lines += ["", "## Methods", ""]
    lines += [f"- `{method.name}`: {method.summary}." for method in report.methods]
    lines += [
        "",
        f"Intervals: {_count(report.resamples, 'bootstrap resample')} of the questions "
        f"(seed {report.seed}), by percentiles. Each search gives up to {SEARCH_LIMIT} hits. "
        "Latencies are those of one client, one question at a time; those of mem0 are of calls "
        "within its process. What each figure means: `docs/evaluation.md`.",
        "",
    ]
    return "\n".join(lines)


def _pipes(grid: Grid) -> list[str]:
    rows = [grid.columns, tuple("---" for _ in grid.columns), *grid.rows]
    return [f"| {' | '.join(map(_in_pipes, row))} |" for row in rows]


def _in_pipes(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _chief(table: Table | None, category: str) -> Interval | None:
    return (table or {}).get(category, {}).get(_CHIEF)


def _cells(row: Mapping[str, Interval], cell: Callable[[Interval | None], str]) -> Iterator[str]:
    return (cell(row.get(name)) for name in MEASURES)


def _plain(found: Interval | None) -> str:
    if found is None:
        return ""
    # A blank alone parts mean and interval: there a terminal breaks the line.
    return f"{_short(found.mean)} {_short(found.low)}–{_short(found.high)}"


def _signed(found: Interval | None) -> str:
    if found is None:
        return ""
    mean, low, high = (_short(value, "+") for value in (found.mean, found.low, found.high))
    return f"{mean} {low}…{high}"


def _short(value: float, sign: str = "-") -> str:
    """Return three decimals without the zero before them, as tables of recalls have it."""
    rounded = round(value, 3)
    if rounded in (0, 1):
        return str(int(rounded))
    return f"{rounded:{sign}.3f}".replace("0.", ".", 1)


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
