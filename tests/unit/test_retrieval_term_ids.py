"""Which rows hold which terms, after any number of changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.retrieval import term_ids
from projections.retrieval.term_ids import TermIds

TERMS = ("boat", "红", "2026", "storm")


@settings(max_examples=100, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 8), st.lists(st.sampled_from(TERMS), max_size=4)), max_size=40
    ),
    asked=st.lists(st.integers(0, 8), max_size=12),
)
def test_rows_hold_what_they_were_given_last(
    changes: list[tuple[int, list[str]]], asked: list[int]
) -> None:
    """Rows in any order, also twice; swept between or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(term_ids, "_UNREAD_MAX", 5)
        held = TermIds()
        held.extend("" for _ in range(9))
        wanted: dict[int, list[str]] = {}
        for row, words in changes:
            held.set(row, " ".join(words))
            wanted[row] = words
    found = held.holding(np.array(asked, np.int64), TERMS)
    assert found.tolist() == [[term in wanted.get(row, ()) for term in TERMS] for row in asked]
