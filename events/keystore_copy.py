"""Copies of a key store for backups: consistent while the system runs, and never a step back.

Who was erased stays erased: a tombstone that either of two stores has wins over a key. So a copy
that is older than the store it meets adds what is missing there and brings nobody back.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from events.errors import CorruptLog
from events.sqlite_keystore import SqliteKeyStore


def copy_keystore(source: Path, target: Path) -> None:
    """Copy the store at `source` to `target`, one whole file of mode 0600, as of one moment.

    Raises:
        CorruptLog: there is no key store at `source`.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    with _opened(source) as there, closing(sqlite3.connect(target)) as copy:
        there.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # no write-ahead log beside the copy


def count_users(path: Path) -> int:
    """Return how many users have a key in the store."""
    with _opened(path) as db:
        (count,) = db.execute(
            "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL AND user NOT LIKE '*%'"
        ).fetchone()
    return int(count)


def erased_users(path: Path) -> frozenset[str]:
    """Return the users whose keys were destroyed."""
    with _opened(path) as db:
        rows = db.execute("SELECT user FROM data_keys WHERE wrapped IS NULL").fetchall()
    return frozenset(user for (user,) in rows)


def digest_of(users: frozenset[str]) -> str:
    """Return a hash by which the same set of users is recognised."""
    return hashlib.sha256("\n".join(sorted(users)).encode()).hexdigest()


def merge_keystore(path: Path, master_key_file: Path, older: Path) -> None:
    """Add to the store at `path` the keys of `older` that it lacks, and all its tombstones."""
    erased = erased_users(older)
    with _opened(path) as db:
        db.execute("ATTACH DATABASE ? AS older", (str(older),))
        db.execute(
            "INSERT OR IGNORE INTO data_keys (user, wrapped, destroyed_at) "
            "SELECT user, wrapped, destroyed_at FROM older.data_keys"
        )
        db.commit()
    missing = erased - erased_users(path)
    with closing(SqliteKeyStore(path, master_key_file)) as store:
        for user in sorted(missing):
            store.destroy(user)  # on disk as well


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store that is there; opening one that is not would make it."""
    if not path.is_file():
        raise CorruptLog(f"there is no key store at {path}; nothing can be read without it")
    with closing(sqlite3.connect(path, timeout=10)) as db:
        try:
            yield db
        except sqlite3.DatabaseError as error:
            raise CorruptLog(f"{path} is no key store ({error})") from error
