"""Runs mem0 in an environment of its own, for `cluster.eval_mem0`: JSON lines in, JSON lines out.

Self-contained: the interpreter that runs it has mem0, FAISS, onnxruntime and tokenizers, nothing of
ours. mem0 is used as it is documented: one memory for all, persons told apart by `user_id`. It
keeps what it is told as it is told (`infer=False`), in a FAISS store on the disk that compares by
cosine. The vectors are those that our own graph of all-MiniLM-L6-v2 makes.

    -> {"do": "start", "graph": FILE, "tokenizer": FILE, "tokens_max": 256, "threads": 2,
        "directory": DIR}
    <- {"versions": {"mem0ai": "2.2.1", ...}}
    -> {"do": "add", "user": "ann", "messages": [{"id": "1", "role": "user", "name": "Ann",
        "content": "..."}]}
    <- {"added": 1, "seconds": 0.03}
    -> {"do": "search", "user": "ann", "query": "...", "limit": 100}
    <- {"ids": ["1"], "seconds": 0.01}

What fails is answered with `{"error": "one line"}`. Nothing leaves the process: mem0's telemetry is
off, and connecting to anything or resolving a name raises.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: What is imported, and the distribution that brings it.
NEEDED = {
    "mem0": "mem0ai",
    "faiss": "faiss-cpu",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
}
_NETWORK = frozenset({"socket.connect", "socket.getaddrinfo", "socket.sendto"})


class MiniLm:
    """An embedder as mem0 calls it: one text at a time, a list of floats back."""

    def __init__(self, graph: str, tokenizer: str, tokens_max: int, threads: int) -> None:
        onnxruntime = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = importlib.import_module("tokenizers").Tokenizer.from_file(tokenizer)
        self._tokenizer.enable_truncation(tokens_max)
        self._tokenizer.no_padding()
        self._numpy = importlib.import_module("numpy")

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Return the vector of a text."""
        ids = self._numpy.array([self._tokenizer.encode(text).ids], self._numpy.int32)
        inputs = {"input_ids": ids, "attention_mask": self._numpy.ones_like(ids)}
        (vectors,) = self._session.run(["embedding"], inputs)
        vector: list[float] = vectors[0].tolist()
        return vector

    def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:
        """Return the vectors of some texts."""
        return [self.embed(text, memory_action) for text in texts]


def open_memory(directory: Path, embedder: MiniLm) -> Any:
    """Return a `mem0.Memory` that keeps everything under a directory and embeds as we do."""
    directory.mkdir(parents=True)
    memory = importlib.import_module("mem0").Memory.from_config(_config(directory))
    memory.embedding_model = embedder
    return memory


def _config(directory: Path) -> dict[str, Any]:
    # mem0 insists on a model and an embedder that it knows; neither of these is ever asked.
    nobody = {"api_key": "none", "openai_base_url": "http://127.0.0.1:9"}
    store = {
        "collection_name": "messages",
        "path": str(directory / "faiss"),
        "distance_strategy": "cosine",
        "embedding_model_dims": 384,
    }
    return {
        "vector_store": {"provider": "faiss", "config": store},
        "embedder": {"provider": "openai", "config": dict(nobody)},
        "llm": {"provider": "openai", "config": dict(nobody)},
        "history_db_path": str(directory / "history.db"),
    }


def start(request: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """Load everything that is needed; return the memory and the versions of the environment."""
    missing = []
    for module, distribution in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(distribution)
    if missing:
        raise RuntimeError(f"{sys.executable} lacks {' and '.join(missing)}")
    embedder = MiniLm(
        request["graph"], request["tokenizer"], request["tokens_max"], request["threads"]
    )
    versions = {"python": sys.version.split()[0]}
    for distribution in NEEDED.values():
        try:
            versions[distribution] = version(distribution)
        except PackageNotFoundError:  # FAISS has several distributions
            versions[distribution] = "of another name"
    return open_memory(Path(request["directory"]), embedder), versions


def add(memory: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Add messages one by one, as they are; only mem0's own work is timed."""
    seconds = 0.0
    for message in request["messages"]:
        said = {key: message[key] for key in ("role", "content", "name") if message.get(key)}
        told = {"message_id": message["id"]}
        started = time.perf_counter()
        kept = memory.add([said], user_id=request["user"], metadata=told, infer=False)
        seconds += time.perf_counter() - started
        if message["role"] != "system" and not kept["results"]:
            raise RuntimeError(f"mem0 did not keep the message {message['id']!r}")
    return {"added": len(request["messages"]), "seconds": seconds}


def search(memory: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Search without mem0's threshold, which would cut the list that is scored."""
    started = time.perf_counter()
    found = memory.search(
        request["query"],
        filters={"user_id": request["user"]},
        top_k=request["limit"],
        threshold=0.0,
    )
    seconds = time.perf_counter() - started
    return {"ids": [hit["metadata"]["message_id"] for hit in found["results"]], "seconds": seconds}


def serve() -> None:
    """Answer requests until standard input ends."""
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    memory: Any = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["do"] == "start":
                memory, versions = start(request)
                answer: dict[str, Any] = {"versions": versions}
            elif memory is None:
                raise RuntimeError("not started")
            else:
                answer = {"add": add, "search": search}[request["do"]](memory, request)
        except Exception as error:  # any failure of mem0's is the answer, and the parent's to tell
            reason = str(error) or "no reason"
            answer = {"error": " ".join(f"{type(error).__name__}: {reason}".split())}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what would leave the process (an audit hook, PEP 578)."""
    if event in _NETWORK:
        raise PermissionError(f"no network here: {event}")


if __name__ == "__main__":
    os.environ["MEM0_TELEMETRY"] = "False"
    sys.addaudithook(refuse_network)
    serve()
