"""What goes together into a run of the embedding model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.embedding_batches import PADDED_MAX, RUN_TOKENS_MAX, batches


@given(lengths=st.lists(st.integers(1, 256), max_size=200))
def test_batches_hold_each_text_once_and_little_padding(lengths: list[int]) -> None:
    """In order of length, within the tokens of a run, with at most a tenth of padding."""
    made = list(batches(lengths))
    flat = [place for batch in made for place in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[place] for place in flat] == sorted(lengths)
    for batch in made:
        longest = max(lengths[place] for place in batch)
        padded = longest * len(batch)
        assert len(batch) == 1 or padded <= RUN_TOKENS_MAX
        assert padded <= PADDED_MAX * sum(lengths[place] for place in batch)


def test_texts_of_like_length_fill_a_run() -> None:
    """A run ends where the next text does not fit in, not before."""
    sizes = [len(batch) for batch in batches([32] * 40)]
    assert sizes == [16, 16, 8]
