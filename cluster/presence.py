"""Which system runs on a data directory, if any: what its record says, held against the processes.

What `mirix status`, `doctor` and every command about the system on this machine begin with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from cluster import processes
from cluster.data_dir import DataDir, SystemRecord
from events.errors import Unavailable

#: How a command is told which system is meant.
WAYS = ("--data", "MIRIX_DATA")


def running_system(directory: DataDir, *, ways: Sequence[str] = WAYS) -> SystemRecord:
    """Return the record of the system that runs on a directory, in whatever state it is.

    Args:
        directory: where it would run.
        ways: how another one can be named, for the error.

    Raises:
        Unavailable: none runs there; the line says what is left of one that was killed.
        Misconfigured: the record is damaged.
    """
    record = directory.read_system()
    if record is not None and processes.find(record.supervisor) is not None:
        return record
    if record is not None and (left := left_behind(record)):
        raise Unavailable(f"the supervisor of {directory.root} is gone, but {left}")
    raise Unavailable(
        f"no system runs on {directory.root}; start one with `mirix up`, or name another with "
        f"{', '.join(ways[:-1])} or {ways[-1]}"
    )


def ready_system(directory: DataDir, *, ways: Sequence[str] = WAYS) -> SystemRecord:
    """Return the record of the system that runs on a directory and is ready.

    Args:
        directory: where it would run.
        ways: how another one can be named, for the error.

    Raises:
        Unavailable: none runs there, or it is not ready (any more).
    """
    record = running_system(directory, ways=ways)
    if record.state != "ready":
        raise Unavailable(f"the system on {directory.root} is {record.state}; try again soon")
    return record


def left_behind(record: SystemRecord) -> str:
    """Say how many processes a supervisor that is gone has left; empty when there are none."""
    count = len(processes.members(record.run_id, record.processes))
    if not count:
        return ""
    left = "1 process is left" if count == 1 else f"{count} processes are left"
    return f"{left}: `mirix down` ends what is left"


def resident_mb(record: SystemRecord) -> float:
    """Return the memory of a system's processes and its supervisor, in MB."""
    total = processes.resident_bytes(record.run_id, (record.supervisor, *record.processes))
    return round(total / 1e6, 1)


def uptime_s(record: SystemRecord) -> float:
    """Return how long the supervisor has lived."""
    process = processes.find(record.supervisor)
    return round(time.time() - psutil.Process(process.pid).create_time(), 1) if process else 0.0
