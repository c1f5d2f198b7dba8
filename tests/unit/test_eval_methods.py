"""The fusion of words and vectors that ours is compared with, worked out by hand."""

from __future__ import annotations

import pytest

from cluster.eval_methods import Answer, Scored, fuse


def answer(latency_ms: float, **scores: float) -> Answer:
    hits = (Scored(name, score, (name,)) for name, score in scores.items())
    return Answer(tuple(hits), latency_ms)


def test_fusion_weighs_the_normalised_scores_of_both_lists() -> None:
    """Of BM25 10, 6, 2 come 1, .5, 0; of cosines .9, .6, .5 come 1, .25, 0."""
    fused = fuse(answer(2, a=10, b=6, c=2), answer(3, c=0.9, a=0.6, d=0.5))

    scores = {hit.id: hit.score for hit in fused.hits}
    assert scores == pytest.approx({"a": 0.3 + 0.7 * 0.25, "b": 0.15, "c": 0.7, "d": 0.0})
    assert fused.ranked == ["c", "a", "b", "d"]
    assert fused.latency_ms == 5


def test_fusion_is_the_other_list_when_one_found_nothing() -> None:
    """A question without a known word is answered by its meaning alone."""
    assert fuse(answer(1), answer(1, b=0.4, a=0.2)).ranked == ["b", "a"]
    assert fuse(answer(1), answer(1)).hits == ()


def test_only_hit_has_the_full_share_of_its_list() -> None:
    """The least is the greatest there: nothing says that it is bad."""
    (hit,) = fuse(answer(1, a=3.0), answer(1)).hits

    assert hit.score == pytest.approx(0.3)
