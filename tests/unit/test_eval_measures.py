"""Measures of a ranking, against values worked out by hand."""

from __future__ import annotations

import pytest

from cluster.eval_measures import (
    MEASURES,
    measures_of,
    message_ranking,
    ndcg,
    percentile,
    recall,
    reciprocal_rank,
)

RANKED = ["a", "b", "c", "d"]


def test_messages_count_once_when_several_hits_name_them() -> None:
    """The first hit that names a message gives it its place."""
    assert message_ranking([("a", "b"), ("b",), (), ("c",)]) == ["a", "b", "c"]


def test_recall_is_fractional_when_part_of_the_evidence_is_found() -> None:
    """It is a share of the evidence, not of the ranking."""
    evidence = frozenset({"b", "z"})

    assert recall(evidence, RANKED, 1) == 0
    assert recall(evidence, RANKED, 2) == 0.5
    assert recall(evidence, RANKED, 50) == 0.5


def test_reciprocal_rank_is_that_of_the_first_evidence() -> None:
    """Third place is a third; later evidence changes nothing; none at all is 0."""
    assert reciprocal_rank(frozenset({"c", "d"}), RANKED) == pytest.approx(1 / 3)
    assert reciprocal_rank(frozenset({"z"}), RANKED) == 0


def test_ndcg_is_a_share_of_the_best_order() -> None:
    """Places 2 and 4 gain 1/log2(3) + 1/log2(5) of the 1 + 1/log2(3) that 1 and 2 would."""
    found = ndcg(frozenset({"b", "d"}), RANKED, 10)

    assert found == pytest.approx((0.63093 + 0.43068) / (1 + 0.63093), abs=1e-5)
    assert ndcg(frozenset({"a", "b"}), RANKED, 10) == pytest.approx(1)
    assert ndcg(frozenset({"d"}), RANKED, 3) == 0


def test_ndcg_is_one_when_there_is_more_evidence_than_places() -> None:
    """The best order of three among two places fills both."""
    assert ndcg(frozenset({"a", "b", "c"}), RANKED, 2) == pytest.approx(1)


def test_measures_stand_in_the_order_of_their_names() -> None:
    """Evidence at places 1 and 6 of six: found by halves, then whole."""
    found = dict(zip(MEASURES, measures_of(frozenset("ae"), list("abcdfe")), strict=True))

    assert (found["R@1"], found["R@5"], found["R@10"], found["MRR"]) == (0.5, 0.5, 1, 1)
    assert found["nDCG@10"] == pytest.approx((1 + 0.35621) / (1 + 0.63093), abs=1e-5)


def test_percentile_is_a_value_that_was_seen() -> None:
    """Nearest rank; nothing at all gives 0."""
    values = [float(value) for value in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50, 99)
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0
