"""Vector search among one person's passages, with FAISS.

The only module that imports faiss. Half precision: 768 bytes a passage instead of 1,536, recall
0.999 of single precision. Scoping is by construction: one index a person, and only the vectors that
a filter allows are compared. Nothing is dropped from a result afterwards.

Rules:

1. Up to `EXACT_MAX` vectors every cosine is computed. Beyond, `SignCodes` make a short list and
   the cosines of those on it are computed; the ones returned are exact either way.
2. What is found follows from the vectors alone, never from the order in which they came and went:
   codes are not trained on anything, and who is as near as the last one returned is returned, too.
3. The last vector takes the place of one that is removed, so that none has to move behind it.
"""

from __future__ import annotations

from typing import Any

import faiss as untyped_faiss
import numpy as np
import numpy.typing as npt

from projections.sign_codes import SignCodes

# FAISS ships the signatures of its C++ classes; what its Python layer takes differs from them.
faiss: Any = untyped_faiss
# Agents share the machine's cores: one search keeps to one.
faiss.omp_set_num_threads(1)

Vectors = npt.NDArray[np.float32]
#: Row numbers, int64 [rows].
Rows = npt.NDArray[np.int64]
#: Vectors as they are kept: two bytes a number, little endian, whatever the machine.
Halves = npt.NDArray[np.float16]
HALF = np.dtype("<f2")
#: Up to so many vectors, all are compared: that takes no longer than to make a short list.
EXACT_MAX = 4096
#: How long the short list is: at least so many, and at least one vector of so many.
_SHORT_MIN = 1024
_SHORT_SHARE = 64
_NOWHERE = -1


class VectorIndex:
    """Vectors by row number, compared by inner product (cosine, when they have length one).

    Args:
        dimension: of the vectors.
        exact_max: up to so many of them every cosine is computed; None: `EXACT_MAX`.
    """

    def __init__(self, dimension: int, exact_max: int | None = None) -> None:
        self.dimension = dimension
        self._exact_max = EXACT_MAX if exact_max is None else exact_max
        self._flat = _empty(dimension)
        self._signs = SignCodes(dimension)
        # Which row is at each place, and at which place each row is. Both have room to grow.
        self._row_at = np.zeros(0, np.int64)
        self._place_of = np.zeros(0, np.int64)
        # A double holds the sum of millions of half-precision numbers exactly, in any order.
        self._sum = np.zeros(dimension, np.float64)

    def __len__(self) -> int:
        return int(self._flat.ntotal)

    def __contains__(self, row: int) -> bool:
        return row < len(self._place_of) and bool(self._place_of[row] != _NOWHERE)

    def put(self, row: int, vector: Vectors) -> None:
        """Set the vector of a row, float32 [dimension], in place of any it had."""
        self.remove([row])
        self.put_many(np.array([row], np.int64), vector.astype(HALF)[np.newaxis, :])

    def put_many(self, rows: Rows, halves: Halves) -> None:
        """Set the vectors of rows that have none, float16 [rows, dimension]."""
        if not len(rows):
            return
        first = len(self)
        end = first + len(rows)
        halves = np.ascontiguousarray(halves, HALF)
        self._flat.add_sa_codes(halves.view(np.uint8))
        self._signs.add(halves)
        self._row_at = _with_room(self._row_at, end)
        self._place_of = _with_room(self._place_of, int(rows.max()) + 1)
        self._row_at[first:end] = rows
        self._place_of[rows] = np.arange(first, end)
        self._sum += halves.sum(axis=0, dtype=np.float64)

    def remove(self, rows: list[int]) -> None:
        """Take the vectors of these rows out; rows without one are passed over."""
        for row in rows:
            if row in self:
                self._sum -= self.get(row)
                self._take_out(row)

    def get(self, row: int) -> Vectors:
        """Return the vector of a row, float32 [dimension], as half precision holds it."""
        vector: Vectors = self._flat.reconstruct(int(self._place_of[row]))
        return vector

    def having(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which of these rows have a vector, bool [rows]."""
        there: npt.NDArray[np.bool_] = self._places(rows) != _NOWHERE
        return there

    def halves(self, rows: Rows) -> Halves:
        """Return the vectors of these rows, each of which has one, float16 [rows, dimension]."""
        halves: Halves = self._codes()[self._places(rows)]
        return halves

    def average_cosine(self, vector: Vectors) -> float:
        """Return the mean cosine of `vector`, float32 [dimension], with all vectors here."""
        return float(self._sum @ vector) / max(len(self), 1)

    def cosines(self, vector: Vectors, rows: Rows) -> Vectors:
        """Return the cosines of these rows with `vector`, 0 where one has none; float32 [rows]."""
        cosines = np.zeros(len(rows), np.float32)
        places = self._places(rows)
        there = np.flatnonzero(places != _NOWHERE)
        if len(there):
            among = self._copy_of(places[there])
            found, order = among.search(vector[np.newaxis, :], len(there))
            cosines[there[order[0]]] = found[0]
        return cosines

    def nearest(
        self, vector: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Rows, Vectors]:
        """Return the rows nearest to `vector` and their cosines, nearest first.

        Args:
            vector: float32 [dimension].
            limit: at most so many rows, and those that are as near as the last of them.
            allowed: [rows] True where a row may be returned; None allows all.
        """
        if allowed is None and len(self) <= self._exact_max:
            places, cosines = _best(self._flat, vector, limit)
            return self._row_at[places], cosines
        rows = self.short_list(vector, limit, allowed)
        found, cosines = _best(self._copy_of(self._place_of[rows]), vector, limit)
        return rows[found], cosines

    def every(self, vector: Vectors) -> tuple[Rows, Vectors]:
        """Return all rows and their cosines with `vector`, nearest first."""
        places, cosines = _best(self._flat, vector, len(self))
        return self._row_at[places], cosines

    def short_list(
        self, vector: Vectors, limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> Rows:
        """Return rows among which, almost surely, are the `limit` nearest; arguments as `nearest`.

        Up to `exact_max` vectors these are all.
        """
        rows = self._row_at[: len(self)]
        every = allowed is None or bool(allowed.all())
        chosen = None if every or allowed is None else allowed[rows]
        count = len(self) if chosen is None else int(np.count_nonzero(chosen))
        short = max(_SHORT_MIN, 2 * limit, len(self) // _SHORT_SHARE)
        if len(self) > self._exact_max and count > short:
            chosen = self._signs.nearest(vector.astype(HALF), short, chosen)
        listed: Rows = rows.copy() if chosen is None else rows[chosen]
        return listed

    def _copy_of(self, places: Rows) -> Any:
        """Return a FAISS index of the vectors at these places alone.

        To copy a short list takes less time than to have FAISS select it among all.
        """
        index = _empty(self.dimension)
        index.add_sa_codes(self._codes()[places].view(np.uint8))
        return index

    def _take_out(self, row: int) -> None:
        place, last = int(self._place_of[row]), len(self) - 1
        mover = self._row_at[last]
        codes = self._codes()
        codes[place] = codes[last]
        self._flat.codes.resize(last * self._flat.code_size)
        self._flat.ntotal = last
        self._signs.take_out(place)
        self._row_at[place] = mover
        self._place_of[mover] = place
        self._place_of[row] = _NOWHERE

    def _codes(self) -> Halves:
        """Return a view of all vectors, float16 [places, dimension]: gone with the next change."""
        codes = faiss.rev_swig_ptr(self._flat.codes.data(), self._flat.codes.size())
        halves: Halves = codes.view(HALF).reshape(len(self), self.dimension)
        return halves

    def _places(self, rows: Rows) -> Rows:
        places = np.full(len(rows), _NOWHERE, np.int64)
        known = rows < len(self._place_of)
        places[known] = self._place_of[rows[known]]
        return places


def _empty(dimension: int) -> Any:
    """Return a FAISS index whose codes are half-precision numbers, one vector a place."""
    return faiss.IndexScalarQuantizer(
        dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )


def _best(index: Any, vector: Vectors, limit: int) -> tuple[Rows, Vectors]:
    """Return the nearest places and their cosines, nearest first: `limit`, and who is as near."""
    size = int(index.ntotal)
    if not size or limit < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    wanted = limit
    while True:
        # One more tells whether others are as near as the last.
        found, places = index.search(vector[np.newaxis, :], min(wanted + 1, size))
        cosines: Vectors = found[0]
        if len(cosines) <= wanted or cosines[wanted] < cosines[limit - 1]:
            break
        wanted *= 2
    kept = int(np.count_nonzero(cosines >= cosines[:limit][-1]))
    return places[0][:kept], cosines[:kept]


def _with_room(rows: Rows, size: int) -> Rows:
    """Return an array of at least this size that begins with these; the rest is nowhere."""
    if size <= len(rows):
        return rows
    more = np.full(max(size, 2 * len(rows)) - len(rows), _NOWHERE, np.int64)
    return np.concatenate([rows, more])
