"""How long a rebuild of the six tiers and the search index takes, and how much memory.

A child process does what `mirix rebuild` does: one pass over a scratch log, then each state is
hashed and saved. Its memory is read from the kernel, less what it had before it began: `live` once
everything is folded, `peak` over all. It goes through a tenth of the log first, in a process of its
own, so that one run tells whether the time grows as the log does.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil

from actors.names import OWNER_OF, Agent
from actors.rebuilding import empty_projection
from cluster.bench_log import scratch_log, write_log
from cluster.cli_output import quiet_logs
from events.codec import Codec
from events.connection import LogSettings, connect
from events.journal import Journal
from events.memory import Value
from events.sealing import KeyRing
from events.sqlite_keystore import SqliteKeyStore
from projections.base import Projection, state_hash
from projections.rebuild import View, rebuild_all
from projections.snapshots import SnapshotDirectory

_AGENTS: tuple[Agent, ...] = (*OWNER_OF.values(), "search")
_MIB = 1024 * 1024
_CHILD_S_MAX = 3600.0


class _Task(Value, frozen=True, kw_only=True):
    """What a child process is to do."""

    log: LogSettings
    directory: str
    until: int


class _Figures(Value, frozen=True, kw_only=True):
    """What a child process measured; memory in MiB. `cpu_s` is its own work, whatever else runs."""

    events: int
    fold_s: float
    save_s: float
    cpu_s: float
    live_mib: float
    peak_mib: float


async def bench_rebuild(
    directory: Path | None = None,
    *,
    events: int = 100_000,
    people: int = 1000,
    advance: Callable[[int], None] = lambda written: None,
) -> dict[str, Any]:
    """Measure on a scratch log (under `directory`).

    Args:
        directory: the disk to measure on; None: the temporary one.
        events: how long the log is, at least 10.
        people: whose events they are.
        advance: hears how many events were written just now.
    """
    with tempfile.TemporaryDirectory(dir=directory) as keys:
        async with scratch_log(directory) as connection:
            journal = Journal(connection.log(0), Codec(KeyRing(_keystore(keys))))
            await write_log(journal, events, people=people, advance=advance)
            task = _Task(log=connection.settings, directory=keys, until=events // 10)
            tenth = await _in_child(task)
            whole = await _in_child(msgspec.structs.replace(task, until=events))
    wall_s = whole.fold_s + whole.save_s
    return {
        "events": events,
        "people": people,
        "wall_s": round(wall_s, 2),
        "fold_s": round(whole.fold_s, 2),
        "hash_and_save_s": round(whole.save_s, 2),
        "cpu_s": round(whole.cpu_s, 2),
        "events_per_s": round(events / wall_s),
        "live_mib": round(whole.live_mib, 1),
        "peak_mib": round(whole.peak_mib, 1),
        "peak_to_live": round(whole.peak_mib / whole.live_mib, 2),
        "wall_per_event_to_that_of_a_tenth": round(
            wall_s / (tenth.fold_s + tenth.save_s) * tenth.events / whole.events, 2
        ),
        "cpu_per_event_to_that_of_a_tenth": round(
            whole.cpu_s / tenth.cpu_s * tenth.events / whole.events, 2
        ),
    }


def _keystore(directory: str) -> SqliteKeyStore:
    return SqliteKeyStore(Path(directory) / "keys.db", Path(directory) / "master.key")


async def _in_child(task: _Task) -> _Figures:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cluster.bench_rebuild",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_CHILD_S_MAX):
            answer, _ = await child.communicate(msgspec.json.encode(task))
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise RuntimeError(f"the measuring process ended with {child.returncode}")
    return msgspec.json.decode(answer, type=_Figures)


async def _measure(task: _Task) -> _Figures:
    """Rebuild in this process, and measure it."""
    projections = [empty_projection(agent) for agent in _AGENTS]
    before_mib = psutil.Process().memory_info().rss / _MIB
    keys = KeyRing(_keystore(task.directory))
    store = SnapshotDirectory(Path(task.directory) / f"{task.until}", keys)
    folded_s = live_mib = 0.0
    started_s, worked_s = time.perf_counter(), time.process_time()

    async def keep(projection: Projection, position: int) -> None:
        nonlocal folded_s, live_mib
        if not folded_s:  # the first of them: nothing is saved yet, nothing let go
            folded_s = time.perf_counter() - started_s
            live_mib = psutil.Process().memory_info().rss / _MIB - before_mib
        await asyncio.to_thread(state_hash, projection)
        await asyncio.to_thread(store.save_rebuilt, projection, position)

    views = [View(projection, [task.until], keep) for projection in projections]
    del projections
    async with connect(task.log) as connection:
        await rebuild_all(Journal(connection.log(0), Codec(keys)), views)
    return _Figures(
        events=task.until,
        fold_s=folded_s,
        save_s=time.perf_counter() - started_s - folded_s,
        cpu_s=time.process_time() - worked_s,
        live_mib=live_mib,
        peak_mib=_peak_mib() - before_mib,
    )


def _peak_mib() -> float:
    """Return the most resident memory that this process ever had (VmHWM, proc(5))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell the peak of resident memory")


def main() -> None:
    """Do the task on standard input; tell the figures on standard output, and nothing else."""
    quiet_logs()
    figures = asyncio.run(_measure(msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)))
    sys.stdout.buffer.write(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()
