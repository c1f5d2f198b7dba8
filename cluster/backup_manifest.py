"""What a backup says about itself: the manifest of the log and, apart from it, that of the keys.

manifest.json                      written last: a backup without one is none
log/<shard>/<positions>-<sha>.seg  the records, sealed as in the log
snapshots/<shard>/*.snapshot       states of the projections, sealed as they were

keys.json, keystore-<sha>.db, master-<sha>.key   elsewhere: without them nothing above is readable
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal, TypeVar

import msgspec

from actors.names import Agent
from cluster.object_store import ObjectStore, StoredFile
from events.errors import CommandRejected, CorruptLog, NotFound
from events.keystore import KeyStore
from events.memory import Value
from events.segments import Segment

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
KEYS_MANIFEST = "keys.json"
SNAPSHOTS = "snapshots"

M = TypeVar("M", "Manifest", "KeysManifest")


class StateHash(Value, frozen=True, kw_only=True):
    """A projection as its agent held it: rebuilt up to `position` it must have the same hash."""

    agent: Agent
    projection: str
    version: int
    position: int
    state_hash: str


class ShardBackup(Value, frozen=True, kw_only=True):
    """One shard: its log up to `last_position`, its snapshots, its nine states."""

    shard: int
    last_position: int
    segments: tuple[Segment, ...] = ()
    snapshots: tuple[StoredFile, ...] = ()
    states: tuple[StateHash, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole backup. `erased` is the digest of who had been erased when states were hashed."""

    format: Literal["mirix-backup"] = "mirix-backup"
    format_version: int = FORMAT_VERSION
    created_at: datetime
    program: str
    keys_fingerprint: str
    erased: str
    shards: tuple[ShardBackup, ...]

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file of the backup."""
        segments = (segment for shard in self.shards for segment in shard.segments)
        return (
            *(StoredFile(name=one.name, bytes=one.bytes, sha256=one.sha256) for one in segments),
            *(file for shard in self.shards for file in shard.snapshots),
        )


class KeysManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The keys. The same `fingerprint` as in a manifest: they open what that backup holds."""

    format: Literal["mirix-keys"] = "mirix-keys"
    format_version: int = FORMAT_VERSION
    created_at: datetime
    fingerprint: str
    keystore: StoredFile
    master_key: StoredFile
    users: int
    erased: int


def fingerprint_of(keystore: KeyStore) -> str:
    """Return by what keys and log of one system know each other; it tells nothing of the keys."""
    return keystore.derive("fingerprint of backups").hex()


async def read_manifest(store: ObjectStore) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        NotFound: there is none, so there is no backup.
        CorruptLog: it is damaged.
        CommandRejected: it is of a newer program.
    """
    manifest = await _read(store, MANIFEST, Manifest)
    for file in (file for shard in manifest.shards for file in shard.snapshots):
        path = PurePosixPath(file.name)
        if path.is_absolute() or ".." in path.parts or path.parts[0] != SNAPSHOTS:
            raise CorruptLog(f"{store.location}: {MANIFEST} names {file.name}; it was altered")
    return manifest


async def read_keys_manifest(store: ObjectStore) -> KeysManifest:
    """Return the manifest of keys; raises as `read_manifest`."""
    return await _read(store, KEYS_MANIFEST, KeysManifest)


async def write_manifest(store: ObjectStore, manifest: Manifest | KeysManifest) -> None:
    """Write a manifest, which makes what was written before it a backup."""
    name = MANIFEST if isinstance(manifest, Manifest) else KEYS_MANIFEST
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    await store.put(name, content + b"\n")


async def _read(store: ObjectStore, name: str, kind: type[M]) -> M:
    try:
        content = await store.get(name)
    except NotFound as error:
        what = "backup" if name == MANIFEST else "backup of keys"
        raise NotFound(f"there is no {what} at {store.location}: {name} is missing") from error
    try:
        manifest = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptLog(f"{store.location}: {name} is damaged ({error})") from error
    if manifest.format_version > FORMAT_VERSION:
        raise CommandRejected(
            f"{store.location}: {name} has format {manifest.format_version}, this program knows "
            f"{FORMAT_VERSION}; use the newer program"
        )
    return manifest
