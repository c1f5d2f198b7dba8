"""Copies of a key store: whole while it is written to, and never a way back for the erased."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from events.errors import CorruptLog, KeyDestroyed
from events.keystore_copy import (
    copy_keystore,
    count_users,
    digest_of,
    erased_users,
    merge_keystore,
)
from events.sqlite_keystore import SqliteKeyStore


def opened(folder: Path, name: str = "keys.db") -> SqliteKeyStore:
    return SqliteKeyStore(folder / name, folder / "master.key")


def test_copy_opens_with_the_same_keys_when_the_store_is_in_use(tmp_path: Path) -> None:
    """One file of mode 0600, without a write-ahead log that could be forgotten."""
    store = opened(tmp_path)
    keys = {user: store.obtain(user) for user in ("usr_ann", "usr_bo")}
    store.obtain("usr_cy")
    store.destroy("usr_cy")

    copy_keystore(tmp_path / "keys.db", tmp_path / "copy.db")
    store.obtain("usr_later")

    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert count_users(tmp_path / "copy.db") == 2
    assert erased_users(tmp_path / "copy.db") == {"usr_cy"}
    assert not list(tmp_path.glob("copy.db-*"))
    copy = opened(tmp_path, "copy.db")
    assert {user: copy.find(user) for user in keys} == keys
    assert copy.find("usr_later") is None


def test_tombstone_wins_when_stores_are_merged(tmp_path: Path) -> None:
    """Whichever of the two it is in; what is missing is added."""
    store = opened(tmp_path)
    ann, bo = store.obtain("usr_ann"), store.obtain("usr_bo")
    copy_keystore(tmp_path / "keys.db", tmp_path / "older.db")
    older = opened(tmp_path, "older.db")
    dan = older.obtain("usr_dan")
    store.destroy("usr_ann")  # since the copy
    older.destroy("usr_bo")
    older.close()

    merge_keystore(tmp_path / "keys.db", tmp_path / "master.key", tmp_path / "older.db")

    assert erased_users(tmp_path / "keys.db") == {"usr_ann", "usr_bo"}
    merged = opened(tmp_path)
    assert merged.find("usr_dan") == dan
    for user in ("usr_ann", "usr_bo"):
        with pytest.raises(KeyDestroyed):
            merged.find(user)
    merged.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("keys.db*"))
    assert ann not in content
    assert bo not in content


def test_digest_tells_sets_of_users_apart() -> None:
    """In whatever order they come."""
    assert digest_of(frozenset({"a", "b"})) == digest_of(frozenset({"b", "a"}))
    assert digest_of(frozenset({"a"})) != digest_of(frozenset({"b"}))


def test_store_is_named_when_it_is_none(tmp_path: Path) -> None:
    """A missing file is not made, another file is not taken for a store."""
    with pytest.raises(CorruptLog, match="no key store at"):
        copy_keystore(tmp_path / "none.db", tmp_path / "copy.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(CorruptLog, match="is no key store"):
        erased_users(tmp_path / "text.db")
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(CorruptLog, match="no such table"):
        count_users(tmp_path / "empty.db")
