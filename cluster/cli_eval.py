"""`mirix eval locomo | retrieval | extraction | past`: how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from cluster.cli_eval_retrieval import FilePath, locomo, retrieval
from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    Url,
    open_client,
    out,
    progress_bar,
    reached,
    run,
    show_json,
    table,
)
from events.errors import CorruptLog

if TYPE_CHECKING:
    from actors.extraction.scoring import Report
    from cluster.api_client import ApiClient
    from cluster.eval_past import PastReport

eval_app = typer.Typer(help="Measure quality on data sets, over the public HTTP API.")


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (locomo, retrieval, extraction, past):
        eval_app.command()(command)
    app.add_typer(eval_app, name="eval", no_args_is_help=True)


def past(
    positions: Annotated[int, typer.Option(min=1, max=10_000, help="As of how many.")] = 50,
    rebuilds: Annotated[int, typer.Option(min=0, max=1000, help="How many rebuilds.")] = 20,
    forks: Annotated[int, typer.Option(min=0, max=1000, help="How many forks.")] = 3,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Whether what a system says of its past is what its log says, at random positions.

    Example: `mirix eval past --positions 50 --rebuilds 20`

    Every read is asked as of each position and compared with states folded from the log alone;
    then all states are rebuilt, and the past is decided again by the same rules. Run it on a
    system that is at rest. Exit status 1 when anything differs.
    """
    report = run(_past(data, positions, rebuilds, forks))
    if as_json:
        import msgspec

        show_json({**msgspec.to_builtins(report), "sound": report.is_sound})
    else:
        out.print(
            f"{report.events} events of {report.people} people: {report.reads} reads as of "
            f"{len(report.positions)} positions, {len(report.differing)} differ; "
            f"{report.rebuilds_equal} of {report.rebuilds} rebuilds equal; "
            f"{report.forks_equal} of {report.forks} forks without a difference",
            highlight=False,
        )
    if not report.is_sound:
        told = "; ".join(report.differing[:5]) or "a rebuild or a fork"
        raise CorruptLog(f"not what the log says: {told}")


async def _past(data: Path | None, positions: int, rebuilds: int, forks: int) -> PastReport:
    from actors.onnx_embedder import OnnxEmbedder
    from cluster.data_dir import DataDir
    from cluster.eval_past import evaluate_past, work_of
    from cluster.presence import ready_system
    from cluster.settings import from_environment
    from cluster.sources import open_source

    settings = from_environment(data)
    directory = DataDir(settings.data_dir)
    record = ready_system(directory)
    embedder = OnnxEmbedder(directory.models, threads=1, precision=settings.embedder_precision)
    with progress_bar("steps", work_of(positions, rebuilds, forks)) as advance:
        async with open_source(data) as source, reached(open_client(data, None)) as client:
            return await evaluate_past(
                client,
                source,
                directory,
                record,
                embedder,
                positions=positions,
                rebuilds=rebuilds,
                forks=forks,
                progress=advance,
            )


def extraction(path: FilePath, data: Data = None, url: Url = None, as_json: AsJson = False) -> None:
    """What is kept of single messages: exact cases, and precision and recall of each tier.

    Example: `mirix eval extraction extraction_dev.jsonl`

    It also says how many memories each extractor made: `rules`, or a model by its provider's name.
    """
    from cluster.eval_extraction import read_cases
    from events.memory import TIERS

    cases = read_cases(path)
    report = run(_extraction(open_client(data, url, patience_s=LONG_WORK_S), cases))
    if as_json:
        # A case tells the correction, not the old fact: over HTTP there is nothing to be ended.
        rows_shown = report.to_dict().items()
        shown = {language: {**row, "replaces_share": None} for language, row in rows_shown}
        show_json({**shown, "extractors": report.extractors})
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
    _show_extractors(report.extractors)


def _show_extractors(extractors: dict[str, int]) -> None:
    made = ", ".join(f"{count} by {name}" for name, count in extractors.items())
    out.print(f"memories: {made or 'none'}", markup=False, highlight=False)
    if not any(name.startswith("model") for name in extractors):
        out.print(
            "No model was asked. To measure one: `mirix up --llm http://HOST:PORT/v1 --model NAME "
            "--extraction model`, or `--llm vllm --model DIR` (docs/models.md).",
            markup=False,
            highlight=False,
        )


async def _extraction(client: ApiClient, cases: list[dict[str, Any]]) -> Report:
    from cluster.eval_extraction import evaluate_extraction

    with progress_bar("cases", len(cases)) as advance:
        async with reached(client):
            run_id = uuid4().hex[:8]
            return await evaluate_extraction(client, cases, run_id=run_id, advance=advance)
