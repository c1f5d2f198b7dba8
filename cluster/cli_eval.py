"""`mirix eval locomo | extraction` and `mirix bench append`: how good, how fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    Url,
    err,
    open_client,
    out,
    progress_bar,
    reached,
    run,
    show_json,
    table,
)

if TYPE_CHECKING:
    from actors.extraction.scoring import Report
    from cluster.api_client import ApiClient
    from cluster.eval_locomo import LocomoReport

FilePath = Annotated[Path, typer.Argument(help="The data set's file.", show_default=False)]
Conversations = Annotated[
    int | None, typer.Option("--limit-conversations", min=1, help="Only the first so many.")
]

eval_app = typer.Typer(help="Measure quality on data sets, over the public HTTP API.")
bench_app = typer.Typer(help="Measure speed.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (locomo, extraction):
        eval_app.command()(command)
    bench_app.command()(append)
    app.add_typer(eval_app, name="eval", no_args_is_help=True)
    app.add_typer(bench_app, name="bench", no_args_is_help=True)


@bench_app.callback()
def _bench() -> None:
    """Keep `bench` a group although it has one command."""


def locomo(
    path: FilePath,
    limit_conversations: Conversations = None,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Recall of the turns that answer questions about long conversations.

    Example: `mirix eval locomo locomo10.json --json`

    Each conversation goes in as a fresh user; recalls are fractions of the evidence turns among
    the first 1, 5, 10, 25 and 50 turns that a search names.
    """
    from cluster.eval_locomo import read_samples

    samples = read_samples(path, limit_conversations)
    report = run(_locomo(open_client(data, url, patience_s=LONG_WORK_S), samples))
    if as_json:
        show_json(report)
    else:
        _show_locomo(report)


async def _locomo(client: ApiClient, samples: list[dict[str, Any]]) -> LocomoReport:
    from cluster.eval_locomo import evaluate_locomo, work_of

    with progress_bar("messages and questions", work_of(samples)) as advance:
        async with reached(client):
            run_id = uuid4().hex[:8]
            return await evaluate_locomo(client, samples, run_id=run_id, on_progress=advance)


def _show_locomo(report: LocomoReport) -> None:
    from cluster.locomo import DEPTHS

    for bad in report.bad_records:
        err.print(str(bad), style="yellow", markup=False, highlight=False)
    out.print(
        f"{report.messages} messages of {report.conversations} conversations in "
        f"{report.ingest_s:.1f} s: {report.messages_per_s:.0f} messages/s until all can be found"
    )
    out.print(
        f"{report.questions} questions ({report.questions_left_out} without evidence left out): "
        f"search p50 {report.search_p50_ms:.1f} ms, p99 {report.search_p99_ms:.1f} ms"
    )
    depths = [f"R@{depth}" for depth in DEPTHS]
    rows = table("category", "questions", *depths)
    for name, row in report.recall.items():
        recalls = (f"{row.get(depth, 0.0):.3f}" for depth in depths)
        rows.add_row(name, f"{row['questions']:.0f}", *recalls)
    out.print(rows)


def extraction(path: FilePath, data: Data = None, url: Url = None, as_json: AsJson = False) -> None:
    """What is kept of single messages: exact cases, and precision and recall of each tier.

    Example: `mirix eval extraction extraction_dev.jsonl`
    """
    from cluster.eval_extraction import read_cases
    from events.memory import TIERS

    cases = read_cases(path)
    report = run(_extraction(open_client(data, url, patience_s=LONG_WORK_S), cases))
    if as_json:
        # A case tells the correction, not the old fact: over HTTP there is nothing to be ended.
        shown = report.to_dict().items()
        show_json({language: {**row, "replaces_share": None} for language, row in shown})
        return
    for language, scores in report.languages.items():
        title = f"{language}: {scores.accuracy:.3f} exact ({scores.right} of {scores.cases} cases)"
        rows = table("tier", "expected", "recall", "memories", "precision", title=title)
        for tier in TIERS:
            row = scores.tiers[tier]
            counts = (str(row.expected), f"{row.recall:.3f}", str(row.memories))
            rows.add_row(tier, *counts, f"{row.precision:.3f}")
        out.print(rows)
        out.print(f"secrets in readable text: {scores.secret_leaks}\n")


async def _extraction(client: ApiClient, cases: list[dict[str, Any]]) -> Report:
    from cluster.eval_extraction import evaluate_extraction

    with progress_bar("cases", len(cases)) as advance:
        async with reached(client):
            run_id = uuid4().hex[:8]
            return await evaluate_extraction(client, cases, run_id=run_id, on_progress=advance)


def append(
    as_json: AsJson = False,
    writers: Annotated[int, typer.Option(min=1, max=1024, help="Concurrent writers.")] = 64,
    events: Annotated[int, typer.Option(min=100, help="Events to append in all.")] = 20_000,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Disk to measure (default: temporary).")
    ] = None,
) -> None:
    """Durable appends a second, on a scratch log: one by one, and from concurrent writers.

    Example: `mirix bench append --json`
    """
    from cluster.bench_append import bench_append_embedded

    figures = run(bench_append_embedded(directory, writers=writers, events=events))
    if as_json:
        show_json(figures)
        return
    rows = table("what", "figure")
    for name, figure in figures.items():
        rows.add_row(name.replace("_", " "), f"{figure:,}")
    out.print(rows)
