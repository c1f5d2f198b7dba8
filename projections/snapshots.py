"""States of projections on disk, so that a restart reads only the tail of the log.

A snapshot is one file, written beside its place and moved there when it is whole and on the disk: a
crash in the middle leaves the one before. Each user's part is sealed with that user's data key. A
file that does not check out is set aside, and the one before it is used: snapshots are a short cut,
the log is the truth.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from events.durable_file import write_whole
from events.errors import CorruptLog, KeyDestroyed
from events.memory import Value
from events.sealing import KeyRing
from projections.base import Projection, hash_parts

log = structlog.get_logger(__name__)

FORMAT_VERSION = 1
#: Snapshots kept a projection: the newest, and one in case that it turns out damaged.
SNAPSHOTS_KEPT = 2
_DIGEST_BYTES = 32


class _Content(Value, frozen=True, kw_only=True):
    format_version: int
    projection: str
    version: int
    position: int
    state_hash: str
    parts: dict[str, bytes]


class SnapshotStore(Protocol):
    """Keeps the states of projections."""

    def save(self, projection: Projection, position: int) -> None:
        """Keep the projection's state as of `position`."""
        ...

    def load(self, projection: Projection) -> int:
        """Restore the newest usable state into `projection`; return its position (0: none)."""
        ...


class NoSnapshots:
    """The twin for logs that are read from the start each time."""

    def save(self, projection: Projection, position: int) -> None:
        """Keep nothing."""

    def load(self, projection: Projection) -> int:
        """Return 0: there is none."""
        return 0


class SnapshotDirectory:
    """Snapshots as files `<projection>-v<version>-<position>.snapshot` in one directory."""

    def __init__(self, directory: Path, keys: KeyRing) -> None:
        self._directory = directory
        self._keys = keys
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, projection: Projection, position: int) -> None:
        """Write the state durably, then drop all but the newest files of this projection."""
        # Without those who were erased since: what is hashed must be what is stored.
        parts = {
            user: part
            for user, part in projection.snapshot().items()
            if not self._keys.is_erased(user)
        }
        associated = _associated(projection, position)
        content = msgspec.msgpack.encode(
            _Content(
                format_version=FORMAT_VERSION,
                projection=projection.name,
                version=projection.version,
                position=position,
                state_hash=hash_parts(parts),
                parts={
                    user: self._keys.seal(user, part, associated) for user, part in parts.items()
                },
            )
        )
        name = f"{projection.name}-v{projection.version}-{position:020d}.snapshot"
        write_whole(self._directory / name, hashlib.sha256(content).digest() + content)
        for old in self._files(projection)[SNAPSHOTS_KEPT:]:
            old.unlink(missing_ok=True)

    def load(self, projection: Projection) -> int:
        """Restore the newest file that checks out; return its position, or 0."""
        for path in self._files(projection):
            try:
                content = _read(path, projection)
                parts = self._open(content, projection)
            except CorruptLog as error:
                log.error("snapshot_set_aside", path=str(path), error=error.message)
                path.replace(path.with_suffix(".damaged"))
                continue
            projection.restore(parts)
            return content.position
        return 0

    def _files(self, projection: Projection) -> list[Path]:
        pattern = re.compile(rf"{projection.name}-v{projection.version}-\d{{20}}\.snapshot")
        found = (path for path in self._directory.iterdir() if pattern.fullmatch(path.name))
        return sorted(found, reverse=True)

    def _open(self, content: _Content, projection: Projection) -> Mapping[str, bytes]:
        associated = _associated(projection, content.position)
        parts: dict[str, bytes] = {}
        for user, sealed in content.parts.items():
            try:
                parts[user] = self._keys.open(user, sealed, associated)
            except KeyDestroyed:
                # Erased since: that person's part stays unreadable, as if never seen.
                continue
        if len(parts) == len(content.parts) and hash_parts(parts) != content.state_hash:
            raise CorruptLog(f"the parts of snapshot {content.position} do not give its state hash")
        return parts


def _associated(projection: Projection, position: int) -> bytes:
    return f"snapshot {projection.name} {projection.version} {position}".encode()


def _read(path: Path, projection: Projection) -> _Content:
    data = path.read_bytes()
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CorruptLog(f"{path.name} does not fit its checksum")
    content = msgspec.msgpack.decode(body, type=_Content)
    if content.format_version != FORMAT_VERSION or content.projection != projection.name:
        raise CorruptLog(f"{path.name} is of another format or projection")
    return content
