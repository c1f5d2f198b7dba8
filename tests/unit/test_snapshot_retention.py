"""Which snapshots stay: few, the newest, and the others evenly spread over the log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projections.snapshot_retention import surplus, surplus_of_versions

saves = st.lists(st.integers(1, 5000), min_size=1, max_size=120).map(
    lambda steps: [sum(steps[: at + 1]) for at in range(len(steps))]
)


def kept_after(positions: list[int], kept_max: int) -> list[int]:
    """Return what is left when each of these was saved in its turn."""
    kept: list[int] = []
    for position in positions:
        kept.append(position)
        kept = sorted(set(kept) - set(surplus(kept, kept_max)))
    return kept


@given(positions=saves, kept_max=st.integers(2, 12))
def test_newest_two_stay_and_no_more_than_allowed(positions: list[int], kept_max: int) -> None:
    """Whatever was saved when: nothing is dropped while there is room, and never the newest two."""
    kept = kept_after(positions, kept_max)
    assert len(kept) == min(len(positions), kept_max)
    assert kept[-2:] == positions[-2:]
    assert set(kept) <= set(positions)


@given(positions=saves, kept_max=st.integers(3, 12))
def test_gaps_are_even(positions: list[int], kept_max: int) -> None:
    """No gap is wider than twice its share of the log, but where nothing was saved in between."""
    kept = kept_after(positions, kept_max)
    unbroken = set(zip([0, *positions], positions, strict=False))
    for start, end in zip([0, *kept], kept, strict=False):
        assert (start, end) in unbroken or end - start <= 2 * positions[-1] / (kept_max - 1)


def test_one_goes_where_it_is_missed_least() -> None:
    """The one between the nearest neighbours goes; the oldest among equals."""
    assert surplus([100, 200, 210, 400, 500], 4) == [200]
    assert surplus([100, 200, 300, 400, 500], 4) == [100]
    assert surplus([100, 200], 2) == []


def test_of_the_version_before_two_stay_and_of_older_ones_none() -> None:
    """Who goes back a version finds its states; a later version's are left alone."""
    taken = [(1, 10), (2, 20), (2, 30), (2, 40), (3, 50), (9, 5)]
    assert surplus_of_versions(taken, 3, 8) == [(2, 20), (1, 10)]
    assert surplus_of_versions(taken, 2, 2) == [(2, 20)]
