"""Terms as numbers of four bytes, so that a search looks for a few of them in many texts at once.

CRC-32: the same in every process. Two terms of one person share a number about once in 10^9 pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.int64, np.uint32)

#: So many terms that are no longer read are never worth a sweep.
_UNREAD_MAX = 1 << 16


class TermIds:
    """The terms of each row, one behind the other in one array: rows are read in one go.

    What a row had before stays where it is, unread, until there is more of that than of the rest.
    """

    def __init__(self) -> None:
        self._ids: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._end = 0
        self._unread = 0
        # Where each row's terms begin, and how many there are. Both have room to grow.
        self._starts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def extend(self, texts: Iterable[str]) -> None:
        """Set the terms of the rows from 0 on, given with spaces between."""
        for row, words in enumerate(texts):
            self.set(row, words)

    def set(self, row: int, words: str) -> None:
        """Set the terms of a row, given with spaces between."""
        ids = array("I", map(crc32, words.encode().split()))
        end = self._end + len(ids)
        self._starts = _roomy(self._starts, row + 1)
        self._counts = _roomy(self._counts, row + 1)
        self._ids = _roomy(self._ids, end)
        self._ids[self._end : end] = ids
        self._unread += int(self._counts[row])
        self._starts[row], self._counts[row] = self._end, len(ids)
        self._end = end
        if self._unread > max(_UNREAD_MAX, end // 2):
            self._sweep()

    def holding(self, rows: npt.NDArray[np.int64], terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return which of these rows hold which terms; bool [rows, terms]."""
        counts = self._counts[rows]
        ids = self._ids[self._places(rows)]
        ends = np.cumsum(counts)
        holding = np.zeros((len(rows), len(terms)), np.bool_)
        for at, term in enumerate(terms):
            found = np.flatnonzero(ids == crc32(term.encode()))
            holding[np.searchsorted(ends, found, side="right"), at] = True
        return holding

    def _places(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where the terms of these rows are, row by row."""
        counts = self._counts[rows]
        before = np.cumsum(counts) - counts
        places: npt.NDArray[np.int64] = np.repeat(self._starts[rows] - before, counts)
        places += np.arange(len(places))
        return places

    def _sweep(self) -> None:
        """Bring together what is read."""
        self._ids = self._ids[self._places(np.arange(len(self._starts)))]
        self._starts = np.cumsum(self._counts) - self._counts
        self._end, self._unread = len(self._ids), 0


def _roomy(numbers: npt.NDArray[Number], size: int) -> npt.NDArray[Number]:
    """Return an array of at least this size that begins with these, the rest 0."""
    if size <= len(numbers):
        return numbers
    more = np.zeros(max(size, 2 * len(numbers), 16) - len(numbers), numbers.dtype)
    return np.concatenate([numbers, more])
