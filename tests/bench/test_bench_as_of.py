"""The benchmark of searches of the past runs and measures; how fast is its own business."""

from __future__ import annotations

from pathlib import Path

from cluster.bench_as_of import bench_as_of


async def test_searches_of_the_past_are_measured(tmp_path: Path) -> None:
    """Each finds what was there at its position, and takes some time."""
    done: list[int] = []
    figures = await bench_as_of(
        tmp_path, events=1000, people=5, searches=3, snapshot_every=400, advance=done.append
    )
    assert sum(done) == 1000 + 2 * 3
    assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]
    assert figures["found"] > 0
