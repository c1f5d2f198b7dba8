"""Which processes belong to a system, and how they end: by pid and birth, never by name.

Ray's processes leave their parent's session, and outlive a supervisor that was killed. Each process
of a system therefore inherits the run's id in its environment (`MARK`), by which it is found again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil

from cluster.data_dir import ProcessRecord

#: Environment variable that holds the run id of the system a process belongs to.
MARK = "_MIRIX_RUN_ID"
#: Two readings of one process's time of creation may differ by rounding.
_SAME_S = 0.05


def mark_children(run_id: str) -> None:
    """Let every process that this one starts from now on carry the run's id."""
    os.environ[MARK] = run_id


def this_process() -> ProcessRecord:
    """Return the record of this process."""
    return record_of(psutil.Process())


def record_of(process: psutil.Process) -> ProcessRecord:
    """Return what tells a process from every other one.

    Raises:
        psutil.Error: it is gone.
    """
    with process.oneshot():
        name, created_at_s = process.name(), process.create_time()
    return ProcessRecord(pid=process.pid, created_at_s=created_at_s, name=name)


def find(record: ProcessRecord) -> psutil.Process | None:
    """Return the recorded process when it is still alive, and not a later one with its pid."""
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.created_at_s) < _SAME_S
        alive = same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if alive else None


def members(run_id: str, recorded: Iterable[ProcessRecord] = ()) -> list[psutil.Process]:
    """Return the living processes of a run: recorded, marked, or their children; never this one."""
    found = {process.pid: process for process in map(find, recorded) if process is not None}
    for process in psutil.process_iter():
        if process.pid not in found and run_id and _mark_of(process) == run_id:
            found[process.pid] = process
    for process in list(found.values()):
        for child in _children(process):
            found.setdefault(child.pid, child)
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _is_alive(process)]


def descendants() -> tuple[ProcessRecord, ...]:
    """Return the records of all processes below this one."""
    records = []
    for process in _children(psutil.Process()):
        try:
            records.append(record_of(process))
        except psutil.Error:
            continue  # it ended while we looked
    return tuple(records)


def end(processes: Iterable[psutil.Process], *, grace_s: float) -> list[psutil.Process]:
    """Ask processes to end, kill those that do not within `grace_s`, and return what is left."""
    asked = list(processes)
    for process in asked:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(asked, timeout=grace_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    _, left = psutil.wait_procs(stubborn, timeout=5.0)
    return [process for process in left if _is_alive(process)]


def resident_bytes(run_id: str, recorded: Iterable[ProcessRecord] = ()) -> int:
    """Return the memory of a run's processes; shared pages count once where PSS can be read."""
    return sum(map(_memory, members(run_id, recorded)))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0  # it ended while we looked


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # gone, or another user's


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    # psutil checks the time of creation first, so that a reused pid is never signalled.
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
