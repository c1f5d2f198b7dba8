"""Turn texts into vectors: the port, and its in-memory twin.

On the message path after a memory is decided: the shell of an agent embeds its passages and appends
the vectors with it, so that a rebuild never calls a model. Vectors of different models do not
compare; `model_id` is recorded beside every vector.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from events.errors import Unavailable

Vectors = npt.NDArray[np.float32]

_WORD = re.compile(r"[\u3400-\u9fff]|\w+")


class Embedded(NamedTuple):
    """Vectors of some texts, float32 [texts, dimension], rows of L2 norm one, and their model."""

    model: str
    vectors: Vectors


class Run(NamedTuple):
    """What one run of a model gave.

    `vectors`, float32 [rows, dimension], are those of the texts at `rows`. The model read `tokens`
    of these texts, and with what fills the shorter ones up to the longest `padded` in all.
    """

    rows: Sequence[int]
    vectors: Vectors
    tokens: int
    padded: int


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

    def runs(self, texts: Sequence[str]) -> Iterator[Run]:
        """Embed texts run by run, in whatever order is quick; something else may go between."""
        ...


class ModelNotServed(Unavailable):
    """A model that is not the system's own cannot be reached: whoever asked goes on without it."""


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

    def runs(self, texts: Sequence[str]) -> Iterator[Run]:
        """Embed all texts in one run."""
        words = sum(len(text.split()) for text in texts)
        yield Run(range(len(texts)), self.embed(texts), words, words)

    def _direction(self, word: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self._dimension, np.float32)


def to_event_bytes(vector: npt.NDArray[np.floating]) -> bytes:
    """Return a vector as events carry it: float16, little endian."""
    return vector.astype("<f2").tobytes()
