"""`mirix up` in a terminal: progress there, everything else in the supervisor's log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import system
from cluster.cli_up import _lines_to, _serve, _terminal, _write
from cluster.data_dir import DataDir
from cluster.progress import Progress
from cluster.settings import compose
from events.errors import Unavailable

MIRIX = (sys.executable, "-m", "cluster.cli")


def test_what_libraries_write_goes_to_the_log_when_it_is_up(tmp_path: Path) -> None:
    """Descriptors are moved, so that children and other languages are caught as well."""
    directory = DataDir(tmp_path)
    directory.prepare()
    before = os.fstat(1), os.fstat(2)

    with _terminal(directory):
        os.write(1, b"from a library\n")
        subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)

    assert directory.supervisor_log.read_text() == "from a library\nfrom a child\n"
    assert [item.st_ino for item in (os.fstat(1), os.fstat(2))] == [item.st_ino for item in before]


def test_first_key_has_a_label_when_it_is_shown() -> None:
    """The answer on stdout says what it is; steps are on stderr."""
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()

    tell = _lines_to(to_out, to_err)
    tell(Progress(step="service key made, shown this once", bootstrap_key="k-1", seconds=1.0))
    tell(Progress(step="ready", url="http://h:1", seconds=2.0, pid=7))

    for descriptor in (to_out, to_err):
        os.close(descriptor)
    with os.fdopen(out) as told, os.fdopen(err) as steps:
        assert told.read() == "service key: k-1\nready after 2.0 s: http://h:1 (pid 7)\n"
        assert steps.read() == "   1.0 s  service key made, shown this once\n"


def test_daemon_goes_on_when_the_one_who_started_it_has_gone() -> None:
    """A closed pipe is nobody to tell, not an error."""
    reading, writing = os.pipe()
    os.close(reading)

    _write(writing, "stopping")

    os.close(writing)


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_failure_is_told_once_when_the_port_is_taken(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """One line: on stderr for people, on stdout for machines."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [*MIRIX, "up", "--data", str(tmp_path), "--port", port, *options]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert (ended.stdout + ended.stderr).count("cannot be used") == 1
    if options:
        assert json.loads(ended.stdout)["step"] == "failed"
    else:
        assert ended.stderr.startswith(f"mirix: port {port}")


def test_failure_of_a_library_is_one_line_when_it_ends_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its story is in the log, and the line says where that is."""

    async def fail(*_: object) -> None:
        raise RuntimeError("no replica came up")

    monkeypatch.setattr(system, "run_system", fail)
    directory = DataDir(tmp_path)

    with pytest.raises(Unavailable, match=r"no replica came up.*supervisor\.log"):
        _serve(compose({}, data=tmp_path), directory, lambda progress: None)


def test_log_of_a_running_system_is_kept_when_another_one_is_started(tmp_path: Path) -> None:
    """The second one is refused before it touches anything."""
    directory = DataDir(tmp_path)
    directory.prepare()
    directory.supervisor_log.write_text("first\n")

    with directory.lock():
        command = [*MIRIX, "up", "--data", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert directory.supervisor_log.read_text() == "first\n"
