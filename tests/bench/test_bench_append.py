"""The append benchmark runs and measures; how fast is its own business."""

from __future__ import annotations

from pathlib import Path

from cluster.bench_append import bench_append_embedded


async def test_append_benchmark_compares_both_ways_in_one_run(tmp_path: Path) -> None:
    """One run gives both rates, above nothing, and their ratio."""
    figures = await bench_append_embedded(tmp_path, writers=8, events=400)
    one_by_one = figures["one_by_one_events_per_s"]
    concurrent = figures["concurrent_events_per_s"]
    assert min(one_by_one, concurrent) > 0
    assert abs(figures["ratio"] - concurrent / one_by_one) < 0.02
