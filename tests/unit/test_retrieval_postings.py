"""BM25 over one person's postings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from projections.retrieval.postings import Postings, bm25

TEXTS = ["red kite", "red red boat", "green boat", "kite"]
NO_ROW = np.full(len(TEXTS), -1, np.int32)


def postings_of(texts: list[str]) -> Postings:
    """Return an index of these texts, one row each."""
    postings = Postings()
    for row, text in enumerate(texts):
        words = text.split()
        postings.add(row, {word: words.count(word) for word in words})
    return postings


def test_score_is_the_formula_of_bm25() -> None:
    """Against the formula written out, k1 1.2 and b 0.75."""
    lengths = np.array([2, 3, 2, 1], np.float32)
    live = np.ones(4, np.bool_)
    alone, _ = bm25(
        postings_of(TEXTS), ["red"], live=live, lengths=lengths, following=NO_ROW, preceding=NO_ROW
    )
    idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    wanted = [idf * tf / (tf + 1.2 * (0.25 + 0.75 * n / 2)) for tf, n in ((1, 2), (2, 3))]
    assert alone.tolist() == pytest.approx([*wanted, 0, 0])


def test_score_together_is_that_of_both_texts_when_one_follows_the_other() -> None:
    """A row and the one before it score as if they were one text."""
    lengths = np.array([2, 3, 2, 1], np.float32)
    live = np.ones(4, np.bool_)
    _, together = bm25(
        postings_of(TEXTS),
        ["red", "kite"],
        live=live,
        lengths=lengths,
        following=np.array([1, -1, -1, -1], np.int32),
        preceding=np.array([-1, 0, -1, -1], np.int32),
    )
    joined, _ = bm25(
        postings_of(["red kite", "red kite red red boat", "green boat", "kite"]),
        ["red", "kite"],
        live=live,
        lengths=np.array([2, 5, 2, 1], np.float32),
        following=NO_ROW,
        preceding=NO_ROW,
    )
    assert together.tolist() == pytest.approx(joined.tolist())


def test_removed_row_leaves_no_trace_in_the_statistics() -> None:
    """Scores equal those of an index that never had it."""
    lengths = np.array([2, 3, 2, 1], np.float32)
    live = np.array([True, False, True, True])
    with_dead, _ = bm25(
        postings_of(TEXTS), ["red"], live=live, lengths=lengths, following=NO_ROW, preceding=NO_ROW
    )
    without, _ = bm25(
        postings_of(["red kite", "green boat", "kite"]),
        ["red"],
        live=np.ones(3, np.bool_),
        lengths=np.array([2, 2, 1], np.float32),
        following=NO_ROW[:3],
        preceding=NO_ROW[:3],
    )
    assert with_dead[live].tolist() == without.tolist()
    assert with_dead[1] == 0


def test_lookup_finds_old_and_new_rows_when_the_tail_was_merged() -> None:
    """Base and tail are one list to the reader, whatever was merged when."""
    postings = Postings()
    for row in range(3000):
        postings.add(row, {"all": 1, f"only{row}": 300})
    rows, counts = postings.lookup("all")
    assert sorted(rows.tolist()) == list(range(3000))
    assert set(counts.tolist()) == {1.0}
    for row in (0, 1500, 2999):
        rows, counts = postings.lookup(f"only{row}")
        assert (rows.tolist(), counts.tolist()) == ([row], [255.0])
    assert postings.lookup("never")[0].size == 0
