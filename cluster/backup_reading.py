"""A backup opened for reading: its manifest and the logs of its shards."""

from __future__ import annotations

from cluster.backup_manifest import Manifest, fingerprint_of, read_manifest
from cluster.object_store import ObjectStore
from events.backup_log import BackupLog
from events.errors import CommandRejected
from events.keystore import KeyStore


class Backup:
    """A backup that is there. Opened by `open_backup`."""

    def __init__(self, store: ObjectStore, manifest: Manifest) -> None:
        self.store = store
        self.manifest = manifest

    @property
    def shards(self) -> int:
        """How many shards the system had."""
        return len(self.manifest.shards)

    def log(self, shard: int) -> BackupLog:
        """Return the log of a shard, as far as it was backed up.

        Raises:
            CommandRejected: there is no such shard.
            CorruptLog: the manifest's segments are no chain.
        """
        for one in self.manifest.shards:
            if one.shard == shard:
                return BackupLog(shard, one.segments, self.store.get)
        raise CommandRejected(f"{self.store.location} has no shard {shard}; it has {self.shards}")

    def check_keys(self, keystore: KeyStore) -> None:
        """See that a key store is that of the system that was backed up.

        Raises:
            CommandRejected: it is another system's.
        """
        if fingerprint_of(keystore) != self.manifest.keys_fingerprint:
            raise CommandRejected(
                f"these keys are not those of the backup at {self.store.location}; give the keys "
                "that were written with it"
            )


async def open_backup(source: str) -> Backup:
    """Open the backup in a directory or at a URL.

    Raises:
        NotFound: there is none.
        CommandRejected: there is no such place.
        CorruptLog: its manifest is damaged.
    """
    store = ObjectStore.open(source)
    return Backup(store, await read_manifest(store))
