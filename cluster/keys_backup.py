"""Backups of the keys, apart from what they open: written, read, put where a system looks."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

from cluster.backup_manifest import (
    KEYS_MANIFEST,
    KeysManifest,
    read_keys_manifest,
    write_manifest,
)
from cluster.data_dir import DataDir
from cluster.object_store import ObjectStore
from events.durable_file import write_whole
from events.errors import CommandRejected, NotFound
from events.keystore_copy import copy_keystore, count_users, erased_users, merge_keystore
from events.sqlite_keystore import SqliteKeyStore

_KEYSTORE, _MASTER = "keystore", "master"


async def check_keys(directory: DataDir, keys: ObjectStore, fingerprint: str) -> None:
    """Refuse to put a system's keys in the place of another system's, or of newer ones.

    Raises:
        CommandRejected: they are; the line says how that is known.
    """
    try:
        there = await read_keys_manifest(keys)
    except NotFound:
        return
    if there.fingerprint != fingerprint:
        raise CommandRejected(
            f"{keys.location} holds the keys of another system; give these a place of their own"
        )
    with tempfile.TemporaryDirectory(prefix="mirix-keys-") as folder:
        copy = Path(folder) / "keys.db"
        await keys.fetch(there.keystore, copy)
        back = erased_users(copy) - erased_users(directory.keys_file)
    if back:
        raise CommandRejected(
            f"the keys at {keys.location} are newer than those here: {len(back)} erased there "
            "have a key here; they are not overwritten, give another place"
        )


async def write_keys(directory: DataDir, keys: ObjectStore, fingerprint: str) -> KeysManifest:
    """Copy key store and master key, then say so; the copy before stays whole until then."""
    with tempfile.TemporaryDirectory(prefix="mirix-keys-") as folder:
        copy = Path(folder) / "keys.db"
        copy_keystore(directory.keys_file, copy)
        manifest = KeysManifest(
            created_at=datetime.now(UTC),
            fingerprint=fingerprint,
            keystore=await keys.put_named(copy, _KEYSTORE, ".db"),
            master_key=await keys.put_named(directory.master_key, _MASTER, ".key"),
            users=count_users(copy),
            erased=len(erased_users(copy)),
        )
    await write_manifest(keys, manifest)
    kept = {KEYS_MANIFEST, manifest.keystore.name, manifest.master_key.name}
    for name, _ in await keys.sizes():
        # An old copy would still hold the keys of those who were erased since.
        if name not in kept and name.startswith((f"{_KEYSTORE}-", f"{_MASTER}-")):
            await keys.remove(name)
    return manifest


@asynccontextmanager
async def backup_keys(keys_from: str) -> AsyncIterator[SqliteKeyStore]:
    """Open the keys that were backed up, in a copy of mode 0600 that is gone afterwards.

    Raises:
        NotFound: there are none at `keys_from`.
        CorruptLog: they were altered.
    """
    with tempfile.TemporaryDirectory(prefix="mirix-keys-") as folder:
        master_key, keys_file = await _fetch(ObjectStore.open(keys_from), Path(folder))
        with closing(SqliteKeyStore(keys_file, master_key)) as keystore:
            yield keystore


async def place_keys(keys_from: str, directory: DataDir) -> None:
    """Put the keys that were backed up where a system looks for them, mode 0600.

    Keys that are there already stay: they may be newer. What they lack is added; who was erased in
    either of the two stays erased.

    Raises:
        NotFound: there are none at `keys_from`.
        CommandRejected: the directory has the keys of another system.
        CorruptLog: they were altered.
    """
    with tempfile.TemporaryDirectory(prefix="mirix-keys-") as folder:
        master_key, keys_file = await _fetch(ObjectStore.open(keys_from), Path(folder))
        master = master_key.read_bytes()
        if directory.master_key.exists() and directory.master_key.read_bytes() != master:
            raise CommandRejected(
                f"{directory.keys} holds the keys of another system; empty it, or restore to "
                "another directory"
            )
        write_whole(directory.master_key, master)
        if directory.keys_file.exists():
            merge_keystore(directory.keys_file, directory.master_key, keys_file)
        else:
            write_whole(directory.keys_file, keys_file.read_bytes())


async def _fetch(keys: ObjectStore, folder: Path) -> tuple[Path, Path]:
    """Copy master key and key store into a folder, when they are what was written."""
    manifest = await read_keys_manifest(keys)
    master_key, keys_file = folder / "master.key", folder / "keys.db"
    await keys.fetch(manifest.master_key, master_key)
    await keys.fetch(manifest.keystore, keys_file)
    return master_key, keys_file
