"""The benchmarks of replay and rebuild run and measure; how fast is their own business."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cluster.bench_log import scratch_log, write_log
from cluster.bench_rebuild import bench_rebuild
from cluster.bench_replay import bench_replay
from events.codec import Codec
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing


async def test_replay_is_measured_against_a_bare_consumer_in_one_run(tmp_path: Path) -> None:
    """Both rates are above nothing; the ratio is that of the rounds."""
    figures = await bench_replay(tmp_path, events=2000, people=10)
    assert min(figures["bare_consumer_events_per_s"], figures["replay_events_per_s"]) > 0
    assert figures["ratio"] > 0


async def test_rebuild_is_measured_with_its_memory(tmp_path: Path) -> None:
    """Time and memory are above nothing, and the peak is not below what is left."""
    written: list[int] = []
    figures = await bench_rebuild(tmp_path, events=3000, people=10, advance=written.append)
    assert sum(written) == 3000
    assert min(figures["fold_s"], figures["events_per_s"], figures["live_mib"]) > 0
    assert figures["peak_mib"] >= figures["live_mib"]


async def test_log_to_measure_on_is_the_same_for_a_seed_and_mixed(tmp_path: Path) -> None:
    """Messages, memories of all tiers and markers of many people, in one order."""
    read = []
    for _ in range(2):
        journal = Journal(MemoryLog(), Codec(KeyRing(MemoryKeyStore())))
        await write_log(journal, 2000, people=50)
        read.append([event async for event in journal.read()])
    first, second = read
    assert [one.payload for one in first] == [one.payload for one in second]
    kinds = Counter(event.envelope.type for event in first)
    assert len(first) == 2000
    assert min(kinds.values()) > 1
    assert {"MessageReceived", "MemoryEmbedded", "MemorySuperseded", "CauseHandled"} < set(kinds)
    assert len({event.user for event in first if event.envelope.sealed}) == 50


async def test_scratch_log_is_gone_afterwards(tmp_path: Path) -> None:
    """Neither the server's files nor the log are left."""
    async with scratch_log(tmp_path) as connection:
        assert await connection.log(0).last_position() == 0
    assert not [*_left(tmp_path)]


def _left(directory: Path) -> list[Path]:
    return list(directory.iterdir())
