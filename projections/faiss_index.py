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
#: Vectors as they are kept: two bytes a number, little endian, whatever the machine.
Halves = npt.NDArray[np.float16]
HALF = np.dtype("<f2")
#: Vectors that wait to be taken out.
_GONE_MAX = 1000


class VectorIndex:
    """Vectors by row number, compared by inner product (cosine, when they have length one)."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        # Its codes are the half-precision numbers themselves.
        self._flat = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index = faiss.IndexIDMap2(self._flat)
        self._rows: set[int] = set()
        # Taking one out moves all that are behind it: many go at once, before the next search.
        self._gone: set[int] = set()
        # A double holds the sum of millions of half-precision numbers exactly, in any order.
        self._sum = np.zeros(dimension, np.float64)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def put(self, row: int, vector: Vectors) -> None:
        """Set the vector of a row, float32 [dimension], in place of any it had."""
        self.remove([row])
        self.put_many(np.array([row], np.int64), vector.astype(HALF)[np.newaxis, :])

    def put_many(self, rows: npt.NDArray[np.int64], halves: Halves) -> None:
        """Set the vectors of rows that have none, float16 [rows, dimension]."""
        if not self._gone.isdisjoint(rows.tolist()):
            self._sweep()
        self._index.add_sa_codes(np.ascontiguousarray(halves, HALF).view(np.uint8), rows)
        self._rows.update(rows.tolist())
        self._sum += halves.sum(axis=0, dtype=np.float64)

    def remove(self, rows: list[int]) -> None:
        """Take the vectors of these rows out; rows without one are passed over."""
        present = [row for row in rows if row in self._rows]
        if present:
            for row in present:
                self._sum -= self.get(row)
            self._rows.difference_update(present)
            self._gone.update(present)
            if len(self._gone) > _GONE_MAX:
                self._sweep()

    def get(self, row: int) -> Vectors:
        """Return the vector of a row, float32 [dimension], as half precision holds it."""
        vector: Vectors = self._index.reconstruct(row)
        return vector

    def halves(self, rows: npt.NDArray[np.int64]) -> Halves:
        """Return the vectors of these rows, each of which has one, float16 [rows, dimension]."""
        kept = faiss.vector_to_array(self._index.id_map)
        places = np.zeros(kept.max(initial=-1) + 1, np.int64)
        places[kept] = np.arange(len(kept))
        # A view: the codes of a large index are most of what it takes.
        codes = faiss.rev_swig_ptr(self._flat.codes.data(), self._flat.codes.size()).view(HALF)
        halves: Halves = codes.reshape(len(kept), self.dimension)[places[rows]]
        return halves

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
        self._sweep()
        parameters = None
        if allowed is not None:
            # The bitmap must outlive the call: FAISS keeps only a pointer to it.
            bitmap = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        cosines, rows = self._index.search(vector[np.newaxis, :], limit, params=parameters)
        found = rows[0] >= 0
        return rows[0][found], cosines[0][found]

    def _sweep(self) -> None:
        """Take out of the index what is gone."""
        if self._gone:
            self._index.remove_ids(np.array(sorted(self._gone), np.int64))
            self._gone = set()
