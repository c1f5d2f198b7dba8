"""`mirix restore`: a system's data directory made again from a backup and the keys apart from it.

    check every hash -> mark -> keys -> append all records -> snapshots -> check states -> unmark

Every record goes back to its old position. A marker lies in the directory until the end: `mirix up`
starts nothing half restored, and the same restore, run again, goes on where it was.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from cluster import wiring
from cluster.backup import TellPart, ignore
from cluster.backup_manifest import ShardBackup
from cluster.backup_reading import Backup, open_backup
from cluster.data_dir import DataDir
from cluster.keys_backup import backup_keys, place_keys
from cluster.restored_check import StateCheck, check_restored
from cluster.settings import FILE_NAME
from events.codec import Codec
from events.connection import Connection, connect
from events.durable_file import write_whole
from events.errors import CommandRejected, CorruptLog
from events.grouping import GROUP_BYTES_MAX
from events.log import BATCH_MESSAGES_MAX, EventLog, NewRecord, Record
from events.memory import Value
from events.memory_keystore import MemoryKeyStore
from events.nats_server import NatsServer
from events.sealing import KeyRing

#: What may lie in a directory that a backup is restored into.
_MAY_BE_THERE = frozenset({FILE_NAME, "keys", "models", "run"})
_TELL_RECORDS = 1000


class Restoring(Value, frozen=True, kw_only=True):
    """The marker: which backup is being restored here."""

    source: str
    manifest_sha256: str
    started_at: datetime


class RestoreReport(Value, frozen=True, kw_only=True):
    """What was restored; `continued` says that an earlier try had left something to build on."""

    source: str
    data: str
    created_at: datetime
    shards: int
    last_positions: dict[str, int]
    snapshots: int
    continued: bool
    check: StateCheck


async def restore(
    source: str, directory: DataDir, *, keys_from: str, check: bool = True, tell: TellPart = ignore
) -> RestoreReport:
    """Restore a backup into an empty data directory.

    Args:
        source: where the backup is: a directory, or the URL of an object store.
        directory: where to; keys and settings may lie there already.
        keys_from: where the keys of the backup are. Older ones than the backup bring back who was
            erased since they were written.
        check: rebuild the states at the end and compare them with those that were backed up.
        tell: told the progress.

    Raises:
        NotFound: there is no backup, or no keys.
        CommandRejected: the directory is not empty, or the keys are another system's.
        CorruptLog: the backup is damaged, or what was restored is not what was backed up.
    """
    backup = await open_backup(source)
    marker = Restoring(
        source=backup.store.location,
        manifest_sha256=hashlib.sha256(msgspec.json.encode(backup.manifest)).hexdigest(),
        started_at=datetime.now(UTC),
    )
    continued = _check_empty(directory, marker)
    async with backup_keys(keys_from) as keystore:
        backup.check_keys(keystore)
    repeated = [await _verify(backup, shard, tell) for shard in backup.manifest.shards]
    directory.prepare()
    with directory.lock():
        write_whole(directory.restoring_file, msgspec.json.encode(marker))
        await place_keys(keys_from, directory)
        checked = await _fill(directory, backup, repeated, check, tell)
        directory.restoring_file.unlink()
    return RestoreReport(
        source=backup.store.location,
        data=str(directory.root),
        created_at=backup.manifest.created_at,
        shards=backup.shards,
        last_positions={str(one.shard): one.last_position for one in backup.manifest.shards},
        snapshots=sum(len(one.snapshots) for one in backup.manifest.shards),
        continued=continued,
        check=checked,
    )


def _check_empty(directory: DataDir, marker: Restoring) -> bool:
    """Return whether this very restore was begun in the directory before; else it must be empty.

    Raises:
        CommandRejected: something lies there.
    """
    if directory.restoring_file.exists():
        try:
            begun = msgspec.json.decode(directory.restoring_file.read_bytes(), type=Restoring)
        except msgspec.MsgspecError:
            begun = None
        if begun is not None and begun.manifest_sha256 == marker.manifest_sha256:
            return True
        raise CommandRejected(
            f"{directory.root} holds the beginning of another restore; empty the directory"
        )
    found = next(_foreign_files(directory), None)
    if found is not None:
        raise CommandRejected(
            f"{directory.root} is not empty ({found.relative_to(directory.root)} is there); "
            "a backup is restored into a directory of its own"
        )
    return False


def _foreign_files(directory: DataDir) -> Iterator[Path]:
    if directory.root.is_dir():
        for entry in sorted(directory.root.iterdir()):
            if entry.name in _MAY_BE_THERE:
                continue
            yield from (path for path in (entry, *entry.rglob("*")) if not path.is_dir())


async def _verify(backup: Backup, shard: ShardBackup, tell: TellPart) -> frozenset[int]:
    """Read all of a shard's files; return the hashes of the event ids that it has twice or more.

    A log can hold an id twice, when its second append came after the log's window of duplicates.
    Restored within that window the second would be dropped. Holds 8 bytes an event.

    Raises:
        CorruptLog: a file is missing or altered.
    """
    codec = Codec(KeyRing(MemoryKeyStore()))  # envelopes are clear: no key is used
    hashes = array("q")
    unit = f"hashes of shard {shard.shard}"
    async with aclosing(backup.log(shard.shard).read()) as records:
        async for record in records:
            hashes.append(hash(codec.envelope(record).event_id))
            if record.position % _TELL_RECORDS == 0:
                tell(unit, record.position, shard.last_position)
    if len(hashes) != shard.last_position:
        raise CorruptLog(
            f"{backup.store.location}: shard {shard.shard} has {len(hashes)} records instead of "
            f"{shard.last_position}; use another copy of this backup"
        )
    for file in shard.snapshots:
        await backup.store.check(file)
    tell(unit, shard.last_position, shard.last_position)
    distinct, counts = np.unique(np.frombuffer(hashes, dtype=np.int64), return_counts=True)
    return frozenset(distinct[counts > 1].tolist())


async def _fill(
    directory: DataDir,
    backup: Backup,
    repeated: Sequence[frozenset[int]],
    check: bool,
    tell: TellPart,
) -> StateCheck:
    """Put logs and snapshots in their places, with a server that runs for as long as it takes."""
    server = NatsServer(directory.log)
    try:
        await server.start()
        settings = await server.prepare(backup.shards)
        async with connect(settings) as connection:
            for shard, twice in zip(backup.manifest.shards, repeated, strict=True):
                await _append_all(backup, shard, connection.log(shard.shard), twice, tell)
                for file in shard.snapshots:
                    path = directory.root / file.name
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    await backup.store.fetch(file, path)
            if not check:
                return StateCheck(left_out="not asked for")
            return await _check(directory, backup, connection, tell)
    finally:
        await server.stop()


async def _check(
    directory: DataDir, backup: Backup, connection: Connection, tell: TellPart
) -> StateCheck:
    logs = [connection.log(shard) for shard in range(backup.shards)]
    with closing(wiring.keystore(directory)) as keystore:
        return await check_restored(directory, logs, backup.manifest, KeyRing(keystore), tell)


async def _append_all(
    backup: Backup, shard: ShardBackup, log: EventLog, repeated: frozenset[int], tell: TellPart
) -> None:
    """Append what is missing of a shard's log, each record at its old position.

    Raises:
        CommandRejected: something else is in the log.
        CorruptLog: a record came to lie at another position.
    """
    source = backup.log(shard.shard)
    there = await log.last_position()
    if there > shard.last_position or (there and await log.at([there]) != await source.at([there])):
        raise CommandRejected(
            f"the log of shard {shard.shard} has other records than the backup; empty the "
            "directory and restore again"
        )
    unit = f"log of shard {shard.shard}"
    tell(unit, there, shard.last_position)
    codec = Codec(KeyRing(MemoryKeyStore()))  # envelopes are clear: no key is used
    async with aclosing(_batches(source.read(after=there))) as batches:
        async for batch in batches:
            positions = await log.append([_as_new(one, codec, repeated) for one in batch])
            if list(positions) != [one.position for one in batch]:
                raise CorruptLog(
                    f"position {batch[0].position} of shard {shard.shard} was restored at "
                    f"{positions[0]}; empty the directory and restore again"
                )
            tell(unit, batch[-1].position, shard.last_position)


def _as_new(record: Record, codec: Codec, repeated: frozenset[int]) -> NewRecord:
    event_id = codec.envelope(record).event_id
    again = f"-{record.position}" if hash(event_id) in repeated else ""
    return NewRecord(
        kind=record.kind, user=record.user, record_id=f"{event_id}{again}", body=record.body
    )


async def _batches(records: AsyncGenerator[Record, None]) -> AsyncGenerator[list[Record], None]:
    """Yield records in lists as long as one atomic append takes them."""
    batch: list[Record] = []
    size = 0
    async with aclosing(records):
        async for record in records:
            if batch and (
                len(batch) == BATCH_MESSAGES_MAX or size + len(record.body) > GROUP_BYTES_MAX
            ):
                yield batch
                batch, size = [], 0
            batch.append(record)
            size += len(record.body)
    if batch:
        yield batch
