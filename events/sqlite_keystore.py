"""The key store on disk: SQLite beside the log, the master key in a file of its own.

Data keys are wrapped by AES-256-GCM with the user's id as associated data. Everything is durable
when a call returns (WAL with `synchronous=FULL`), and what is destroyed is overwritten
(`secure_delete`, and the write-ahead log is truncated). Ten processes may open it at once: the
first to insert wins and all read what is there. Keep backups of this file apart from those of the
log, and let them expire.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.durable_file import write_once
from events.errors import KeyDestroyed, Misconfigured, Unavailable
from events.memory_keystore import KEY_BYTES, derived_key

_NONCE_BYTES = 12
_BUSY_MS_MAX = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS data_keys (
    user TEXT PRIMARY KEY,
    wrapped BLOB, -- NULL is a tombstone
    destroyed_at TEXT
) WITHOUT ROWID;
"""
#: A row of its own whose key proves, when a store is opened, that the master key belongs to it.
_PROBE = "*master key*"


class SqliteKeyStore:
    """Keeps data keys wrapped in `path`; safe to share between threads and processes."""

    def __init__(self, path: Path, master_key_file: Path, master_key: bytes | None = None) -> None:
        """Open the store, making it (and the master key, unless it is given) when missing.

        Raises:
            Misconfigured: the master key's file is readable by others, is not 32 bytes,
                or is not the one that the store was made with.
        """
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._master_key = master_key or read_or_make_key(master_key_file)
        if len(self._master_key) != KEY_BYTES:
            raise Misconfigured(f"the master key must have {KEY_BYTES} bytes: {master_key_file}")
        self._wrapping = AESGCM(derived_key(self._master_key, "wrapping of data keys"))
        self._db = _open(path)
        self.obtain(_PROBE)

    def obtain(self, user: str) -> bytes:
        """Return the user's data key, making it durably first when there is none.

        Raises:
            KeyDestroyed: the user was erased.
            Unavailable: the store stayed locked by another process.
        """
        known = self.find(user)
        if known is not None:
            return known
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = nonce + self._wrapping.encrypt(nonce, os.urandom(KEY_BYTES), user.encode())
        self._write("INSERT OR IGNORE INTO data_keys (user, wrapped) VALUES (?, ?)", user, wrapped)
        # Another process may have been first: what counts is what is there now.
        made = self.find(user)
        assert made is not None, "a row that was just inserted is there"
        return made

    def find(self, user: str) -> bytes | None:
        """Return the user's data key, or None when there never was one.

        Raises:
            KeyDestroyed: the user was erased.
            Misconfigured: the key was wrapped by another master key.
        """
        with self._lock:
            row = self._db.execute(
                "SELECT wrapped FROM data_keys WHERE user = ?", (user,)
            ).fetchone()
        if row is None:
            return None
        wrapped: bytes | None = row[0]
        if wrapped is None:
            raise KeyDestroyed(f"the data key of user {user} was destroyed; what it sealed is gone")
        try:
            return self._wrapping.decrypt(
                wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], user.encode()
            )
        except InvalidTag as error:
            raise Misconfigured(
                f"{self._path} was made with another master key (or its row for {user} was "
                "altered); start with the master key that belongs to it"
            ) from error

    def destroy(self, user: str) -> None:
        """Destroy the user's data key for good, on disk as well, leaving a tombstone.

        Raises:
            Unavailable: another process held the store, so that a copy may be left in its
                write-ahead log; destroy again.
        """
        self._write(
            "INSERT INTO data_keys (user, wrapped, destroyed_at) VALUES (?, NULL, datetime('now')) "
            "ON CONFLICT (user) DO UPDATE SET wrapped = NULL, "
            "destroyed_at = coalesce(destroyed_at, excluded.destroyed_at)",
            user,
        )
        with self._lock:
            busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(f"{self._path} is busy; destroy the key of user {user} again")

    def derive(self, purpose: str) -> bytes:
        """Return a 256-bit key derived from the master key for one purpose (HKDF-SHA-256)."""
        return derived_key(self._master_key, purpose)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def _write(self, statement: str, *values: str | bytes) -> None:
        try:
            with self._lock:
                self._db.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{self._path} cannot be written now ({error}); retry") from error


def _open(path: Path) -> sqlite3.Connection:
    """Open the database in autocommit mode: every statement is its own durable transaction."""
    # The file is made before SQLite sees it, so that it is never readable by others.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(
        path, timeout=_BUSY_MS_MAX / 1000, isolation_level=None, check_same_thread=False
    )
    db.execute(f"PRAGMA busy_timeout = {_BUSY_MS_MAX}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute(_SCHEMA)
    return db


def read_or_make_key(path: Path) -> bytes:
    """Return the 32 bytes in `path`, making the file (mode 0600) atomically when it is missing.

    Raises:
        Misconfigured: others than its owner may read the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_once(path, os.urandom(KEY_BYTES))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Misconfigured(f"{path} has mode {mode:o}; others can read the key: chmod 600 it")
    return path.read_bytes()
