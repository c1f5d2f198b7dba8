"""Finding and ending the processes of a run: by pid and time of creation, and by the run's mark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from cluster import processes
from cluster.data_dir import DataDir, SystemRecord
from cluster.lifecycle import clean_up, start_detached, stop_system, tail
from events.errors import Unavailable

RUN_ID = "run-of-a-test"
SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER


@pytest.fixture
def directory(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test starts; ended by their pids whatever happens."""
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()


def start(
    started: list[subprocess.Popen[bytes]], code: str = SLEEPER, mark: str = ""
) -> psutil.Process:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={processes.MARK: mark} if mark else {},
        start_new_session=True,
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return psutil.Process(process.pid)


def record(supervisor: psutil.Process) -> SystemRecord:
    return SystemRecord(supervisor=processes.record_of(supervisor), run_id=RUN_ID)


def test_process_is_not_found_when_its_pid_was_reused(
    started: list[subprocess.Popen[bytes]],
) -> None:
    """A later process with the same pid is another one."""
    known = processes.record_of(start(started))

    assert processes.find(known) is not None
    later = msgspec.structs.replace(known, created_at_s=known.created_at_s + 10)
    assert processes.find(later) is None


def test_down_stops_the_supervisor_when_it_runs(
    directory: DataDir, started: list[subprocess.Popen[bytes]]
) -> None:
    """The recorded supervisor is asked to end, and its record goes."""
    supervisor = start(started)
    known = record(supervisor)
    directory.write_system(known)

    report = stop_system(directory, timeout_s=10)

    assert report.was_running
    assert report.left == ()
    assert processes.find(known.supervisor) is None
    assert directory.read_system() is None


def test_down_ends_what_is_left_when_the_supervisor_was_killed(
    directory: DataDir, started: list[subprocess.Popen[bytes]]
) -> None:
    """Marked and recorded processes are ended, even those that ignore SIGTERM; others live on."""
    supervisor = start(started)
    marked, stranger = start(started, mark=RUN_ID), start(started)
    known = record(supervisor)
    directory.write_system(known)
    supervisor.kill()
    supervisor.wait()

    report = stop_system(directory, timeout_s=10)

    assert not report.was_running
    assert [item.pid for item in report.cleaned] == [marked.pid]
    assert report.left == ()
    assert stranger.is_running()


def test_down_says_so_when_nothing_runs(directory: DataDir) -> None:
    """Stopping what does not run is a success."""
    assert not stop_system(directory, timeout_s=1).was_running


def test_stubborn_process_is_killed_when_it_does_not_end(
    started: list[subprocess.Popen[bytes]],
) -> None:
    """After its grace a process is killed by its pid."""
    stubborn = start(started, STUBBORN)

    assert processes.end([stubborn], grace_s=0.2) == []


def test_up_cleans_up_when_a_damaged_record_is_left(directory: DataDir) -> None:
    """Half a record of a directory that nobody holds does not block the next start."""
    directory.system_file.write_bytes(b"{")

    clean_up(directory)

    assert not directory.system_file.exists()


def test_detached_start_fails_with_the_log_when_the_daemon_ends(directory: DataDir) -> None:
    """The end of the daemon's log is in the error."""
    with pytest.raises(Unavailable, match=r"No such option"):
        start_detached(directory, ["--no-such-option"], lambda line: False)

    assert "No such option" in tail(directory.supervisor_log)
