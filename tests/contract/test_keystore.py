"""What every key store promises, and what only the one on disk has to."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from events.errors import KeyDestroyed, Misconfigured
from events.keystore import KeyStore
from events.memory_keystore import MemoryKeyStore
from events.sqlite_keystore import SqliteKeyStore, read_or_make_key

ROOT = Path(__file__).parents[2]


def open_store(directory: Path) -> SqliteKeyStore:
    return SqliteKeyStore(directory / "keys.db", directory / "master.key")


@pytest.fixture(params=["memory", "sqlite"])
def keystore(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    """Return an empty key store of every kind that there is."""
    return MemoryKeyStore() if request.param == "memory" else open_store(tmp_path)


def test_obtain_makes_one_key_a_user(keystore: KeyStore) -> None:
    """A user keeps the same 256-bit key, and has no other's."""
    key = keystore.obtain("usr_a")
    assert len(key) == 32
    assert keystore.obtain("usr_a") == key
    assert keystore.obtain("usr_b") != key


def test_find_makes_no_key(keystore: KeyStore) -> None:
    """Looking for a key leaves no trace."""
    assert keystore.find("usr_a") is None
    assert keystore.find("usr_a") is None
    key = keystore.obtain("usr_a")
    assert keystore.find("usr_a") == key


@pytest.mark.parametrize("existed", [True, False])
def test_destroy_leaves_a_tombstone(keystore: KeyStore, existed: bool) -> None:
    """An erased user never gets a key again, whether there was one or not."""
    if existed:
        keystore.obtain("usr_a")
    keystore.destroy("usr_a")
    keystore.destroy("usr_a")
    with pytest.raises(KeyDestroyed, match="usr_a"):
        keystore.find("usr_a")
    with pytest.raises(KeyDestroyed):
        keystore.obtain("usr_a")
    assert keystore.obtain("usr_b")


def test_derive_depends_on_the_purpose_alone(keystore: KeyStore) -> None:
    """Derived keys are stable and kept apart by purpose."""
    assert keystore.derive("sessions") == keystore.derive("sessions")
    assert keystore.derive("sessions") != keystore.derive("service keys")
    assert len(keystore.derive("sessions")) == 32


def test_threads_obtain_the_same_key(keystore: KeyStore) -> None:
    """Many threads at once make one key."""
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: keystore.obtain("usr_a"), range(64)))
    assert len(keys) == 1


def test_keys_stay_when_the_store_is_opened_again(tmp_path: Path) -> None:
    """Keys, tombstones and derived keys are on disk."""
    first = open_store(tmp_path)
    key, derived = first.obtain("usr_a"), first.derive("x")
    first.destroy("usr_b")
    first.close()
    second = open_store(tmp_path)
    assert second.find("usr_a") == key
    assert second.derive("x") == derived
    with pytest.raises(KeyDestroyed):
        second.find("usr_b")


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """Neither the master key nor the wrapped keys are for others."""
    open_store(tmp_path).obtain("usr_a")
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_store_refuses_a_master_key_that_others_can_read(tmp_path: Path) -> None:
    """A key file with a loose mode is an operator's mistake."""
    open_store(tmp_path).close()
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        open_store(tmp_path)


def test_store_refuses_another_master_key(tmp_path: Path) -> None:
    """A store opened with the wrong master key fails at once, not at the first user."""
    open_store(tmp_path).close()
    with pytest.raises(Misconfigured, match="another master key"):
        SqliteKeyStore(tmp_path / "keys.db", tmp_path / "unused", master_key=os.urandom(32))


def test_store_takes_a_master_key_by_argument(tmp_path: Path) -> None:
    """With a key from elsewhere no key file is made."""
    master_key = os.urandom(32)
    first = SqliteKeyStore(tmp_path / "keys.db", tmp_path / "none", master_key=master_key)
    key = first.obtain("usr_a")
    second = SqliteKeyStore(tmp_path / "keys.db", tmp_path / "none", master_key=master_key)
    assert second.find("usr_a") == key
    assert not (tmp_path / "none").exists()


def test_destroyed_key_is_on_no_page_of_the_files(tmp_path: Path) -> None:
    """Neither the database nor its write-ahead log holds the wrapped key any more."""
    store = open_store(tmp_path)
    for number in range(50):
        store.obtain(f"usr_{number}")
    with sqlite3.connect(tmp_path / "keys.db") as reader:
        query = "SELECT wrapped FROM data_keys WHERE user = 'usr_7'"
        wrapped: bytes = reader.execute(query).fetchone()[0]
    reader.close()
    assert any(wrapped in path.read_bytes() for path in tmp_path.iterdir())
    store.destroy("usr_7")
    assert not any(wrapped in path.read_bytes() for path in tmp_path.iterdir())


def test_wrapped_key_opens_for_its_own_user_only(tmp_path: Path) -> None:
    """Somebody who swaps two rows gains nothing."""
    store = open_store(tmp_path)
    store.obtain("usr_a")
    store.obtain("usr_b")
    with sqlite3.connect(tmp_path / "keys.db") as writer:
        writer.execute(
            "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE user = 'usr_b') "
            "WHERE user = 'usr_a'"
        )
    writer.close()
    with pytest.raises(Misconfigured):
        store.find("usr_a")


_OPEN_AND_PRINT = """
import sys
from pathlib import Path
from events.sqlite_keystore import SqliteKeyStore
directory = Path(sys.argv[1])
store = SqliteKeyStore(directory / "keys.db", directory / "master.key")
print(",".join(store.obtain(f"usr_{i}").hex() for i in range(20)))
"""


def test_ten_processes_make_the_same_keys(tmp_path: Path) -> None:
    """Processes that start at once on an empty directory agree on every key."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN_AND_PRINT, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    answers = [process.communicate(timeout=60) for process in processes]
    assert all(process.returncode == 0 for process in processes), answers
    assert len({out for out, _ in answers}) == 1
    assert sorted(path.name for path in tmp_path.glob("master.key*")) == ["master.key"]


def test_key_file_is_made_once(tmp_path: Path) -> None:
    """The file that is there wins."""
    path = tmp_path / "deep" / "master.key"
    assert read_or_make_key(path) == read_or_make_key(path)
