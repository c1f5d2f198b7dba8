"""Exporting to a file: whole or not at all, for its owner only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from cluster.export import export
from events.errors import CommandRejected, CorruptLog, NotFound
from events.exported import ExportedEvents
from events.ids import shard_of
from events.journal import EventReader
from events.memory_log import MemoryLog
from tests.backup_fixtures import SmallSystem


@pytest.fixture
async def system(tmp_path: Path) -> SmallSystem:
    """Two shards, with people where they belong."""
    system = SmallSystem(tmp_path / "data", shards=2)
    for user in ("usr_ann", "usr_bo", "usr_cy", "usr_dan"):
        await system.live(3, shard=shard_of(user, 2), users=(user,))
    return system


def readers(system: SmallSystem) -> list[EventReader]:
    return [system.journal(shard) for shard in range(2)]


@pytest.mark.parametrize("user", ["usr_ann", "usr_bo", "usr_cy", "usr_dan"])
async def test_user_is_found_in_the_right_shard(
    system: SmallSystem, tmp_path: Path, user: str
) -> None:
    """Nobody needs to know which one that is."""
    told: list[tuple[str, int, int]] = []
    path = tmp_path / "one.jsonl"

    report = await export(readers(system), path, user=user, tell=lambda *one: told.append(one))

    assert (report.shard, report.events) == (shard_of(user, 2), 6)
    assert {e.user async for e in ExportedEvents.open(path).read()} == {user}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.stat(path).st_size == report.bytes
    assert told[-1][1] == told[-1][2]


async def test_part_of_a_shard_is_exported(system: SmallSystem, tmp_path: Path) -> None:
    """From one position to another."""
    shard = shard_of("usr_ann", 2)
    report = await export(readers(system), tmp_path / "f", shard=shard, first=2, last=4)
    assert (report.first, report.last_position, report.events) == (2, 4, 3)


async def test_export_is_rejected_when_it_cannot_be(system: SmallSystem, tmp_path: Path) -> None:
    """One line, and no file is left."""
    journals = readers(system)
    with pytest.raises(CommandRejected, match="2 shards; name one, or a user"):
        await export(journals, tmp_path / "f")
    with pytest.raises(CommandRejected, match="no shard 2"):
        await export(journals, tmp_path / "f", shard=2)
    with pytest.raises(NotFound, match="no event of user usr_zed"):
        await export(journals, tmp_path / "f", user="usr_zed")
    with pytest.raises(CommandRejected, match="are not all there"):
        await export(journals, tmp_path / "f", shard=0, first=900)
    with pytest.raises(CommandRejected, match="first position, 4, is after the last, 2"):
        await export(journals, tmp_path / "f", shard=0, first=4, last=2)
    with pytest.raises(CommandRejected, match="cannot be written: No such file"):
        await export(journals, tmp_path / "no" / "f", shard=0)
    assert os.listdir(tmp_path) == ["data"]
    await export(journals, tmp_path / "f", shard=0)
    with pytest.raises(CommandRejected, match="is there already"):
        await export(journals, tmp_path / "f", shard=0)


async def test_no_file_is_left_when_the_log_is_damaged(system: SmallSystem, tmp_path: Path) -> None:
    """Half an export could be taken for a whole one."""
    log: MemoryLog = system.logs[shard_of("usr_ann", 2)]
    (fourth,) = await log.at([4])
    body = fourth.body[:-1] + bytes([fourth.body[-1] ^ 1])
    log._records[3] = msgspec.structs.replace(fourth, body=body)
    with pytest.raises(CorruptLog):
        await export(readers(system), tmp_path / "f", shard=log.shard)
    assert os.listdir(tmp_path) == ["data"]
