"""Vectors by row: one at a time or many at once, the index is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections import faiss_index
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


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.integers(0, 300), unique=True, min_size=30, max_size=80),
    removed=st.sets(st.integers(0, 300)),
    seed=st.integers(0, 1000),
)
def test_short_list_follows_from_the_vectors_whatever_came_and_went(
    rows: list[int], removed: set[int], seed: int
) -> None:
    """Many removed in between or never there: the same rows are near, and as near."""
    vectors = dict(zip(rows, vectors_of(len(rows), seed), strict=True))
    lived, fresh = VectorIndex(DIMENSION, exact_max=8), VectorIndex(DIMENSION, exact_max=8)
    for row, vector in vectors.items():
        lived.put(row, vector)
    lived.remove(sorted(removed))
    for row in sorted(vectors.keys() - removed, reverse=True):
        fresh.put(row, vectors[row])
    assert len(lived) == len(fresh) == len(vectors.keys() - removed)
    allowed = np.arange(301) % 3 > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faiss_index, "_SHORT_MIN", 10)
        for question in vectors_of(3, seed=seed + 1):
            for chosen in (None, allowed):
                near, wanted = (
                    dict(
                        zip(
                            *(part.tolist() for part in index.nearest(question, 4, chosen)),
                            strict=True,
                        )
                    )
                    for index in (lived, fresh)
                )
                assert near == wanted
                assert chosen is None or chosen[list(near)].all()
                listed = np.sort(lived.short_list(question, 4, chosen))
                assert (listed == np.sort(fresh.short_list(question, 4, chosen))).all()


def test_who_is_as_near_as_the_last_is_found_too() -> None:
    """Equal vectors are all found, or none: the order in which they came decides nothing."""
    first, second = vectors_of(2)
    index = VectorIndex(DIMENSION)
    index.put_many(np.arange(20), np.array([first] * 5 + [second] * 15, HALF))
    rows, cosines = index.nearest(first, 6)
    assert set(rows.tolist()) == set(range(20))
    assert (np.diff(cosines) <= 0).all()
    assert set(index.nearest(first, 2)[0].tolist()) == set(range(5))


def test_short_list_holds_nearly_all_of_the_nearest() -> None:
    """Of the ten nearest of 20,000 at least .99; all of those found are truly as near as told."""
    dimension, count = 256, 20_000
    chance = np.random.default_rng(5)
    vectors = chance.standard_normal((count, dimension), np.float32)
    vectors += 2 * np.repeat(chance.standard_normal((400, dimension), np.float32), 50, axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = VectorIndex(dimension)
    index.put_many(np.arange(count), vectors.astype(HALF))
    shares = []
    for question in vectors[::500] + 0.02 * chance.standard_normal((40, dimension), np.float32):
        exact = vectors.astype(HALF).astype(np.float32) @ question
        rows, cosines = index.nearest(question, 10)
        assert np.allclose(exact[rows], cosines, atol=1e-4)
        shares.append(np.isin(np.argsort(-exact)[:10], rows).mean())
    assert np.mean(shares) >= 0.99


def test_cosines_of_rows_asked_for_are_those_of_a_search() -> None:
    """In the order asked for; 0 for rows without a vector."""
    index = VectorIndex(DIMENSION)
    index.put_many(np.arange(9), vectors_of(9).astype(HALF))
    question = vectors_of(1, seed=3)[0]
    near = dict(zip(*(part.tolist() for part in index.nearest(question, 9)), strict=True))
    rows = np.array([7, 90, 2, 2])
    assert index.cosines(question, rows).tolist() == [near[7], 0, near[2], near[2]]
