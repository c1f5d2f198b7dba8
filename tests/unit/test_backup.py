"""Backups: complete or none, added to instead of made again, apart from their keys."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from obstore.store import MemoryStore

from cluster.backup import backup, check_places, write_backup
from cluster.backup_manifest import KEYS_MANIFEST, MANIFEST, read_keys_manifest, read_manifest
from cluster.backup_reading import Backup, open_backup
from cluster.data_dir import DataDir
from cluster.keys_backup import backup_keys, place_keys
from cluster.object_store import ObjectStore
from events import segments
from events.codec import Codec
from events.errors import CommandRejected, CorruptLog, KeyDestroyed, NotFound, Unavailable
from events.journal import JournalReader
from events.keystore_copy import copy_keystore, erased_users
from events.log import Record
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.backup_fixtures import SmallSystem


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallSystem:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 3000)
    return SmallSystem(tmp_path / "data")


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return ObjectStore(MemoryStore(), "memory://backup", None)
    return ObjectStore.open(str(tmp_path / "backup"), make=True)


@pytest.fixture
def keys(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "keys"), make=True)


class ReadOnly:
    """A store that counts what is put into it, and fails when it was told to."""

    def __init__(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put: list[str] = []
        self.fails_after: int | None = None
        original = store.put

        async def put(name: str, content: bytes) -> None:
            if self.fails_after is not None and len(self.put) >= self.fails_after:
                raise Unavailable(f"{name} cannot be written")
            self.put.append(name)
            await original(name, content)

        monkeypatch.setattr(store, "put", put)


async def records(log: Any, **filters: Any) -> list[Record]:
    return [record async for record in log.read(**filters)]


async def test_backup_holds_the_log_when_it_is_opened(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore
) -> None:
    """Every record, every snapshot, all states; nothing that anybody said is readable in it."""
    await system.live(30, users=("usr_ann", "usr_bo"))

    report = await system.back_up(store, keys)

    opened = Backup(store, await read_manifest(store))
    assert await records(opened.log(0)) == await records(system.logs[0])
    (shard,) = opened.manifest.shards
    assert len(shard.segments) > 3
    assert {state.agent for state in shard.states} >= {"search", "chat", "core_memory"}
    assert [file.name.split("/")[:2] for file in shard.snapshots] == [["snapshots", "0"]]
    for file in opened.manifest.files:
        await store.check(file)
        assert b"hello" not in await store.get(file.name)
    assert report.shards[0].new_records == shard.last_position == 60
    assert (report.users, report.erased) == (2, 0)
    assert report.bytes == sum(file.bytes for file in opened.manifest.files)


async def test_events_are_read_when_backup_and_keys_are_together(
    system: SmallSystem, tmp_path: Path, keys: ObjectStore
) -> None:
    """The keys that lie apart open it, those of another system do not."""
    await system.live(3)
    store = ObjectStore.open(str(tmp_path / "backup"), make=True)
    await system.back_up(store, keys)

    opened = await open_backup((tmp_path / "backup").as_uri())
    async with backup_keys(str(tmp_path / "keys")) as keystore:
        opened.check_keys(keystore)
        reader = JournalReader(opened.log(0), Codec(KeyRing(keystore)))
        assert [one.id async for one in reader.read()] == [
            one.id async for one in system.journal().read()
        ]
    other = SmallSystem(tmp_path / "other")
    with pytest.raises(CommandRejected, match="not those of the backup"):
        opened.check_keys(other.keystore)
    with pytest.raises(CommandRejected, match="no shard 1"):
        opened.log(1)


async def test_only_what_is_new_is_written_when_a_backup_is_made_again(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segments that are there stay, old snapshots and old keys go."""
    await system.live(20)
    await system.back_up(store, keys)
    before = {name for name, _ in await store.sizes("log")}
    written = ReadOnly(store, monkeypatch)
    await system.live(5, users=("usr_new",))

    report = await system.back_up(store, keys)

    after = {name for name, _ in await store.sizes("log")}
    assert before < after
    assert set(written.put) == (after - before) | {MANIFEST}
    assert report.shards[0].new_records == 10
    (shard,) = (await read_manifest(store)).shards
    assert len(await store.sizes("snapshots")) == len(shard.snapshots)
    assert len(await keys.sizes()) == 3
    again = await system.back_up(store, keys)
    assert again.shards[0].new_segments == 0
    assert await records(Backup(store, await read_manifest(store)).log(0)) == await records(
        system.logs[0]
    )


@pytest.mark.parametrize("segments_written", [0, 1, 3])
async def test_backup_goes_on_when_it_was_interrupted(
    system: SmallSystem,
    store: ObjectStore,
    keys: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    segments_written: int,
) -> None:
    """Without a manifest it is no backup; the segments that were written are not written again."""
    await system.live(30)
    written = ReadOnly(store, monkeypatch)
    written.fails_after = segments_written
    with pytest.raises(Unavailable):
        await system.back_up(store, keys)
    with pytest.raises(NotFound, match="no backup"):
        await read_manifest(store)
    await system.live(4)
    written.fails_after = None

    report = await system.back_up(store, keys)

    assert len(set(written.put)) == len(written.put)
    assert report.shards[0].segments == len(written.put) - 1
    there = Backup(store, await read_manifest(store)).log(0)
    assert await records(there) == await records(system.logs[0])


async def test_backup_ends_where_the_log_ended_when_it_began(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is appended meanwhile is for the next one."""
    await system.live(5)
    log = system.logs[0]
    original = MemoryLog.read

    async def growing(self: MemoryLog, **filters: Any) -> AsyncGenerator[Record, None]:
        async for record in original(self, **filters):
            if record.position == 2:
                monkeypatch.setattr(MemoryLog, "read", original)
                await system.live(5)
            yield record

    states = await system.states()
    monkeypatch.setattr(MemoryLog, "read", growing)
    report = await write_backup(system.directory, [log], states, store, keys)

    assert report.shards[0].last_position == 10
    assert await log.last_position() == 20


async def test_backup_is_refused_when_the_target_holds_another_history(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore, tmp_path: Path
) -> None:
    """Another system's, one that goes further than the log, one with other records."""
    await system.live(10)
    await system.back_up(store, keys)
    stranger = SmallSystem(tmp_path / "stranger")
    with pytest.raises(CommandRejected, match="another system"):
        await stranger.back_up(store, keys)
    with pytest.raises(CommandRejected, match="keys of another system"):
        await stranger.back_up(ObjectStore(MemoryStore(), "memory://new", None), keys)

    system.logs[0] = MemoryLog(0)
    await system.live(3)
    with pytest.raises(CorruptLog, match=r"positions up to 20 .* ends at 6"):
        await system.back_up(store, keys)
    await system.live(10)
    with pytest.raises(CorruptLog, match="position 20 of shard 0 is another record"):
        await system.back_up(store, keys)


async def test_backup_is_not_added_to_when_a_segment_is_damaged(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore
) -> None:
    """One that is gone or shorter is noticed by its size, the last one by its hash."""
    await system.live(30)
    await system.back_up(store, keys)
    chain = (await read_manifest(store)).shards[0].segments
    content = await store.get(chain[-1].name)
    await store.put(chain[-1].name, content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CorruptLog, match=chain[-1].name):
        await system.back_up(store, keys)
    await store.put(chain[-1].name, content)
    await store.remove(chain[1].name)
    with pytest.raises(CorruptLog, match=f"{chain[1].name} is missing or cut off"):
        await system.back_up(store, keys)


async def test_newer_keys_are_not_overwritten(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore, tmp_path: Path
) -> None:
    """Keys that know of an erasure are never replaced by some that do not."""
    await system.live(4, users=("usr_ann", "usr_bo"))
    old = tmp_path / "old.db"
    copy_keystore(system.directory.keys_file, old)
    system.keystore.destroy("usr_bo")
    report = await system.back_up(store, keys)
    assert (report.users, report.erased) == (1, 1)

    system.keystore.close()
    for path in system.directory.keys.glob("keys.db*"):
        path.unlink()
    old.rename(system.directory.keys_file)
    with pytest.raises(CommandRejected, match="newer than those here: 1 erased"):
        await SmallSystem(system.directory.root).back_up(store, keys)


async def test_erased_stay_erased_when_older_keys_are_put_in_place(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore
) -> None:
    """The keys that are there already win; those that they lack are added."""
    await system.live(4, users=("usr_ann", "usr_bo"))
    await system.back_up(store, keys)
    system.keystore.destroy("usr_bo")

    await place_keys(keys.location, system.directory)

    assert erased_users(system.directory.keys_file) == {"usr_bo"}
    with pytest.raises(KeyDestroyed):
        system.keystore.find("usr_bo")


async def test_keys_are_refused_when_they_are_another_systems(
    system: SmallSystem, keys: ObjectStore, tmp_path: Path
) -> None:
    """A directory that has keys keeps them."""
    await system.live(1)
    await system.back_up(ObjectStore(MemoryStore(), "memory://b", None), keys)
    other = SmallSystem(tmp_path / "other")
    before = other.directory.master_key.read_bytes()
    with pytest.raises(CommandRejected, match="keys of another system"):
        await place_keys(keys.location, other.directory)
    assert other.directory.master_key.read_bytes() == before


async def test_manifest_ties_log_and_keys_together(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore
) -> None:
    """One fingerprint in both, which is none of the keys."""
    await system.live(1)
    await system.back_up(store, keys)
    manifest, of_keys = await read_manifest(store), await read_keys_manifest(keys)
    assert manifest.keys_fingerprint == of_keys.fingerprint
    assert system.directory.master_key.read_bytes().hex() not in of_keys.fingerprint


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        (MANIFEST, b"{", CorruptLog),
        (MANIFEST, b"\xff", CorruptLog),
        (MANIFEST, b"[]", CorruptLog),
        (KEYS_MANIFEST, b"{}", CorruptLog),
    ],
)
async def test_damaged_manifest_is_named(
    store: ObjectStore, name: str, content: bytes, error: type[Exception]
) -> None:
    """And so is one that is not there, or of a newer program."""
    read = read_manifest if name == MANIFEST else read_keys_manifest
    with pytest.raises(NotFound, match=f"{name} is missing"):
        await read(store)
    await store.put(name, content)
    with pytest.raises(error, match=f"{name} is damaged"):
        await read(store)


async def test_manifest_is_refused_when_it_leads_outside_or_is_newer(
    system: SmallSystem, store: ObjectStore, keys: ObjectStore
) -> None:
    """Names in it become paths when it is restored."""
    await system.live(1)
    await system.back_up(store, keys)
    shown = msgspec.json.decode(await store.get(MANIFEST))
    shown["shards"][0]["snapshots"][0]["name"] = "snapshots/../../x"
    await store.put(MANIFEST, msgspec.json.encode(shown))
    with pytest.raises(CorruptLog, match="it was altered"):
        await read_manifest(store)
    shown["format_version"] = 9
    shown["shards"] = []
    await store.put(MANIFEST, msgspec.json.encode(shown))
    with pytest.raises(CommandRejected, match="has format 9"):
        await read_manifest(store)


@pytest.mark.parametrize(
    ("target", "keys_to", "told"),
    [
        ("/backups/x", "/backups/x/keys", "must lie apart"),
        ("/backups/x/log", "/backups/x", "must lie apart"),
        ("/backups/x", "file:///backups/x", "must lie apart"),
        ("s3://b/x", "s3://b/x/keys", "must lie apart"),
        ("/data/mirix/backup", "/keys", "lies inside /data/mirix"),
        ("/backups", "/data/mirix", "lies inside /data/mirix"),
    ],
)
def test_places_are_rejected_when_one_lies_in_the_other(
    target: str, keys_to: str, told: str
) -> None:
    """Keys apart from what they open, and a copy apart from what it is a copy of."""
    with pytest.raises(CommandRejected, match=told):
        check_places(DataDir(Path("/data/mirix")), target, keys_to)
    check_places(DataDir(Path("/data/mirix")), "/backups/log", "/backups/keys")


async def test_backup_needs_a_running_system(tmp_path: Path) -> None:
    """Before anything is made anywhere."""
    with pytest.raises(Unavailable, match="no system runs"):
        await backup(DataDir(tmp_path / "data"), str(tmp_path / "b"), keys_to=str(tmp_path / "k"))
    assert os.listdir(tmp_path) == []
