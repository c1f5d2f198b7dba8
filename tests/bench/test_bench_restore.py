"""The restore benchmark runs and measures; how fast is its own business."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cluster.bench_restore import bench_restore, memory_events
from events.errors import CorruptLog
from projections.base import Projection
from projections.retrieval_projection import RetrievalProjection
from projections.snapshots import SnapshotDirectory
from projections.tiers import TierProjection


def test_restore_benchmark_measures_tier_and_retrieval(tmp_path: Path) -> None:
    """Each part of a start has a time above nothing, and nothing is left on the disk."""
    figures = bench_restore(memories=200, tail=20, directory=tmp_path)
    for part in (figures["tier"], figures["retrieval"]):
        times = {name: figure for name, figure in part.items() if name.endswith("_s")}
        assert min(times.values()) > 0
        assert part["start_s"] == pytest.approx(part["load_s"] + part["tail_s"])
    # 384 numbers of two bytes for each memory, here and nowhere in the tier.
    vectors_bytes = 384 * 2 * 202
    assert figures["tier"]["file_bytes"] < vectors_bytes < figures["retrieval"]["file_bytes"]
    assert not list(tmp_path.iterdir())


def test_benchmark_tells_a_wrong_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick restore of something else is no figure."""
    monkeypatch.setattr(SnapshotDirectory, "load", lambda self, projection: 0)
    with pytest.raises(CorruptLog, match="semantic"):
        bench_restore(memories=200, tail=20, directory=tmp_path)


@pytest.mark.parametrize("empty", [lambda: TierProjection("semantic"), RetrievalProjection])
def test_events_of_the_benchmark_are_the_same_each_time(empty: type[Projection]) -> None:
    """Texts vary, runs do not."""
    first, second = (list(itertools.islice(memory_events(empty().kinds), 404)) for _ in range(2))
    assert first == second
    assert [event.position for event in first] == list(range(1, 405))
    texts = {
        event.payload.memory.content.summary for event in first if hasattr(event.payload, "memory")
    }
    assert len(texts) > 190
