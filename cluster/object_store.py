"""Where backups lie: a local directory or an object store, under one handful of methods.

What is written locally is on the disk when a call returns and readable by its owner only; obstore
promises neither. An object store gets its credentials as its own tools do: from the variables of
its vendor (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, ...).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, from_url

from events.durable_file import write_whole, writing_whole
from events.errors import CommandRejected, CorruptLog, NotFound, PayloadTooLarge, Unavailable
from events.memory import Value

if TYPE_CHECKING:
    from obstore.store import RetryConfig

#: An object store that is away is waited for, not for ever.
_RETRYING: RetryConfig = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_CHUNK_BYTES = 4 * 1024 * 1024
#: A manifest or a segment: what is held in memory at once.
GET_BYTES_MAX = 256 * 1024 * 1024


class StoredFile(Value, frozen=True, kw_only=True):
    """A file of a backup, by its name below the root, and what its bytes must be."""

    name: str
    bytes: int
    sha256: str


class ObjectStore:
    """Files by name below one root."""

    def __init__(self, store: obstore.store.ObjectStore, location: str, root: Path | None) -> None:
        """Wrap a store; `root` is its directory when it is a local one."""
        self.location = location
        self.root = root
        self._store = store

    @classmethod
    def open(cls, location: str, *, make: bool = False) -> ObjectStore:
        """Open a directory (a path or `file://`) or an object store (`s3://bucket/prefix`, ...).

        Args:
            location: where it is.
            make: make a directory that is missing, closed to other users.

        Raises:
            CommandRejected: there is no such place, or it cannot be one.
        """
        root = local_root(location)
        if root is not None:
            return cls(_local(root, make), str(root), root)
        try:
            store = from_url(location, retry_config=_RETRYING)
        except (BaseError, ValueError) as error:
            raise CommandRejected(
                f"{location} is no place for a backup: {_brief(error)}"
            ) from error
        if isinstance(store, MemoryStore):
            raise CommandRejected(f"{location} would be gone with this command; name a place")
        return cls(store, location, None)

    async def put(self, name: str, content: bytes) -> None:
        """Write a whole file, or replace it."""
        if self.root is not None:
            path = self.root / name
            await asyncio.to_thread(_make_parent, path, self.root)
            await asyncio.to_thread(write_whole, path, content)
            return
        try:
            await obstore.put_async(self._store, name, content)
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def put_file(self, name: str, source: Path) -> StoredFile:
        """Copy a local file, piece by piece.

        Raises:
            FileNotFoundError: it is not there (any more).
        """
        pieces = _Pieces(source)
        if self.root is not None:
            path = self.root / name
            await asyncio.to_thread(_make_parent, path, self.root)
            await asyncio.to_thread(_write, path, pieces)
        else:
            try:
                await obstore.put_async(self._store, name, iter(pieces))
            except BaseError as error:
                raise self._unavailable(name, error) from error
        return StoredFile(name=name, bytes=pieces.bytes, sha256=pieces.digest.hexdigest())

    async def put_named(self, source: Path, stem: str, suffix: str) -> StoredFile:
        """Copy a local file under a name that holds its SHA-256, beside what is there."""
        digest = await asyncio.to_thread(_digest_of, source)
        return await self.put_file(f"{stem}-{digest}{suffix}", source)

    async def get(self, name: str) -> bytes:
        """Return a whole file.

        Raises:
            NotFound: it is not there.
            PayloadTooLarge: it is larger than anything that is read whole.
        """
        try:
            found = await obstore.get_async(self._store, name)
            if found.meta["size"] > GET_BYTES_MAX:
                raise PayloadTooLarge(f"{self.location}: {name} has {found.meta['size']} bytes")
            return bytes(await found.bytes_async())
        except FileNotFoundError as error:
            raise NotFound(f"{self.location}: {name} is missing") from error
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        """Yield a file piece by piece.

        Raises:
            NotFound: it is not there.
        """
        try:
            found = await obstore.get_async(self._store, name)
            async for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(piece)
        except FileNotFoundError as error:
            raise NotFound(f"{self.location}: {name} is missing") from error
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def check(self, file: StoredFile) -> None:
        """See that a file is there with the bytes that it was written with.

        Raises:
            CorruptLog: it is missing or altered.
        """
        await self._take(file, lambda piece: None)

    async def fetch(self, file: StoredFile, path: Path) -> None:
        """Copy a file to a local path, mode 0600; it is put there only when its hash is right.

        Raises:
            CorruptLog: it is missing or altered.
        """
        with writing_whole(path) as copy:
            await self._take(file, copy.write)

    async def sizes(self, prefix: str = "") -> list[tuple[str, int]]:
        """Return names and sizes of all files below a folder, in order of their names."""
        try:
            found = [
                (one["path"], one["size"])
                async for batch in obstore.list(self._store, prefix or None)
                for one in batch
            ]
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise self._unavailable(prefix, error) from error
        return sorted(found)

    async def remove(self, name: str) -> None:
        """Remove a file; one that is not there is as good as removed."""
        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def _take(self, file: StoredFile, use: Callable[[bytes], object]) -> None:
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in self.chunks(file.name):
                digest.update(piece)
                size += len(piece)
                use(piece)
        except NotFound as error:
            raise CorruptLog(f"{error.message}; use another copy of this backup") from error
        if size != file.bytes or digest.hexdigest() != file.sha256:
            raise CorruptLog(
                f"{self.location}: {file.name} does not have the SHA-256 that it was written with "
                f"({size} bytes, {file.bytes} expected); use another copy of this backup"
            )

    def _unavailable(self, name: str, error: Exception) -> Unavailable:
        return Unavailable(f"{self.location}: {name}: {_brief(error)}")


def local_root(location: str) -> Path | None:
    """Return the directory that a location names; None when it is a URL of something else.

    Raises:
        CommandRejected: it is empty, or a `file://` URL that names another machine.
    """
    if not location.strip():
        raise CommandRejected("an empty name is no place for a backup; give a directory or a URL")
    if "://" not in location:
        return Path(location).expanduser().resolve()
    parts = urlsplit(location)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise CommandRejected(f"{location} names a machine; write file:///{parts.netloc}...")
    return Path(url2pathname(parts.path)).resolve()


def lies_within(inner: str, outer: str) -> bool:
    """Return whether one location is the other, or lies inside it."""
    paths = local_root(inner), local_root(outer)
    if paths[0] is not None and paths[1] is not None:
        return paths[0].is_relative_to(paths[1])
    if paths[0] is not None or paths[1] is not None:
        return False
    return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")


def _local(root: Path, make: bool) -> LocalStore:
    try:
        if make:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not root.is_dir():
            raise CommandRejected(f"there is no directory {root}")
        return LocalStore(prefix=root)
    except (BaseError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else _brief(error)
        raise CommandRejected(f"{root} cannot be used: {reason}") from error


def _make_parent(path: Path, root: Path) -> None:
    for folder in reversed([path.parent, *path.parent.parents]):
        if folder.is_relative_to(root):
            folder.mkdir(mode=0o700, exist_ok=True)


class _Pieces:
    """A file piece by piece, hashed on the way: another may take its place meanwhile."""

    def __init__(self, source: Path) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        with self._source.open("rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                self.digest.update(piece)
                self.bytes += len(piece)
                yield piece


def _write(path: Path, pieces: _Pieces) -> None:
    with writing_whole(path) as copy:
        copy.writelines(pieces)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _brief(error: Exception) -> str:
    """Return the first line of an error; the library's own story goes on for pages."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
