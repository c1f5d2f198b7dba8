"""Exact vector search among one person's passages, with FAISS.

The only module that imports faiss. Half precision: 768 bytes a passage instead of 1,536, recall
0.999 of single precision. Scoping is by construction (one index a person) and by selector (rows
that a filter allows), inside the search: nothing is dropped from a result afterwards.
"""

from __future__ import annotations

from typing import Any

import faiss as untyped_faiss
import numpy as np
import numpy.typing as npt

# FAISS ships the signatures of its C++ classes; what its Python layer takes differs from them.
faiss: Any = untyped_faiss
# Agents share the machine's cores: one search keeps to one.
faiss.omp_set_num_threads(1)

Vectors = npt.NDArray[np.float32]


class VectorIndex:
    """Vectors by row number, compared by inner product (cosine, when they have length one)."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        flat = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index = faiss.IndexIDMap2(flat)
        self._rows: set[int] = set()
        # A double holds the sum of millions of half-precision numbers exactly, in any order.
        self._sum = np.zeros(dimension, np.float64)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def put(self, row: int, vector: Vectors) -> None:
        """Set the vector of a row, float32 [dimension], in place of any it had."""
        self.remove([row])
        self._index.add_with_ids(vector[np.newaxis, :], np.array([row], np.int64))
        self._rows.add(row)
        self._sum += self.get(row)

    def remove(self, rows: list[int]) -> None:
        """Take the vectors of these rows out; rows without one are passed over."""
        present = [row for row in rows if row in self._rows]
        if present:
            for row in present:
                self._sum -= self.get(row)
            self._index.remove_ids(np.array(present, np.int64))
            self._rows.difference_update(present)

    def get(self, row: int) -> Vectors:
        """Return the vector of a row, float32 [dimension], as half precision holds it."""
        vector: Vectors = self._index.reconstruct(row)
        return vector

    def average_cosine(self, vector: Vectors) -> float:
        """Return the mean cosine of `vector`, float32 [dimension], with all vectors here."""
        return float(self._sum @ vector) / max(len(self._rows), 1)

    def nearest(
        self, vector: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], Vectors]:
        """Return the rows nearest to `vector` and their cosines, nearest first.

        Args:
            vector: float32 [dimension].
            limit: at most so many rows.
            allowed: [rows] True where a row may be returned; None allows all.
        """
        limit = min(limit, len(self._rows))
        if not limit:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        parameters = None
        if allowed is not None:
            # The bitmap must outlive the call: FAISS keeps only a pointer to it.
            bitmap = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        cosines, rows = self._index.search(vector[np.newaxis, :], limit, params=parameters)
        found = rows[0] >= 0
        return rows[0][found], cosines[0][found]
