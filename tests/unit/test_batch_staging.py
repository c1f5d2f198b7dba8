"""Staged batches lie in memory where that is possible, and on the disk where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.batch_staging import BatchStaging


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    """Return the staging directory of one stream, as the server makes it."""
    directory = tmp_path / "store" / "jetstream" / "$G" / "streams" / "MIRIX_0" / "batches"
    directory.mkdir(parents=True)
    return directory


def test_staging_is_in_memory_until_it_is_removed(tmp_path: Path, batches: Path) -> None:
    """An empty staging directory becomes a link, again and again, and leaves nothing behind."""
    memory = tmp_path / "memory"
    memory.mkdir()
    staging = BatchStaging(tmp_path / "store", memory)
    assert (staging.link(), staging.link()) == (1, 1)
    (batches / "one").write_bytes(b"staged")
    assert [path.name for path in memory.rglob("one")] == ["one"]
    staging.remove()
    assert list(memory.iterdir()) == []


def test_staging_stays_on_the_disk_while_a_batch_is_there(tmp_path: Path, batches: Path) -> None:
    """What is being staged is not moved."""
    memory = tmp_path / "memory"
    memory.mkdir()
    (batches / "one").write_bytes(b"staged")
    assert BatchStaging(tmp_path / "store", memory).link() == 0
    assert (batches / "one").read_bytes() == b"staged"


def test_staging_stays_on_the_disk_without_a_file_system_in_memory(
    tmp_path: Path, batches: Path
) -> None:
    """Where there is none, the server works as it always does."""
    assert BatchStaging(tmp_path / "store", tmp_path / "nowhere").link() == 0
    assert not batches.is_symlink()
