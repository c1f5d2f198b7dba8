"""One person's vectors: those that are searched by, and those of a model that is to replace it.

Vectors of two models do not compare. The first one says which model a person's are of. To change
it, the vectors of another are gathered beside them (`move_to`), and take their place all at once
(`switch`); until then no search sees them. The decision is in
`docs/adr/0013-a-model-is-swapped-a-person-at-a-time.md`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from projections.faiss_index import Rows, VectorIndex
from projections.retrieval.passage import Vector


class StoredVectors(msgspec.Struct, frozen=True, array_like=True):
    """Vectors as a snapshot keeps them.

    `embedded` has a byte a passage, 1 when it has a vector of `model`; `vectors` are those,
    float16, little endian, [those embedded, dimension]. `staged` and `staged_vectors` are the same
    of `target`, the model that the person is being moved to, if any.
    """

    model: str
    embedded: bytes
    vectors: memoryview
    target: str
    staged: bytes
    staged_vectors: memoryview


class ModelVectors:
    """Vectors by row number, of one model or, on the way to another, of two."""

    def __init__(self) -> None:
        #: The vectors that searches use, and the model that made them.
        self.searched: VectorIndex | None = None
        self.model = ""
        self._staged: VectorIndex | None = None
        self._target = ""

    @classmethod
    def filled(cls, stored: StoredVectors) -> ModelVectors:
        """Return what was stored, in rows from 0 on."""
        made = cls()
        made.model, made._target = stored.model, stored.target
        made.searched = _filled(stored.embedded, stored.vectors)
        made._staged = _filled(stored.staged, stored.staged_vectors)
        return made

    def stored(self, rows: Rows) -> StoredVectors:
        """Return the vectors of these rows, in this order, and no others."""
        embedded, vectors = _stored(self.searched, rows)
        staged, staged_vectors = _stored(self._staged, rows)
        return StoredVectors(self.model, embedded, vectors, self._target, staged, staged_vectors)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that each passage is to have a vector of; the first is searched by."""
        return (self.model, self._target) if self._target else (self.model,)

    def put(self, row: int, vector: Vector, model: str) -> None:
        """Set a row's vector; passed over when it is of another model, or of another length."""
        if not self.model and model != self._target:
            self.model = model
        if model == self.model:
            self.searched = _put(self.searched, row, vector)
        elif model == self._target:
            self._staged = _put(self._staged, row, vector)

    def of(self, row: int) -> dict[str, Vector]:
        """Return the vectors of a row by their models."""
        held = zip(self.models, (self.searched, self._staged), strict=False)
        return {model: index.get(row) for model, index in held if index and row in index}

    def has(self, row: int, model: str) -> bool:
        """Say whether a row has a vector of a model."""
        held = zip(self.models, (self.searched, self._staged), strict=False)
        return any(name == model and index is not None and row in index for name, index in held)

    def remove(self, row: int) -> None:
        """Take the vectors of a row out."""
        for index in (self.searched, self._staged):
            if index is not None:
                index.remove([row])

    def move_to(self, model: str) -> None:
        """Begin to gather the vectors of another model; those of a third are dropped."""
        if model == self.model:
            self._target, self._staged = "", None
        elif model != self._target:
            self._target, self._staged = model, None

    def switch(self, model: str) -> None:
        """Search by what was gathered of a model, and drop the old vectors.

        A switch to a model that nothing was gathered for changes nothing.
        """
        if model and model == self._target:
            self.searched, self.model = self._staged, self._target
            self._staged, self._target = None, ""


def _put(index: VectorIndex | None, row: int, vector: Vector) -> VectorIndex:
    if index is None or not len(index):
        index = VectorIndex(len(vector))
    if len(vector) == index.dimension:
        index.put(row, vector)
    return index


def _stored(index: VectorIndex | None, rows: Rows) -> tuple[bytes, memoryview]:
    if index is None or not len(index):
        return b"", memoryview(b"")
    embedded = index.having(rows)
    return embedded.tobytes(), index.halves(rows[embedded]).reshape(-1).view(np.uint8).data


def _filled(embedded: bytes, vectors: memoryview) -> VectorIndex | None:
    rows = np.flatnonzero(np.frombuffer(embedded, np.bool_))
    if not len(rows):
        return None
    halves = np.frombuffer(vectors, "<f2").reshape(len(rows), -1)
    index = VectorIndex(halves.shape[1])
    index.put_many(rows, halves)
    return index
