"""`mirix up`: a system in this terminal, or with `--detach` in the background."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli_output import AsJson, Data, exit_status
from events.errors import CommandRejected, MirixError, Unavailable

if TYPE_CHECKING:
    from cluster.data_dir import DataDir
    from cluster.progress import Progress
    from cluster.settings import Settings

Port = Annotated[int | None, typer.Option("--port", help="Port of the HTTP API (default 47283).")]
Llm = Annotated[
    str | None,
    typer.Option("--llm", help="none, vllm, openai, anthropic, groq, or an address http://.../v1."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Of --llm: a directory, or what the provider calls its model."),
]
Embeddings = Annotated[
    str | None, typer.Option("--embeddings", help="With --llm vllm: a model of vectors to serve.")
]
Extraction = Annotated[
    str | None, typer.Option("--extraction", help="Who reads what people say: rules or model.")
]
Ranker = Annotated[
    Path | None,
    typer.Option("--ranker", metavar="FILE", help="Rank with this trained ranker."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return when ready; run in the background.")]
Tell = Callable[["Progress"], None]

STDOUT, STDERR = 1, 2


def up(
    data: Data = None,
    port: Port = None,
    llm: Llm = None,
    model: Model = None,
    embeddings: Embeddings = None,
    extraction: Extraction = None,
    ranker: Ranker = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Start a system: log, nine agents, HTTP API, all in one directory.

    Examples: `mirix up` · `mirix up --data ~/memory --port 8080 --detach` ·
    `mirix up --llm vllm --model ~/models/Qwen3-14B --extraction model`

    A provider's key is in MIRIX_LLM_API_KEY, or in the file that MIRIX_LLM_API_KEY_FILE names; more
    about models is in docs/models.md. The first start prints the service key for your assistant,
    once. Ctrl-C stops the system. What it logs is in `run/supervisor.log` of its directory.
    """
    from cluster.data_dir import DataDir
    from cluster.doctor_models import refuse_without_vllm
    from cluster.model_settings import checked_models
    from cluster.settings import from_environment
    from cluster.wiring import ranker_of

    settings = checked_models(
        from_environment(
            data,
            port=port,
            llm=llm,
            llm_model=model,
            llm_embedding_model=embeddings,
            extraction=extraction,
            ranker=None if ranker is None else str(ranker.expanduser().resolve()),
        )
    )
    refuse_without_vllm(settings)
    ranker_of(settings)  # one that cannot be used is told before anything starts
    directory = DataDir(settings.data_dir)
    if directory.is_locked():
        raise CommandRejected(directory.already_running())
    if detach:
        _up_detached(settings, directory, as_json)
    else:
        _up_here(settings, directory, as_json)


def _up_here(settings: Settings, directory: DataDir, as_json: bool) -> None:
    from actors.logs import configure_logs
    from cluster.progress import Progress

    directory.prepare()
    with _terminal(directory) as (shown, told):
        tell = _json_to(shown) if as_json else _lines_to(shown, told)
        try:
            configure_logs(settings.log_level, part="supervisor")
            _serve(settings, directory, tell)
        except MirixError as error:
            if not as_json:
                raise
            tell(Progress(step="failed", error=error.message))
            raise typer.Exit(exit_status(error)) from error


def _serve(settings: Settings, directory: DataDir, tell: Tell) -> None:
    import structlog

    from cluster.system import run_system

    try:
        asyncio.run(run_system(settings, tell))
    except MirixError:
        raise
    except Exception as error:  # a library's: the log keeps its story, the terminal gets one line
        structlog.get_logger().exception("system_failed")
        reason = str(error) or type(error).__name__
        raise Unavailable(
            f"the system failed ({reason}); see {directory.supervisor_log}"
        ) from error


@contextmanager
def _terminal(directory: DataDir) -> Iterator[tuple[int, int]]:
    """Yield the terminal's stdout and stderr; what is written to them goes to the log meanwhile.

    By file descriptors, because libraries in other languages and child processes write there too.
    """
    saved = os.dup(STDOUT), os.dup(STDERR)
    with directory.begin_supervisor_log() as log:
        for number in (STDOUT, STDERR):
            os.dup2(log.fileno(), number)
    try:
        yield saved
    finally:
        for number, kept in zip((STDOUT, STDERR), saved, strict=True):
            os.dup2(kept, number)
            os.close(kept)


def _up_detached(settings: Settings, directory: DataDir, as_json: bool) -> None:
    import msgspec

    from cluster.lifecycle import start_detached
    from cluster.progress import Progress

    tell = _json_to(STDOUT) if as_json else _lines_to(STDOUT, STDERR)

    def relay(line: bytes) -> bool:
        try:
            progress = msgspec.json.decode(line, type=Progress)
        except msgspec.MsgspecError:
            return False  # something of a library's that is not ours to show
        if progress.error:
            raise Unavailable(progress.error)
        tell(progress)
        return progress.step == "ready"

    start_detached(directory, _as_options(settings), relay)


def _as_options(settings: Settings) -> list[str]:
    """Return what the daemon is told; the rest, and every key, is in its file and environment."""
    from cluster.wiring import ranker_file

    options = {
        "--data": str(settings.data_dir),
        "--port": str(settings.port),
        "--llm": settings.llm,
        "--model": settings.llm_model,
        "--embeddings": settings.llm_embedding_model,
        "--extraction": settings.extraction,
        "--ranker": str(ranker_file(settings) or ""),
    }
    return [word for option, value in options.items() if value for word in (option, value)]


def _json_to(stdout: int) -> Tell:
    import msgspec

    return lambda progress: _write(stdout, msgspec.json.encode(progress).decode())


def _lines_to(stdout: int, stderr: int) -> Tell:
    def tell(progress: Progress) -> None:
        if progress.step == "ready":
            _write(stdout, f"ready after {progress.seconds} s: {progress.url} (pid {progress.pid})")
            return
        _write(stderr, f"{progress.seconds:6.1f} s  {progress.step}")
        if progress.bootstrap_key:
            _write(stdout, f"service key: {progress.bootstrap_key}")

    return tell


def _write(descriptor: int, line: str) -> None:
    # A daemon goes on telling after the one who started it has heard enough and gone.
    with suppress(BrokenPipeError):
        os.write(descriptor, f"{line}\n".encode())
