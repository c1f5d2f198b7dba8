"""Where events are read from: a backup and an exported file answer as the log itself does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster import wiring
from cluster.backup import write_backup
from cluster.data_dir import DataDir
from cluster.object_store import ObjectStore
from cluster.sources import Source, open_source
from events.catalogue import UserRegistered
from events.codec import Codec
from events.envelope import NewEvent
from events.errors import CommandRejected, NotFound, Unavailable
from events.exported import write_events
from events.ids import shard_of
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from serve.access import DEFAULT_TENANT
from serve.identity import Identities
from tests.unit.builders import new_message


def registered(user: str, name: str) -> NewEvent:
    payload = UserRegistered(external_id=name)
    return NewEvent(
        event_id=f"evt_{user}", payload=payload, tenant="org", user=user, producer="gateway"
    )


async def exported(
    tmp_path: Path, people: Sequence[str], *, told: bool = True, user: str = ""
) -> Path:
    """Export the events of people who each say something."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore(b"m" * 32))))
    for number, name in enumerate(people):
        events = [registered(f"usr_{name}", name)] if told else []
        await journal.append([*events, new_message("hi", number, user=f"usr_{name}")])
    path = tmp_path / "events.jsonl"
    with path.open("wb") as file:
        await write_events(journal, file, user=user)
    return path


async def users_read(source: Source, user: str | None) -> set[str]:
    reader, opaque = await source.find(user)
    return {event.user async for event in reader.read(user=opaque)}


async def test_person_of_a_file_is_found_by_each_of_their_names(tmp_path: Path) -> None:
    """The client's own id, where the file tells it, and the opaque one."""
    path = await exported(tmp_path, ["ann", "ben"])

    async with open_source(file=path) as source:
        assert await users_read(source, "ann") == {"usr_ann"}
        assert await users_read(source, "usr_ben") == {"usr_ben"}
        with pytest.raises(NotFound, match="nothing of user cid in"):
            await source.find("cid")
        with pytest.raises(NotFound, match="nothing of user usr_cid in"):
            await source.find("usr_cid")
        with pytest.raises(NotFound, match="has events of 2 users"):
            await source.find(None)


async def test_only_person_of_a_file_needs_no_name(tmp_path: Path) -> None:
    """A file of one person's events is about that person."""
    path = await exported(tmp_path, ["ann", "ben"], user="usr_ben")

    async with open_source(file=path) as source:
        assert await users_read(source, None) == {"usr_ben"}


async def test_name_that_a_file_does_not_tell_is_not_guessed(tmp_path: Path) -> None:
    """Whose events they are is not made up, though there is but one."""
    path = await exported(tmp_path, ["ann"], told=False)

    async with open_source(file=path) as source:
        with pytest.raises(NotFound, match="nothing of user ann"):
            await source.find("ann")


async def backed_up(tmp_path: Path, shards: int) -> DataDir:
    """Back up a system of `shards` logs in which alice and bob said something."""
    directory = DataDir(tmp_path / "data")
    directory.prepare()
    keystore = wiring.keystore(directory)
    logs = [MemoryLog(shard) for shard in range(shards)]
    codec = Codec(KeyRing(keystore))
    for number, name in enumerate(("alice", "bob")):
        user = Identities.of(keystore, shards).person(DEFAULT_TENANT, name).id
        journal = Journal(logs[shard_of(user, shards)], codec)
        await journal.append([new_message(f"I am {name}", number, user=user)])
    stores = [ObjectStore.open(str(tmp_path / name), make=True) for name in ("backup", "keys")]
    await write_backup(directory, logs, {}, *stores)
    return directory


@pytest.mark.parametrize("shards", [1, 3])
async def test_backup_is_read_with_the_keys_written_with_it(tmp_path: Path, shards: int) -> None:
    """A person is found in their shard by the client's id; the payload opens."""
    directory = await backed_up(tmp_path, shards)
    where = str(tmp_path / "backup")

    for options in ({"keys_from": str(tmp_path / "keys")}, {"data": directory.root}):
        async with open_source(backup=where, **options) as source:  # type: ignore[arg-type]
            assert sorted(source.readers) == list(range(shards))
            reader, user = await source.find("bob")
            (event,) = [event async for event in reader.read(user=user)]
            assert "I am bob" in str(event.payload)
            with pytest.raises(NotFound, match="nothing of user default"):
                await source.find(None)


async def test_backup_is_refused_when_its_keys_are_not_there(tmp_path: Path) -> None:
    """The line says which keys are missing, or that they are others."""
    await backed_up(tmp_path, 1)
    other = DataDir(tmp_path / "other")
    other.prepare()
    where = str(tmp_path / "backup")

    with pytest.raises(CommandRejected, match="name them with --keys-from"):
        async with open_source(other.root, backup=where):
            pass
    assert not other.master_key.exists()
    wiring.keystore(other).close()
    with pytest.raises(CommandRejected, match="not those of the backup"):
        async with open_source(other.root, backup=where):
            pass
    with pytest.raises(NotFound):
        async with open_source(backup=str(tmp_path), keys_from=str(tmp_path / "keys")):
            pass


async def test_source_is_refused_when_it_is_not_one_or_not_there(tmp_path: Path) -> None:
    """Each is one clear line."""
    for options, told in (
        ({"backup": "b", "file": tmp_path / "f"}, "one of them is enough"),
        ({"keys_from": "k"}, "keys are for a backup"),
        ({"file": tmp_path / "none"}, "cannot be read"),
        ({"backup": str(tmp_path / "none")}, "no directory"),
    ):
        with pytest.raises(CommandRejected, match=told):
            async with open_source(**options):  # type: ignore[arg-type]
                pass
    with pytest.raises(Unavailable, match="no system runs on"):
        async with open_source(tmp_path):
            pass
