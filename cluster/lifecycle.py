"""Stop a system from outside, clean up after a killed one, start one in the background."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import psutil

from cluster import processes, ray_host
from cluster.data_dir import DataDir, ProcessRecord, SystemRecord
from events.batch_staging import BatchStaging
from events.errors import Misconfigured, Unavailable
from events.nats_server import STORE

_GRACE_S = 5.0
_TAIL_LINES = 15


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `down` did. `cleaned` are leftovers of a supervisor that had not stopped them itself."""

    was_running: bool
    pid: int = 0
    cleaned: tuple[ProcessRecord, ...] = ()
    left: tuple[ProcessRecord, ...] = ()


def stop_system(directory: DataDir, *, timeout_s: float) -> StopReport:
    """Stop the system of a directory and return when nothing of it runs any more.

    Raises:
        Misconfigured: its record is damaged and a supervisor still holds the directory.
    """
    record = _record_or_none(directory)
    if record is None:
        return StopReport(was_running=False)
    supervisor = processes.find(record.supervisor)
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs([supervisor], timeout=timeout_s)
        processes.end(alive, grace_s=_GRACE_S)
    cleaned, left = _clean(directory, record)
    return StopReport(
        was_running=supervisor is not None, pid=record.supervisor.pid, cleaned=cleaned, left=left
    )


def clean_up(directory: DataDir) -> None:
    """End what a killed supervisor left behind; the caller holds the lock.

    Raises:
        Unavailable: a process cannot be ended.
    """
    record = _record_or_none(directory)
    if record is None:
        return
    _, left = _clean(directory, record)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise Unavailable(f"processes of an earlier run cannot be ended: {pids}")


def _record_or_none(directory: DataDir) -> SystemRecord | None:
    """Return the record; a damaged one of a directory that nobody holds is removed."""
    try:
        return directory.read_system()
    except Misconfigured:
        if directory.is_locked():
            raise
        directory.remove_system()
        return None


def _clean(
    directory: DataDir, record: SystemRecord
) -> tuple[tuple[ProcessRecord, ...], tuple[ProcessRecord, ...]]:
    found = processes.members(record.run_id, record.processes)
    cleaned = _records(found)
    left = _records(processes.end(found, grace_s=_GRACE_S))
    ray_host.remove_sessions(ray_host.temp_dir(record.run_id))
    if not left:
        BatchStaging(directory.log / STORE).remove()
        directory.remove_system()
    return cleaned, left


def _records(found: Sequence[psutil.Process]) -> tuple[ProcessRecord, ...]:
    records = []
    for process in found:
        with contextlib.suppress(psutil.Error):
            records.append(processes.record_of(process))
    return tuple(records)


def start_detached(
    directory: DataDir, arguments: Sequence[str], tell: Callable[[bytes], bool]
) -> None:
    """Start `mirix up --json` as a daemon and hand on its progress until it is ready.

    `tell` gets each line of progress and returns whether it was the last one awaited. What the
    daemon logs goes to `run/supervisor.log`; its keys never do, they only come through the pipe.

    Raises:
        Unavailable: it ended before it was ready; the message holds the end of its log.
    """
    directory.prepare()
    command = [sys.executable, "-m", "cluster.cli", "up", "--json", *arguments]
    with directory.begin_supervisor_log() as log:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd=ray_host.ROOT,
        )
    assert daemon.stdout is not None
    with daemon.stdout as lines:
        for line in lines:
            if tell(line):
                return
    raise Unavailable(
        f"the system ended while starting (exit {daemon.wait()}):\n{tail(directory.supervisor_log)}"
    )


def tail(file: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log file."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
