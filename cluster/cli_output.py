"""What every command shares: its options, which system it means, how it answers.

Answers go to stdout, as tables or with `--json` as JSON; progress and errors go to stderr.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cluster import processes
from cluster.api_client import ApiClient
from cluster.data_dir import DataDir, SystemRecord
from cluster.operator_key import local_operator_key
from cluster.settings import Settings, from_environment
from events.errors import Misconfigured, Unavailable

Result = TypeVar("Result")

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the system (or MIRIX_DATA; default ./data)."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="A system elsewhere (or MIRIX_URL); its key is in MIRIX_API_KEY."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
User = Annotated[str, typer.Option("--user", help="Whose memory.")]

#: Pipes and files have no width: wide enough for hashes and texts to stay on their line.
_PIPE_COLUMNS = 160
out = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
err = Console(stderr=True)


def quiet_logs() -> None:
    """Log errors only, to stderr: a command tells what is wrong, and stdout is for answers."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        # The standard error of that moment: it may be another one by the time something is logged.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def show_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, one line otherwise."""
    raw = msgspec.json.encode(value)
    text = (msgspec.json.format(raw, indent=2) if sys.stdout.isatty() else raw).decode()
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the house's look."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's asynchronous part."""
    return asyncio.run(work)


def running_system(settings: Settings) -> SystemRecord:
    """Return the record of the system on the data directory.

    Raises:
        Unavailable: none runs there, or it is not ready yet.
    """
    record = DataDir(settings.data_dir).read_system()
    if record is None or processes.find(record.supervisor) is None:
        raise Unavailable(
            f"no system runs on {settings.data_dir}; start one with `mirix up`, or say which one "
            "with --data or --url"
        )
    if record.state != "ready":
        raise Unavailable(f"the system on {settings.data_dir} is {record.state}; try again soon")
    return record


def open_client(data: Path | None, url: str | None, **options: Any) -> ApiClient:
    """Return a client of the system that is meant: `--url`, `--data`, MIRIX_URL, MIRIX_DATA.

    Raises:
        Misconfigured: a system elsewhere is meant and there is no key for it.
        Unavailable: no system runs on the data directory.
    """
    settings = from_environment(data)
    elsewhere = url or (settings.url if data is None else "")
    if elsewhere:
        if not settings.api_key:
            raise Misconfigured(f"set MIRIX_API_KEY to a service key of {elsewhere}")
        return ApiClient(elsewhere, settings.api_key, **options)
    record = running_system(settings)
    key = settings.api_key or local_operator_key(settings.data_dir)
    return ApiClient(record.url, key, **options)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, only on a terminal; yields a function that advances it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
