"""Vectors by row: one at a time or many at once, the index is the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.faiss_index import HALF, VectorIndex

DIMENSION = 16


def vectors_of(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return vectors of length one, float32 [count, dimension]."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION), np.float32)
    length: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.linalg.norm(
        vectors, axis=1, keepdims=True
    )
    return vectors / length


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.integers(0, 200), unique=True, max_size=40),
    removed=st.sets(st.integers(0, 200)),
)
def test_many_vectors_at_once_give_the_index_that_one_after_the_other_gives(
    rows: list[int], removed: set[int]
) -> None:
    """Same neighbours, same cosines, same average to the last bit; after removals as well."""
    vectors = vectors_of(len(rows))
    bulk, single = VectorIndex(DIMENSION), VectorIndex(DIMENSION)
    bulk.put_many(np.array(rows, np.int64), vectors.astype(HALF))
    for row, vector in zip(rows, vectors, strict=True):
        single.put(row, vector)
    question = vectors_of(1, seed=2)[0]
    for _ in range(2):
        found, wanted = bulk.nearest(question, 50), single.nearest(question, 50)
        assert [part.tolist() for part in found] == [part.tolist() for part in wanted]
        assert bulk.average_cosine(question) == single.average_cosine(question)
        left = np.array([row for row in rows if row in single], np.int64)
        assert (bulk.halves(left) == single.halves(left)).all()
        for index in (bulk, single):
            index.remove(sorted(removed))


def test_vectors_come_back_in_the_order_of_the_rows_asked_for() -> None:
    """Not in that in which they came; what was put again is the new one."""
    vectors = vectors_of(4)
    index = VectorIndex(DIMENSION)
    for row, vector in zip((7, 2, 9), vectors, strict=False):
        index.put(row, vector)
    index.put(7, vectors[3])
    wanted = vectors[[2, 3, 1]].astype(HALF)
    assert (index.halves(np.array([9, 7, 2])) == wanted).all()
    assert (index.get(7) == vectors[3].astype(HALF).astype(np.float32)).all()
    assert index.halves(np.array([], np.int64)).shape == (0, DIMENSION)
