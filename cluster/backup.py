"""`mirix backup`: the log, the snapshots and, apart from them, the keys of a running system.

The system goes on meanwhile. The order is what makes the parts fit together:

    state hashes -> snapshots -> end of each log -> segments up to there -> keys -> manifests

No state or snapshot is ahead of the log that was backed up, and every key that the log needs was
made before its first record. What is in the target already is not written again: the next backup,
and one that was interrupted, only add the segments behind the last one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from cluster import VERSION, wiring
from cluster.api_client import ApiClient
from cluster.backup_manifest import (
    SNAPSHOTS,
    KeysManifest,
    Manifest,
    ShardBackup,
    StateHash,
    fingerprint_of,
    read_manifest,
    write_manifest,
)
from cluster.data_dir import DataDir
from cluster.keys_backup import check_keys, write_keys
from cluster.object_store import ObjectStore, StoredFile, lies_within, local_root
from cluster.operator_key import local_operator_key
from cluster.presence import ready_system
from events.backup_log import BackupLog
from events.connection import connect
from events.errors import CommandRejected, CorruptLog, NotFound
from events.keystore_copy import digest_of, erased_users
from events.log import Record, RecordReader
from events.memory import Value
from events.segments import Segment, chain_of, check_chain, write_segments
from serve.answers import StatusShown

#: Told the unit that is being worked on, how much of it is done, and how much there is.
TellPart: TypeAlias = Callable[[str, int, int], None]

_TELL_RECORDS = 1000


class ShardReport(Value, frozen=True, kw_only=True):
    """What is in the backup of a shard, and how many of its segments were written just now."""

    shard: int
    last_position: int
    segments: int
    new_segments: int = 0
    new_records: int = 0
    snapshots: int = 0


class BackupReport(Value, frozen=True, kw_only=True):
    """What was backed up, and where to; `bytes` is what the whole backup holds."""

    target: str
    keys_to: str
    created_at: datetime
    shards: tuple[ShardReport, ...]
    bytes: int
    users: int
    erased: int


def ignore(unit: str, done: int, total: int) -> None:
    """Tell nobody."""


async def backup(
    directory: DataDir, target: str, *, keys_to: str, tell: TellPart = ignore
) -> BackupReport:
    """Back up the system that runs on a directory.

    Args:
        directory: its data directory.
        target: a directory, or the URL of an object store.
        keys_to: another one for the keys, which must not lie inside the target.
        tell: told the progress.

    Raises:
        CommandRejected: the places cannot be used, or hold another system's backup.
        Unavailable: no system runs on the directory, or a place cannot be reached.
        CorruptLog: the log lost something, or the backup in the target is damaged.
    """
    check_places(directory, target, keys_to)
    record = ready_system(directory)
    store, keys = ObjectStore.open(target, make=True), ObjectStore.open(keys_to, make=True)
    async with ApiClient(record.url, local_operator_key(directory.root)) as client:
        status = msgspec.convert(await client.status(hashes=True), StatusShown)
    async with connect(wiring.log_settings(record)) as connection:
        logs = [connection.log(shard) for shard in range(record.shards)]
        return await write_backup(directory, logs, _states(status), store, keys, tell)


async def write_backup(
    directory: DataDir,
    logs: Sequence[RecordReader],
    states: Mapping[int, tuple[StateHash, ...]],
    store: ObjectStore,
    keys: ObjectStore,
    tell: TellPart = ignore,
) -> BackupReport:
    """Back up logs whose projections had `states`; raises as `backup`."""
    with closing(wiring.keystore(directory)) as keystore:
        fingerprint = fingerprint_of(keystore)
    earlier = await _earlier(store, fingerprint, len(logs))
    await check_keys(directory, keys, fingerprint)
    erased = digest_of(erased_users(directory.keys_file))
    snapshots = [await _copy_snapshots(directory, store, log.shard, tell) for log in logs]
    ends = [await log.last_position() for log in logs]
    shards = []
    added: list[Sequence[Segment]] = []
    for log, end, files in zip(logs, ends, snapshots, strict=True):
        known = earlier.shards[log.shard].segments if earlier is not None else ()
        segments = await _write_log(store, log, end, known, tell)
        added.append(segments[len(known) :])
        shards.append(
            ShardBackup(
                shard=log.shard,
                last_position=end,
                segments=tuple(segments),
                snapshots=files,
                states=states.get(log.shard, ()),
            )
        )
    held = await write_keys(directory, keys, fingerprint)
    tell("keys", 1, 1)
    manifest = Manifest(
        created_at=datetime.now(UTC),
        program=VERSION,
        keys_fingerprint=fingerprint,
        erased=erased,
        shards=tuple(shards),
    )
    await write_manifest(store, manifest)
    await _remove_old_snapshots(store, manifest)
    return _report(store, keys, manifest, held, added)


def _states(status: StatusShown) -> dict[int, tuple[StateHash, ...]]:
    """Return what the agents hold, by shard."""
    found: dict[int, tuple[StateHash, ...]] = {}
    for one in status.agents:
        if one.state is not None:
            fields = {"agent": one.agent, **msgspec.structs.asdict(one.state)}
            state = msgspec.convert(fields, StateHash)
            found[one.shard] = (*found.get(one.shard, ()), state)
    return found


def check_places(directory: DataDir, target: str, keys_to: str) -> None:
    """See that log and keys go to places apart from each other and from the system.

    Raises:
        CommandRejected: one lies inside the other, or is no place at all.
    """
    for place in (target, keys_to):
        if local_root(place) is None:
            ObjectStore.open(place)  # an address is looked at, nothing is sent
    if lies_within(keys_to, target) or lies_within(target, keys_to):
        raise CommandRejected(
            f"the keys ({keys_to}) and the rest ({target}) must lie apart: whoever gets one copy "
            "of both can read everything, and an erased person would come back with it"
        )
    for place in (target, keys_to):
        if lies_within(place, str(directory.root)):
            raise CommandRejected(f"{place} lies inside {directory.root}, what it would back up")


async def _earlier(store: ObjectStore, fingerprint: str, shards: int) -> Manifest | None:
    """Return the manifest of the backup that this one adds to; None when it is the first."""
    try:
        manifest = await read_manifest(store)
    except NotFound:
        return None
    if manifest.keys_fingerprint != fingerprint:
        raise CommandRejected(
            f"{store.location} holds the backup of another system; give this one a place of its own"
        )
    if len(manifest.shards) != shards:
        raise CommandRejected(
            f"{store.location} holds a backup of {len(manifest.shards)} shards, the system has "
            f"{shards}; back up to a new place"
        )
    there = dict(await store.sizes("log"))
    for shard in manifest.shards:
        check_chain(shard.shard, shard.segments)
        for segment in shard.segments:
            if there.get(segment.name) != segment.bytes:
                raise CorruptLog(
                    f"{store.location}: {segment.name} is missing or cut off; this backup cannot "
                    "be added to: back up to an empty place"
                )
    return manifest


async def _write_log(
    store: ObjectStore, log: RecordReader, end: int, known: Sequence[Segment], tell: TellPart
) -> list[Segment]:
    """Write the segments that are missing; return all of them."""
    chain = await _carried_on(store, log, end, known)
    tip = chain[-1] if chain else None
    after, previous = (tip.last, tip.sha256) if tip is not None else (0, "")
    unit = f"log of shard {log.shard}"
    tell(unit, after, end)
    records = _told(log, after, end, unit, tell)
    written = write_segments(records, log.shard, after=after, previous=previous)
    async with aclosing(records), aclosing(written):
        async for segment, content in written:
            await store.put(segment.name, content)
            chain.append(segment)
    tell(unit, end, end)
    return chain


async def _told(
    log: RecordReader, after: int, end: int, unit: str, tell: TellPart
) -> AsyncGenerator[Record, None]:
    async with aclosing(log.read(after=after, until=end)) as records:
        async for record in records:
            yield record
            if record.position % _TELL_RECORDS == 0:
                tell(unit, record.position, end)


async def _carried_on(
    store: ObjectStore, log: RecordReader, end: int, known: Sequence[Segment]
) -> list[Segment]:
    """Return the segments that are there: of the manifest, and of a backup that did not finish.

    Raises:
        CorruptLog: they are not the beginning of this log.
    """
    sizes = await store.sizes(f"log/{log.shard}")
    new = chain_of(log.shard, sizes, known[-1] if known else None)
    chain = [*known, *new]
    if not chain:
        return chain
    tip = chain[-1]
    if tip.last > end:
        raise CorruptLog(
            f"{store.location} has positions up to {tip.last} of shard {log.shard}, but its log "
            f"ends at {end}; records were lost: restore the backup, do not add to it"
        )
    there = BackupLog(log.shard, chain, store.get)
    # What no manifest vouches for is read; of the rest the last segment, which the next is tied to.
    for segment in new or [tip]:
        await there.at([segment.first])
    if await log.at([tip.last]) != await there.at([tip.last]):
        raise CorruptLog(
            f"{store.location}: position {tip.last} of shard {log.shard} is another record than "
            "in the log; this is the backup of another history: back up to an empty place"
        )
    return chain


async def _copy_snapshots(
    directory: DataDir, store: ObjectStore, shard: int, tell: TellPart
) -> tuple[StoredFile, ...]:
    """Copy the snapshots of a shard as they are: sealed."""
    folder = directory.snapshots / f"{shard}"
    files = sorted(folder.glob("[!.]*.snapshot")) if folder.is_dir() else []
    copied = []
    for number, path in enumerate(files, 1):
        name = f"{SNAPSHOTS}/{shard}/{path.name}"
        try:
            copied.append(await store.put_file(name, path))
        except FileNotFoundError:
            continue  # a newer one has taken its place since
        tell(f"snapshots of shard {shard}", number, len(files))
    return tuple(copied)


async def _remove_old_snapshots(store: ObjectStore, manifest: Manifest) -> None:
    kept = {file.name for file in manifest.files}
    for name, _ in await store.sizes(SNAPSHOTS):
        if name not in kept:
            await store.remove(name)


def _report(
    store: ObjectStore,
    keys: ObjectStore,
    manifest: Manifest,
    held: KeysManifest,
    added: Sequence[Sequence[Segment]],
) -> BackupReport:
    return BackupReport(
        target=store.location,
        keys_to=keys.location,
        created_at=manifest.created_at,
        shards=tuple(
            ShardReport(
                shard=shard.shard,
                last_position=shard.last_position,
                segments=len(shard.segments),
                new_segments=len(new),
                new_records=sum(segment.count for segment in new),
                snapshots=len(shard.snapshots),
            )
            for shard, new in zip(manifest.shards, added, strict=True)
        ),
        bytes=sum(file.bytes for file in manifest.files),
        users=held.users,
        erased=held.erased,
    )
