"""Turn texts into vectors: the port, and its in-memory twin.

On the message path after a memory is decided: the shell of an agent embeds its passages and appends
the vectors with it, so that a rebuild never calls a model. Vectors of different models do not
compare; `model_id` is recorded beside every vector.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_WORD = re.compile(r"[\u3400-\u9fff]|\w+")


class Embedded(NamedTuple):
    """Vectors of some texts, float32 [texts, dimension], rows of L2 norm one, and their model."""

    model: str
    vectors: Vectors


class Embedder(Protocol):
    """Something that maps a text to a vector of length one; near in meaning is near in angle."""

    @property
    def model_id(self) -> str:
        """Names the model and everything that changes its vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, float32 [len(texts), dimension], rows of L2 norm one."""
        ...


class LocalEmbedding:
    """An embedder of this process behind the asynchronous port (`actors.ports.EmbeddingService`).

    One thread of its own: two runs at a time would fight for the same cores.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them."""
        loop = asyncio.get_running_loop()
        vectors = await loop.run_in_executor(self._thread, self._embedder.embed, texts)
        return Embedded(self._embedder.model_id, vectors)


class HashEmbedder:
    """In-memory twin: texts that share words are near, nothing else is; no model, no state.

    Each word adds a pseudo-random direction that its hash gives (random projection of the bag of
    words). A text without a word gets the direction of the empty word.
    """

    def __init__(self, dimension: int = 64) -> None:
        self._dimension = dimension

    @property
    def model_id(self) -> str:
        """The twin's name and size."""
        return f"hash-{self._dimension}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the normalised sum of the words' directions, float32 [len(texts), dimension]."""
        rows = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text.lower()) or [""]:
                row += self._direction(word)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        vectors: Vectors = rows / np.maximum(norms, np.float32(1e-12))
        return vectors

    def _direction(self, word: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self._dimension, np.float32)


def to_event_bytes(vector: npt.NDArray[np.floating]) -> bytes:
    """Return a vector as events carry it: float16, little endian."""
    return vector.astype("<f2").tobytes()
