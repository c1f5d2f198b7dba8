"""What every command shares: its options, which system it means, how it answers.

Answers go to stdout, as tables or with `--json` as JSON; progress and errors go to stderr. The
heavy libraries are imported where they are needed, so that `mirix --help` is there at once.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer
from rich.console import Console
from rich.table import Table

from events.errors import CommandRejected, MirixError, Misconfigured, NotFound

if TYPE_CHECKING:
    from cluster.api_client import ApiClient
    from cluster.api_client_past import PastClient
    from cluster.data_dir import DataDir, SystemRecord

Result = TypeVar("Result")
Client = TypeVar("Client", bound="ApiClient")

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the system (or MIRIX_DATA; default ./data)."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="A system elsewhere (or MIRIX_URL); its key is in MIRIX_API_KEY."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def _not_nobody(user: str) -> str:
    if not user.strip():
        raise typer.BadParameter("it is empty; say whose memory, or leave it out for default")
    return user


User = Annotated[str, typer.Option("--user", help="Whose memory.", callback=_not_nobody)]

USAGE_ERROR, OPERATIONAL_ERROR = 2, 1

#: Seconds for which a command that somebody waits for tries again.
INTERACTIVE_S = 5.0
#: Seconds for which long work waits for a system that it has reached before.
LONG_WORK_S = 600.0
#: Pipes and files have no width: what belongs on one line stays on it.
_PIPE_COLUMNS = 10_000
LINE_CHARS_MAX = 160


#: How a refusal of the gateway names a part of a request, at its beginning or after another.
_PLACE = re.compile(r"(?:^|(?<=; ))(?:query|path|body|header)\.([\w.\[\]-]+): ")
_HTTP_STATUS = re.compile(r" \(HTTP \d{3}\)$")
#: What the command line calls these parts.
_OPTIONS = {"user_id": "--user", "as_of": "--as-of", "from": "--from", "to": "--to"}


class WrongUse(CommandRejected):
    """The command was asked for something that is not there to be asked for: exit status 2."""


def exit_status(error: MirixError) -> int:
    """Return what a command that failed ends with: 2 when it was asked wrongly, else 1."""
    return USAGE_ERROR if isinstance(error, WrongUse | Misconfigured) else OPERATIONAL_ERROR


class _WithoutTrailingBlanks:
    """The standard output of the moment, for pipes: a table's padding is for the eye alone."""

    def write(self, text: str) -> int:
        """Write a text without the blanks at the ends of its lines."""
        sys.stdout.write(re.sub(r"[ \t]+(?=\n|\Z)", "", text))
        return len(text)

    def flush(self) -> None:
        """Flush standard output."""
        sys.stdout.flush()


def _console() -> Console:
    if sys.stdout.isatty():
        return Console()
    return Console(file=cast(IO[str], _WithoutTrailingBlanks()), width=_PIPE_COLUMNS)


out = _console()
err = Console(stderr=True)


def quiet_logs() -> None:
    """Log errors only, to stderr: a command tells what is wrong, and stdout is for answers."""
    import structlog  # a tenth of a second that `--help` does not need

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        # The standard error of that moment: it may be another one by the time something is logged.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def show_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, one line otherwise."""
    import msgspec

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


def headline(text: str) -> None:
    """Print a headline: with a rule on a terminal, alone in a pipe."""
    out.print()
    if out.is_terminal:
        out.rule(f"[bold]{text}[/bold]", align="left")
    else:
        out.print(f"== {text}", markup=False)


def one_line(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """Return a text on one line, cut where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= chars_max else f"{line[: chars_max - 1]}…"


def counted(count: int, thing: str) -> str:
    """Return a count with its noun: `1 document`, `5 documents`, `2 processes`."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{count} {thing if count == 1 else plural}"


def of_user(user: str) -> str:
    """Return the end of an empty answer: a name that is misspelt has no memory, either."""
    return f"for user {user}; --user says whose memory"


def not_blank(text: str) -> str:
    """Return what is asked or sought.

    Raises:
        BadParameter: there is nothing in it.
    """
    if not text.strip():
        raise typer.BadParameter("it is empty")
    return text


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's asynchronous part, which logs nothing but errors."""
    quiet_logs()
    return asyncio.run(work)


def system_here(data: Path | None) -> tuple[DataDir, SystemRecord]:
    """Return the data directory that is meant, and the record of the system on it.

    Raises:
        Unavailable: none runs there, or it is not ready yet.
    """
    from cluster.data_dir import DataDir
    from cluster.presence import ready_system
    from cluster.settings import from_environment

    directory = DataDir(from_environment(data).data_dir)
    return directory, ready_system(directory)


def open_client(
    data: Path | None, url: str | None, *, patience_s: float = INTERACTIVE_S
) -> PastClient:
    """Return a client of the system that is meant: `--url`, `--data`, MIRIX_URL, MIRIX_DATA.

    Raises:
        Misconfigured: a system elsewhere is meant and its address is none, or its key is not set.
        Unavailable: no system runs on the data directory.
    """
    from cluster.api_client import base_address
    from cluster.api_client_past import PastClient
    from cluster.data_dir import DataDir
    from cluster.operator_key import local_operator_key
    from cluster.presence import ready_system
    from cluster.settings import from_environment

    settings = from_environment(data)
    elsewhere = url if url is not None else (settings.url if data is None else "")
    if elsewhere or url is not None:
        address = base_address(elsewhere)
        if not settings.api_key:
            raise Misconfigured(f"set MIRIX_API_KEY to a service key of {address}")
        return PastClient(address, settings.api_key, patience_s=patience_s)
    record = ready_system(DataDir(settings.data_dir), ways=("--data", "MIRIX_DATA", "--url"))
    key = settings.api_key or local_operator_key(settings.data_dir)
    return PastClient(record.url, key, patience_s=patience_s)


@asynccontextmanager
async def reached(client: Client) -> AsyncIterator[Client]:
    """Use a client whose system has given a sign of life; close it afterwards.

    Raises:
        Unavailable: it gave none within a few seconds.
    """
    async with client:
        await client.reach(INTERACTIVE_S)
        yield client


@contextmanager
def refusal_is_wrong_use() -> Iterator[None]:
    """Take what is refused (422) and what is not there (404) for something asked wrongly."""
    try:
        yield
    except CommandRejected as error:
        # Their kinds have other reasons: a wrong key, a person's rights, a size.
        if type(error) not in (CommandRejected, NotFound):
            raise
        raise WrongUse(_in_our_words(error.message)) from error


def _in_our_words(message: str) -> str:
    """Return a refusal of the gateway without what only a client of HTTP can make sense of."""

    def named(place: re.Match[str]) -> str:
        # The memory is the command's argument, and said again in the line where it matters.
        return "" if place[1] == "memory_id" else f"{_OPTIONS.get(place[1], place[1])}: "

    return _PLACE.sub(named, _HTTP_STATUS.sub("", message))


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, only on a terminal; yields a function that advances it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def position_bar(what: str, start: int, end: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar for a stretch of the log; yields a function that takes the position reached."""
    with progress_bar(what, None if end is None else end - start) as advance:
        at = start

        def reached(position: int) -> None:
            nonlocal at
            advance(max(0, position - at))
            at = max(at, position)

        yield reached
