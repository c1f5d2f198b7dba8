"""`mirix eval retrieval | locomo`: recall of what answers questions, and how sure it is."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from cluster.cli_output import (
    LONG_WORK_S,
    AsJson,
    Data,
    Url,
    WrongUse,
    err,
    open_client,
    out,
    progress_bar,
    reached,
    run,
    show_json,
    table,
)
from events.errors import CommandRejected

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from cluster.api_client import ApiClient
    from cluster.eval_mem0 import Mem0
    from cluster.eval_retrieval import RetrievalReport
    from cluster.eval_sets import DataSet


def _there(path: Path) -> Path:
    if not path.exists():
        raise WrongUse(f"{path} cannot be read: No such file or directory")
    return path


FilePath = Annotated[
    Path, typer.Argument(help="The data set's file.", show_default=False, callback=_there)
]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare", help="BM25, vectors, and their plain fusion as well, beside our ranking."
    ),
]
Mem0Python = Annotated[
    Path | None,
    typer.Option(
        "--mem0-python", help="With --compare: an interpreter whose environment has mem0."
    ),
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write the whole report here, as Markdown.")
]


def retrieval(
    path: FilePath,
    limit_people: Annotated[
        int | None, typer.Option("--limit-people", min=1, help="Only the first so many.")
    ] = None,
    compare: Compare = False,
    mem0_python: Mem0Python = None,
    report: ReportFile = None,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Recall of the messages that answer questions, on a data set of your own.

    Examples: `mirix eval retrieval mine.jsonl --report mine.md` ·
    `mirix eval retrieval mine.jsonl --compare --mem0-python mem0/bin/python --json`

    One JSON object a line and person: `{"user": "ann", "messages": [{"id": "1", "content": "I live
    in Lisbon."}], "questions": [{"question": "Where does Ann live?", "evidence": ["1"]}]}`. A
    LoCoMo file is read as well. Everybody goes in as a fresh user (docs/evaluation.md).
    """
    from cluster.eval_sets import read_set

    asked = read_set(path, limit_people)
    _evaluate(asked, compare, mem0_python, report, data, url, as_json)


def locomo(
    path: FilePath,
    limit_conversations: Annotated[
        int | None, typer.Option("--limit-conversations", min=1, help="Only the first so many.")
    ] = None,
    compare: Compare = False,
    mem0_python: Mem0Python = None,
    report: ReportFile = None,
    data: Data = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Recall of the turns that answer questions about long conversations.

    Examples: `mirix eval locomo locomo10.json --json` ·
    `mirix eval locomo locomo10.json --compare --report locomo.md`

    Each conversation goes in as a fresh user; recalls are fractions of the evidence turns among
    the first 1, 5, 10, 25 and 50 turns that a search names.
    """
    from cluster.eval_sets import read_locomo

    asked = read_locomo(path, limit_conversations)
    _evaluate(asked, compare, mem0_python, report, data, url, as_json)


def _evaluate(
    asked: DataSet,
    compare: bool,
    mem0_python: Path | None,
    report_file: Path | None,
    data: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    if mem0_python is not None and not compare:
        raise WrongUse("--mem0-python goes with --compare")
    # Told now, not after minutes of work.
    if report_file is not None and (report_file.is_dir() or not report_file.parent.is_dir()):
        raise WrongUse(f"--report {report_file}: expected a file in a directory that is there")
    client = open_client(data, url, patience_s=LONG_WORK_S)
    mem0 = nullcontext() if mem0_python is None else _mem0(mem0_python, data)
    report = run(_asked(client, asked, compare, mem0))
    for bad in report.bad_records:
        err.print(str(bad), style="yellow", markup=False, highlight=False)
    if report_file is not None:
        _write(report_file, report)
    if as_json:
        show_json(report)
    else:
        _show(report)


def _mem0(python: Path, data: Path | None) -> AbstractAsyncContextManager[Mem0]:
    from cluster.data_dir import DataDir
    from cluster.eval_mem0 import embedder_files, running_mem0
    from cluster.settings import from_environment

    settings = from_environment(data)
    files = embedder_files(
        DataDir(settings.data_dir).models, settings.embedder_precision, settings.embedder_threads
    )
    # Not resolved: the link is what makes it the interpreter of its environment.
    return running_mem0(python.absolute(), files)


async def _asked(
    client: ApiClient,
    asked: DataSet,
    compare: bool,
    mem0: AbstractAsyncContextManager[Mem0 | None],
) -> RetrievalReport:
    from cluster.eval_retrieval import Compared, evaluate_retrieval, work_of

    async with reached(client), mem0 as running:
        compared = Compared(plain=compare, mem0=running)
        with progress_bar("messages and questions", work_of(asked, compared)) as advance:
            return await evaluate_retrieval(
                client, asked, run_id=uuid4().hex[:8], compared=compared, advance=advance
            )


def _write(file: Path, report: RetrievalReport) -> None:
    from cluster.eval_report import markdown

    try:
        file.write_text(markdown(report), encoding="utf-8")
    except OSError as error:
        raise CommandRejected(f"{file} cannot be written: {error.strerror}") from error


def _show(report: RetrievalReport) -> None:
    from cluster.eval_report import grids, sentences

    for sentence in sentences(report):
        out.print(sentence, markup=False, highlight=False)
    for grid in grids(report):
        out.print()
        rows = table(*grid.columns, title=grid.title)
        for row in grid.rows:
            rows.add_row(*row)
        out.print(rows)
