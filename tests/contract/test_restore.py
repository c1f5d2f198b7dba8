"""A restored log is the log that was backed up: over a real server, whatever happens on the way."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster import restore as restores
from cluster.backup_manifest import MANIFEST
from cluster.data_dir import DataDir
from cluster.object_store import ObjectStore
from cluster.restore import restore
from cluster.settings import Settings
from cluster.system import run_system
from events.connection import Connection, connect
from events.errors import CommandRejected, CorruptLog, NotFound, Unavailable
from events.jetstream import JetStreamLog
from events.log import NewRecord, Record
from events.nats_server import NatsServer
from tests.backup_fixtures import SmallSystem


class BackedUp:
    """A small system and its backup in directories."""

    def __init__(self, root: Path, shards: int = 1) -> None:
        self.system = SmallSystem(root / "old", shards)
        self.target, self.keys_to = str(root / "backup"), str(root / "keys")
        self.new = DataDir(root / "new")

    async def write(self) -> None:
        store = ObjectStore.open(self.target, make=True)
        await self.system.back_up(store, ObjectStore.open(self.keys_to, make=True))

    async def restore(self, **options: Any) -> restores.RestoreReport:
        return await restore(self.target, self.new, keys_from=self.keys_to, **options)

    async def alter_manifest(self, change: Any) -> None:
        store = ObjectStore.open(self.target)
        shown = msgspec.json.decode(await store.get(MANIFEST))
        change(shown)
        await store.put(MANIFEST, msgspec.json.encode(shown))


@pytest.fixture
async def backed_up(tmp_path: Path) -> BackedUp:
    made = BackedUp(tmp_path)
    await made.system.live(40, users=("usr_ann", "usr_bo"))
    await made.write()
    return made


def files_of(backed_up: BackedUp, pattern: str) -> list[Path]:
    return list(Path(backed_up.target).glob(pattern))


@asynccontextmanager
async def restored(directory: DataDir, shards: int = 1) -> AsyncIterator[Connection]:
    server = NatsServer(directory.log)
    await server.start()
    try:
        async with connect(server.settings(shards)) as connection:
            yield connection
    finally:
        await server.stop()


async def records(log: Any) -> list[Record]:
    return [record async for record in log.read()]


async def test_restored_log_is_the_one_that_was_backed_up(backed_up: BackedUp) -> None:
    """The same records at the same positions, equal states, snapshots and keys in their places."""
    told: list[str] = []
    report = await backed_up.restore(tell=lambda unit, done, total: told.append(unit))

    assert report.last_positions == {"0": 80}
    assert len(report.check.states) == 9
    assert all(one.is_equal for one in report.check.states)
    assert not report.continued
    assert set(told) == {"hashes of shard 0", "log of shard 0", "check of shard 0"}
    new, old = backed_up.new, backed_up.system
    async with restored(new) as connection:
        assert await records(connection.log(0)) == await records(old.logs[0])
    assert not new.restoring_file.exists()
    assert [path.name for path in (new.snapshots / "0").iterdir()] == [
        path.name for path in (old.directory.snapshots / "0").iterdir()
    ]
    for path in (new.keys_file, new.master_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = SmallSystem(new.root)
    assert again.keystore.find("usr_ann") == old.keystore.find("usr_ann")


async def test_every_shard_is_restored(tmp_path: Path) -> None:
    """Each into its own stream, an empty one as well."""
    made = BackedUp(tmp_path, shards=3)
    await made.system.live(5, shard=0)
    await made.system.live(7, shard=2)
    await made.write()

    report = await made.restore()

    assert report.last_positions == {"0": 10, "1": 0, "2": 14}
    assert len(report.check.states) == 27
    assert all(one.is_equal for one in report.check.states)
    async with restored(made.new, shards=3) as connection:
        for log in made.system.logs:
            assert await records(connection.log(log.shard)) == await records(log)


async def test_id_that_is_in_the_log_twice_is_restored_twice(tmp_path: Path) -> None:
    """An append long after the first one is a record of its own, and its position is kept."""
    made = BackedUp(tmp_path)
    system = made.system
    await system.live(3)
    (first,) = await system.logs[0].at([1])
    again = NewRecord(kind=first.kind, user=first.user, record_id="evt_usr_ann_1", body=first.body)
    system.logs[0].forget_ids()
    assert await system.logs[0].append([again]) == (7,)
    await system.live(2)
    await made.write()

    await made.restore(check=False)

    async with restored(made.new) as connection:
        assert await records(connection.log(0)) == await records(system.logs[0])


async def test_restore_goes_on_when_it_was_interrupted(
    backed_up: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its end nothing starts on the directory; what was appended is not appended again."""
    monkeypatch.setattr(restores, "BATCH_MESSAGES_MAX", 10)
    original, appended = JetStreamLog.append, list[int]()

    async def failing(
        self: JetStreamLog, new: Sequence[NewRecord], **options: Any
    ) -> tuple[int, ...]:
        if len(appended) == 3:
            raise Unavailable("the power is gone")
        appended.append(len(new))
        return await original(self, new, **options)

    monkeypatch.setattr(JetStreamLog, "append", failing)
    with pytest.raises(Unavailable, match="power"):
        await backed_up.restore()
    with pytest.raises(CommandRejected, match="not restored to its end"):
        await run_system(Settings(data_dir=backed_up.new.root), lambda progress: None)
    monkeypatch.setattr(JetStreamLog, "append", original)
    positions: list[int] = []

    def tell(unit: str, done: int, total: int) -> None:
        if unit.startswith("log"):
            positions.append(done)

    report = await backed_up.restore(tell=tell)

    assert report.continued
    assert positions == [30, 40, 50, 60, 70, 80]
    async with restored(backed_up.new) as connection:
        assert await records(connection.log(0)) == await records(backed_up.system.logs[0])


async def test_begun_restore_is_not_carried_on_with_another_backup(
    backed_up: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says to empty the directory."""

    async def failing(*_: Any) -> None:
        raise Unavailable("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(restores, "_fill", failing)
        with pytest.raises(Unavailable):
            await backed_up.restore()
    await backed_up.system.live(1)
    await backed_up.write()
    with pytest.raises(CommandRejected, match="another restore; empty the directory"):
        await backed_up.restore()


@pytest.mark.parametrize("name", ["log/jetstream/x", "snapshots/0/y.snapshot", "diary.txt"])
async def test_directory_that_is_not_empty_is_refused(backed_up: BackedUp, name: str) -> None:
    """The line names what is there, and nothing is written."""
    path = backed_up.new.root / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    with pytest.raises(CommandRejected, match=f"not empty \\({name} is there\\)"):
        await backed_up.restore()
    assert [one for one in backed_up.new.root.rglob("*") if one.is_file()] == [path]


async def test_nothing_is_written_when_the_backup_is_damaged(backed_up: BackedUp) -> None:
    """Every hash is looked at first, those of snapshots too; the file is named."""
    for pattern in ("log/0/*.seg", "snapshots/0/*.snapshot"):
        (path,) = files_of(backed_up, pattern)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(CorruptLog, match=path.name):
            await backed_up.restore()
        path.write_bytes(content)
    assert not backed_up.new.root.exists()
    await backed_up.restore(check=False)


async def test_restore_is_refused_without_the_right_keys(
    backed_up: BackedUp, tmp_path: Path
) -> None:
    """Before anything is written."""
    other = BackedUp(tmp_path / "other")
    await other.system.live(1)
    await other.write()
    for keys_from, error, told in (
        (other.keys_to, CommandRejected, "not those of the backup"),
        (backed_up.target, NotFound, "no backup of keys"),
        (str(tmp_path / "none"), CommandRejected, "no directory"),
    ):
        with pytest.raises(error, match=told):
            await restore(backed_up.target, backed_up.new, keys_from=keys_from)
    with pytest.raises(NotFound, match="no backup at"):
        await restore(backed_up.keys_to, backed_up.new, keys_from=backed_up.keys_to)
    assert not backed_up.new.root.exists()


async def test_other_states_are_found_and_nothing_starts_on_them(backed_up: BackedUp) -> None:
    """A hash that the log does not give ends the restore; without the check it goes through."""

    def change(shown: Any) -> None:
        shown["shards"][0]["states"][2]["state_hash"] = "0" * 64

    await backed_up.alter_manifest(change)
    with pytest.raises(CorruptLog, match="another state than was backed up: semantic of shard 0"):
        await backed_up.restore()
    assert backed_up.new.restoring_file.exists()
    report = await backed_up.restore(check=False)
    assert (report.continued, report.check.left_out) == (True, "not asked for")
    assert not backed_up.new.restoring_file.exists()


async def test_states_are_not_compared_when_people_were_erased_since(backed_up: BackedUp) -> None:
    """Newer keys than the backup: what was erased stays erased, and the report says so."""
    backed_up.system.keystore.destroy("usr_bo")
    backed_up.new.prepare()
    for name in ("keys.db", "master.key"):
        (backed_up.new.keys / name).write_bytes(
            (backed_up.system.directory.keys / name).read_bytes()
        )
        (backed_up.new.keys / name).chmod(0o600)

    report = await backed_up.restore()

    assert "erased since" in report.check.left_out
    assert SmallSystem(backed_up.new.root).keys.is_erased("usr_bo")


async def test_state_of_another_version_is_not_compared(backed_up: BackedUp) -> None:
    """A projection that changed gives another hash by right."""

    def change(shown: Any) -> None:
        shown["shards"][0]["states"][2]["version"] = 999

    await backed_up.alter_manifest(change)
    report = await backed_up.restore()
    assert [one.is_comparable for one in report.check.states].count(False) == 1
