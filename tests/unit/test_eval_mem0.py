"""mem0 beside ours: the process that is spoken to, and what is said when it cannot be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from actors.onnx_embedder import OnnxEmbedder
from cluster import mem0_child
from cluster.eval_mem0 import EmbedderFiles, embedder_files, evaluate_mem0, running_mem0
from cluster.eval_people import Person, Question
from cluster.record_values import BadRecord, MessageRecord
from events.errors import Misconfigured, Unavailable

FILES = EmbedderFiles(graph="g", tokenizer="t", tokens_max=256, threads=1)
#: Stands for an interpreter with mem0: speaks the lines, and finds what shares the first letter.
SPEAKER = """#!{python}
import json, os, sys
said = {{}}
for line in sys.stdin:
    request = json.loads(line)
    match request["do"]:
        case "start":
            answer = {{"versions": {{"mem0ai": "2", "telemetry": os.environ["MEM0_TELEMETRY"]}}}}
        case "add":
            said.setdefault(request["user"], []).extend(request["messages"])
            answer = {{"added": len(request["messages"]), "seconds": 0.5}}
        case "search" if request["query"] == "fail":
            answer = {{"error": "KeyError: no reason"}}
        case "search" if request["query"] == "end":
            sys.exit("out of memory")
        case "search":
            found = [one["id"] for one in said[request["user"]]
                     if one["content"][0] == request["query"][0]]
            answer = {{"ids": found, "seconds": 0.002}}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    file = tmp_path / "python"
    file.write_text(SPEAKER.format(python=sys.executable))
    file.chmod(0o755)
    return file


def person(*queries: str) -> Person:
    records = [
        MessageRecord(content=text, conversation="c", external_id=text, user="ann")
        for text in ("boat", "tea", "boats")
    ]
    return Person(
        user="ann",
        records=(*records, BadRecord(path="f", line=1, reason="bad")),
        questions=tuple(Question(text=one, evidence=frozenset({"tea"})) for one in queries),
    )


async def test_mem0_is_told_everything_and_then_asked(python: Path) -> None:
    """Adds are timed by the child; its ranking is scored as ours is; telemetry is off."""
    progress: list[int] = []

    async with running_mem0(python, FILES) as mem0:
        answers, report = await evaluate_mem0(mem0, [person("b", "t")], progress.append)

    assert [answer.ranked for answer in answers] == [["boat", "boats"], ["tea"]]
    assert [answer.latency_ms for answer in answers] == [2, 2]
    assert (report.messages, report.add_s, report.adds_per_s) == (3, 0.5, 6)
    assert report.versions == {"mem0ai": "2", "telemetry": "False"}
    assert sum(progress) == 5


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("fail", "mem0 failed: KeyError: no reason"),
        ("end", "mem0 ended without an answer: out of memory"),
    ],
)
async def test_failure_of_mem0_is_told(python: Path, query: str, told: str) -> None:
    """What it said last is the reason."""
    async with running_mem0(python, FILES) as mem0:
        with pytest.raises(Unavailable, match=told):
            await evaluate_mem0(mem0, [person(query)], lambda done: None)


async def test_environment_without_mem0_is_told_by_name() -> None:
    """Our own interpreter has FAISS and the rest, but no mem0; the line says how to get it."""
    with pytest.raises(Misconfigured) as refusal:
        async with running_mem0(Path(sys.executable), FILES):
            pass

    assert f"{sys.executable} lacks mem0ai" in refusal.value.message
    assert "-m pip install mem0ai faiss-cpu" in refusal.value.message


async def test_missing_interpreter_is_told(tmp_path: Path) -> None:
    """The option is named, and what is wrong with it."""
    with pytest.raises(Misconfigured, match="nothing cannot be run: No such file"):
        async with running_mem0(tmp_path / "nothing", FILES):
            pass


class FakeMemory:
    """Stands for `mem0.Memory`: keeps what it is told, and finds it nearest first."""

    def __init__(self) -> None:
        self.embedding_model: Any = None
        self.kept: list[tuple[list[float], dict[str, Any]]] = []

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FakeMemory:
        assert config["vector_store"]["provider"] == "faiss"
        assert Path(config["history_db_path"]).parent.is_dir()
        return cls()

    def add(
        self, messages: list[dict[str, str]], *, user_id: str, metadata: Any, infer: bool
    ) -> dict[str, Any]:
        assert not infer
        vector = self.embedding_model.embed(messages[0]["content"], "add")
        self.kept.append((vector, {"metadata": metadata}))
        return {"results": [metadata]}

    def search(self, query: str, *, filters: Any, top_k: int, threshold: float) -> dict[str, Any]:
        wanted = self.embedding_model.embed(query, "search")

        def near(one: tuple[list[float], Any]) -> float:
            return -sum(a * b for a, b in zip(one[0], wanted, strict=True))

        return {"results": [hit for _, hit in sorted(self.kept, key=near)][:top_k]}


def test_child_embeds_as_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same graph and tokenizer give mem0 the vectors that our own embedder gives."""
    monkeypatch.setitem(sys.modules, "mem0", type("mem0", (), {"Memory": FakeMemory}))
    files = embedder_files(tmp_path, "int8", 1)
    embedder = mem0_child.MiniLm(files.graph, files.tokenizer, files.tokens_max, files.threads)
    memory = mem0_child.open_memory(tmp_path / "memory", embedder)
    said = [
        {"id": "1", "role": "user", "name": "Ann", "content": "We sailed to Malta."},
        {"id": "2", "role": "user", "name": "", "content": "Roses need sun."},
    ]

    mem0_child.add(memory, {"user": "ann", "messages": said})
    found = mem0_child.search(memory, {"user": "ann", "query": "gardening", "limit": 5})

    assert found["ids"] == ["2", "1"]
    ours = OnnxEmbedder(tmp_path, precision="int8").embed(["Roses need sun."])[0]
    assert embedder.embed("Roses need sun.") == pytest.approx(ours.tolist(), abs=1e-6)


@pytest.mark.parametrize("event", ["socket.connect", "socket.getaddrinfo", "socket.sendto"])
def test_child_refuses_the_network(event: str) -> None:
    """Whatever mem0 or its libraries try, it raises before anything is sent."""
    with pytest.raises(PermissionError, match=event):
        mem0_child.refuse_network(event, ())
    mem0_child.refuse_network("open", ())
