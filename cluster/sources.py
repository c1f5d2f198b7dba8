"""Where events are read from: the log of a running system, a backup of one, an exported file.

Whatever asks about the past asks a `Source`: a reader of events for each shard, and who is called
what there. Nothing is ever written to one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

from cluster import wiring
from cluster.data_dir import DataDir
from cluster.presence import ready_system
from cluster.settings import from_environment
from events.catalogue import UserRegistered
from events.codec import Codec
from events.connection import connect
from events.errors import CommandRejected, NotFound
from events.exported import ExportedEvents
from events.ids import shard_of
from events.journal import EventReader, JournalReader
from events.sealing import KeyRing
from events.sqlite_keystore import SqliteKeyStore
from serve.access import DEFAULT_TENANT
from serve.identity import DEFAULT_USER, Identities

_OPAQUE_PREFIX = "usr_"


def opaque_id(user: str, identities: Identities) -> str:
    """Return the id of somebody in the log, given that or what a client calls them."""
    if user.startswith(_OPAQUE_PREFIX):
        return user
    return identities.person(DEFAULT_TENANT, user).id


class Whereabouts(NamedTuple):
    """A person's events: the reader of their shard, and their opaque id."""

    reader: EventReader
    user: str


class Source:
    """Readers of events by shard. `name` is how an error calls it; `keys` are None for a file."""

    def __init__(
        self,
        name: str,
        readers: Mapping[int, EventReader],
        *,
        identities: Identities | None = None,
        keys: KeyRing | None = None,
    ) -> None:
        self.name = name
        self.readers = readers
        self.keys = keys
        self._identities = identities

    async def find(self, user: str | None) -> Whereabouts:
        """Return where the events of a user are; None: `default`, or the only user of a file.

        Args:
            user: the client's id of a person, or the opaque one (`usr_...`).

        Raises:
            NotFound: there is nothing of such a user here.
        """
        if self._identities is not None:
            found: str | None = opaque_id(DEFAULT_USER if user is None else user, self._identities)
        elif user is not None and user.startswith(_OPAQUE_PREFIX):
            found = user
        else:
            found = await self._named_in_file(user)
        if found is not None:
            reader = self._reader_of(found)
            if await _has_events(reader, found):
                return Whereabouts(reader, found)
        whom = user or DEFAULT_USER
        raise NotFound(f"there is nothing of user {whom} in {self.name}; --user says whose past")

    def _reader_of(self, user: str) -> EventReader:
        if self._identities is None:
            (only,) = self.readers.values()
            return only
        return self.readers[shard_of(user, self._identities.shards)]

    async def _named_in_file(self, user: str | None) -> str | None:
        """Return the opaque id of somebody whose name a file tells, or of the only one in it."""
        seen: set[str] = set()
        for reader in self.readers.values():
            async with aclosing(reader.read()) as events:
                async for event in events:
                    if event.envelope.sealed:  # the rest is bookkeeping, and of nobody
                        seen.add(event.user)
                    name = event.payload
                    if isinstance(name, UserRegistered) and name.external_id == user:
                        return event.user
        if user is None and len(seen) != 1:
            raise NotFound(
                f"{self.name} has events of {len(seen)} users; name one with --user "
                "(your id, or the opaque usr_...)"
            )
        return seen.pop() if user is None else None


@asynccontextmanager
async def open_source(
    data: Path | None = None, *, backup: str = "", keys_from: str = "", file: Path | None = None
) -> AsyncIterator[Source]:
    """Open events to look at: those of a backup or of a file, else of the system that runs.

    Args:
        data: the data directory of a running system (default: as the environment says).
        backup: where a backup is: a directory, or the address of an object store.
        keys_from: where the keys of that backup are (default: in the data directory).
        file: a file of exported events.

    Raises:
        CommandRejected: two of them were named, there is no such thing, or the keys do not fit it.
        CorruptLog: a backup is damaged.
        Unavailable: no system runs on the data directory.
    """
    if backup and file is not None:
        raise CommandRejected("a backup and a file were named; one of them is enough")
    if keys_from and not backup:
        raise CommandRejected("keys are for a backup; name it with --from-backup")
    if file is not None:
        exported = ExportedEvents.open(file)
        yield Source(str(file), {exported.shard: exported})
    elif backup:
        async with _backed_up(data, backup, keys_from) as source:
            yield source
    else:
        async with _running(data) as source:
            yield source


@asynccontextmanager
async def _running(data: Path | None) -> AsyncIterator[Source]:
    directory = DataDir(from_environment(data).data_dir)
    record = ready_system(directory)
    async with connect(wiring.log_settings(record)) as connection:
        keystore = wiring.keystore(directory)
        logs = {shard: connection.log(shard) for shard in range(record.shards)}
        keys = KeyRing(keystore)
        codec = Codec(keys)
        yield Source(
            f"the log of {directory.root}",
            {shard: JournalReader(log, codec) for shard, log in logs.items()},
            identities=Identities.of(keystore, record.shards),
            keys=keys,
        )


@asynccontextmanager
async def _backed_up(data: Path | None, backup: str, keys_from: str) -> AsyncIterator[Source]:
    # With the client of object stores below them, which nobody else needs.
    from cluster.backup_reading import open_backup
    from cluster.keys_backup import backup_keys

    found = await open_backup(backup)
    async with backup_keys(keys_from) if keys_from else _own_keys(data) as keystore:
        found.check_keys(keystore)
        keys = KeyRing(keystore)
        codec = Codec(keys)
        yield Source(
            f"the backup at {found.store.location}",
            {shard: JournalReader(found.log(shard), codec) for shard in range(found.shards)},
            identities=Identities.of(keystore, found.shards),
            keys=keys,
        )


@asynccontextmanager
async def _own_keys(data: Path | None) -> AsyncIterator[SqliteKeyStore]:
    directory = DataDir(from_environment(data).data_dir)
    if not directory.master_key.exists():
        raise CommandRejected(f"there are no keys in {directory.keys}; name them with --keys-from")
    with closing(wiring.keystore(directory)) as keystore:
        yield keystore


async def _has_events(reader: EventReader, user: str) -> bool:
    async with aclosing(reader.read(user=user)) as events:
        async for _ in events:
            return True
    return False
