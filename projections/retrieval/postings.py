"""One person's inverted index, with exact BM25 statistics.

Rules:

1. Document frequency, number of documents and average length are those of this person's living
   passages. In an index shared by many people they would be everybody's: a word common to one
   person and rare among the others would weigh too much, the ranking of one would move with what
   another writes, and an engine that counts deleted documents until it merges would rank a rebuilt
   index otherwise than the live one.
2. A passage is findable as soon as it is added. New postings go into a small dictionary (the tail)
   that is sorted into flat arrays (the base) when it outgrows an eighth of them.
3. No word is kept: a term is its 64-bit hash. Two words of one person share one with probability
   below 1e-9 at 100,000 words.
4. One posting list serves two scores: of a passage, and of a passage together with the one before
   it, whose counts are the sum of both.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Counts = npt.NDArray[np.uint8]

# Okapi BM25 (Robertson and Zaragoza 2009), with the usual saturation and length normalisation.
_K1 = 1.2
_B = 0.75
_COUNT_MAX = 255
_TAIL_MIN = 512


class Postings:
    """Which rows hold which term how often. Rows are small integers given by the shelf."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.uint64)
        self._starts = np.zeros(1, np.int64)
        self._rows: Rows = np.zeros(0, np.int32)
        self._counts = np.zeros(0, np.uint8)
        # By key, one number a posting: the row in the high bits, the count in the low eight.
        self._tail: dict[int, array[int]] = {}
        self._tail_size = 0

    def add(self, row: int, counts: Mapping[str, int]) -> None:
        """Add a passage's term counts under its row."""
        for term, count in counts.items():
            entries = self._tail.setdefault(term_key(term), array("q"))
            entries.append(row << 8 | min(count, _COUNT_MAX))
        self._tail_size += len(counts)
        if self._tail_size > max(_TAIL_MIN, len(self._rows) // 8):
            self._merge()

    def lookup(self, term: str) -> tuple[Rows, Floats]:
        """Return the rows that hold a term, removed ones included, and how often each does."""
        key = term_key(term)
        at = int(np.searchsorted(self._keys, np.uint64(key)))
        rows: Rows = np.zeros(0, np.int32)
        counts: Counts = np.zeros(0, np.uint8)
        if at < len(self._keys) and int(self._keys[at]) == key:
            run = slice(int(self._starts[at]), int(self._starts[at + 1]))
            rows, counts = self._rows[run], self._counts[run]
        if key in self._tail:
            late_rows, late_counts = _unpacked(self._tail[key])
            rows = np.concatenate([rows, late_rows])
            counts = np.concatenate([counts, late_counts])
        return rows, counts.astype(np.float32)

    def _merge(self) -> None:
        sizes = [len(entries) for entries in self._tail.values()]
        keys = np.repeat(np.fromiter(self._tail.keys(), np.uint64, len(sizes)), sizes)
        late_rows, late_counts = _unpacked(b"".join(self._tail.values()))
        keys = np.concatenate([np.repeat(self._keys, np.diff(self._starts)), keys])
        order = np.argsort(keys, kind="stable")
        self._rows = np.concatenate([self._rows, late_rows])[order]
        self._counts = np.concatenate([self._counts, late_counts])[order]
        self._keys, first = np.unique(keys[order], return_index=True)
        self._starts = np.append(first, len(keys)).astype(np.int64)
        self._tail = {}
        self._tail_size = 0


def _unpacked(entries: array[int] | bytes) -> tuple[Rows, Counts]:
    packed = np.frombuffer(entries, np.int64)
    return (packed >> 8).astype(np.int32), (packed & _COUNT_MAX).astype(np.uint8)


def term_key(term: str) -> int:
    """Return the 64-bit key of a term (BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest())


def bm25(
    postings: Postings,
    query: Iterable[str],
    *,
    live: npt.NDArray[np.bool_],
    lengths: Floats,
    following: Rows,
    preceding: Rows,
) -> tuple[Floats, Floats]:
    """Score every row against the query's terms.

    Args:
        postings: the person's inverted index.
        query: terms; repetitions count once.
        live: [rows] False where a passage was removed.
        lengths: [rows] number of terms of each passage.
        following: [rows] the row of the next message, or -1.
        preceding: [rows] the row of the message before, or -1.

    Returns:
        BM25 of each passage alone, and together with the one before it; float32 [rows] each.
    """
    documents = int(live.sum())
    alone = np.zeros(len(live), np.float32)
    together = np.zeros(len(live), np.float32)
    if not documents:
        return alone, together
    with_before = lengths + np.where(preceding >= 0, lengths[preceding], 0)
    damp = _length_damping(lengths, live, documents)
    damp_together = _length_damping(with_before, live, documents)
    count_together = np.zeros(len(live), np.float32)
    # In sorted order a row's sum is the same however the postings came to lie.
    for term in sorted(set(query)):
        rows, counts = postings.lookup(term)
        alive = live[rows]
        rows, counts = rows[alive], counts[alive]
        if not len(rows):
            continue
        alone[rows] += _idf(len(rows), documents) * counts / (counts + damp[rows])
        count_together[rows] = counts
        later = following[rows]
        linked = later >= 0
        count_together[later[linked]] += counts[linked]
        touched = np.flatnonzero(count_together)
        counts = count_together[touched]
        weight = _idf(len(touched), documents)
        together[touched] += weight * counts / (counts + damp_together[touched])
        count_together[touched] = 0
    return alone, together


def _idf(holding: int, documents: int) -> np.float32:
    return np.float32(np.log1p((documents - holding + 0.5) / (holding + 0.5)))


def _length_damping(lengths: Floats, live: npt.NDArray[np.bool_], documents: int) -> Floats:
    mean = max(float(lengths[live].sum(dtype=np.float64)) / documents, 1.0)
    damping: Floats = (_K1 * (1 - _B + _B * lengths / np.float32(mean))).astype(np.float32)
    return damping
