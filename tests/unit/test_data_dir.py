"""The data directory: one system at a time, and a record that is whole or absent."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cluster.data_dir import DataDir, ProcessRecord, SystemRecord
from events.errors import CommandRejected, Misconfigured


@pytest.fixture
def directory(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


def record(url: str = "http://127.0.0.1:1") -> SystemRecord:
    supervisor = ProcessRecord(pid=4711, created_at_s=1.5)
    return SystemRecord(supervisor=supervisor, run_id="r", url=url, port=1)


def test_record_comes_back_when_it_was_written(directory: DataDir) -> None:
    """The record is what was written, readable by its owner only."""
    directory.write_system(record())

    assert directory.read_system() == record()
    assert stat.S_IMODE(directory.system_file.stat().st_mode) == 0o600
    assert not list(directory.run.glob(".system*"))


def test_record_is_none_when_nothing_runs(tmp_path: Path) -> None:
    """A directory that was never used has no system."""
    assert DataDir(tmp_path / "never").read_system() is None


def test_record_is_refused_when_it_is_damaged(directory: DataDir) -> None:
    """Half a record is an error that says what to do."""
    directory.system_file.write_bytes(b'{"supervisor": {')

    with pytest.raises(Misconfigured, match="mirix down"):
        directory.read_system()


def test_lock_says_who_runs_when_it_is_held(directory: DataDir) -> None:
    """A second supervisor learns pid and URL of the first."""
    with directory.lock():
        directory.write_system(record("http://127.0.0.1:47283"))
        assert directory.is_locked()

        with pytest.raises(CommandRejected, match=r"pid 4711, http://127\.0\.0\.1:47283"):
            directory.lock().__enter__()

    assert not directory.is_locked()


def test_directory_is_refused_when_it_cannot_be_made(tmp_path: Path) -> None:
    """A path below a file is an error that says how to give another one."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match="--data"):
        DataDir(tmp_path / "file" / "data").prepare()
