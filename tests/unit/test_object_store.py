"""Places for backups: directories and object stores behave alike, and say clearly what is wrong."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from cluster.object_store import ObjectStore, StoredFile, lies_within, local_root
from events.errors import CommandRejected, CorruptLog, NotFound, Unavailable


@pytest.fixture(params=["directory", "file url", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return ObjectStore(MemoryStore(), "memory://test", None)
    root = tmp_path / "a folder"
    return ObjectStore.open(str(root) if request.param == "directory" else root.as_uri(), make=True)


def described(name: str, content: bytes) -> StoredFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return StoredFile(name=name, bytes=len(content), sha256=sha256)


async def test_files_come_back_by_name(store: ObjectStore, tmp_path: Path) -> None:
    """Written whole, replaced, copied from a file and to one, listed, removed."""
    (tmp_path / "source").write_bytes(b"0123456789" * 1_000_000)
    await store.put("log/0/a.seg", b"first")
    await store.put("log/0/a.seg", b"second")
    copied = await store.put_file("snapshots/0/b", tmp_path / "source")
    named = await store.put_named(tmp_path / "source", "key", ".db")

    assert await store.get("log/0/a.seg") == b"second"
    assert copied == described("snapshots/0/b", b"0123456789" * 1_000_000)
    assert named.name == f"key-{copied.sha256}.db"
    assert await store.sizes("log") == [("log/0/a.seg", 6)]
    assert len(await store.sizes()) == 3
    await store.check(copied)
    await store.fetch(copied, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    await store.remove("log/0/a.seg")
    await store.remove("log/0/a.seg")
    with pytest.raises(NotFound, match=r"a\.seg is missing"):
        await store.get("log/0/a.seg")
    assert await store.sizes("log") == []


async def test_altered_file_is_never_put_in_its_place(store: ObjectStore, tmp_path: Path) -> None:
    """Neither one of other bytes nor one that is missing."""
    await store.put("x", b"what lies there")
    for wrong in (described("x", b"what was written"), described("y", b"")):
        with pytest.raises(CorruptLog, match=f"{wrong.name}"):
            await store.check(wrong)
        with pytest.raises(CorruptLog, match="another copy"):
            await store.fetch(wrong, tmp_path / "target")
    assert not [name for name in os.listdir(tmp_path) if "target" in name]


async def test_local_files_are_their_owners_only(tmp_path: Path) -> None:
    """Directories that are made and files in them are closed to others."""
    store = ObjectStore.open(str(tmp_path / "new" / "place"), make=True)
    await store.put("log/0/a", b"x")
    (tmp_path / "source").write_bytes(b"y")
    await store.put_file("keys/b", tmp_path / "source")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "new" / "place").rglob("*")
    }
    assert modes == {"log": 0o700, "0": 0o700, "a": 0o600, "keys": 0o700, "b": 0o600}
    assert stat.S_IMODE((tmp_path / "new" / "place").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("", "an empty name"),
        ("  ", "an empty name"),
        ("memory://", "would be gone"),
        ("ftp://host/x", "no place for a backup"),
        ("s3://", "no place for a backup"),
        ("file://host/x", "names a machine"),
        ("/nowhere/at/all", "no directory /nowhere/at/all"),
    ],
)
def test_place_is_rejected_when_it_cannot_be_one(location: str, told: str) -> None:
    """One line says what is wrong with it."""
    with pytest.raises(CommandRejected, match=told) as failure:
        ObjectStore.open(location)
    assert "\n" not in failure.value.message


def test_place_is_rejected_when_it_is_a_file(tmp_path: Path) -> None:
    """Also where one would be made."""
    (tmp_path / "file").write_text("x")
    for location in ("file", "file/below"):
        with pytest.raises(CommandRejected, match="file"):
            ObjectStore.open(str(tmp_path / location), make=True)


async def test_store_that_does_not_answer_is_unavailable() -> None:
    """Nothing listens there: the line says which store and which file."""
    from obstore.store import HTTPStore

    away = HTTPStore(
        "http://127.0.0.1:9",
        client_options={"timeout": "1s", "allow_http": True},
        retry_config={"max_retries": 0},
    )
    store = ObjectStore(away, "http://127.0.0.1:9", None)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9: manifest.json") as failure:
        await store.get("manifest.json")
    assert "\n" not in failure.value.message


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/a/../a/b", "file:///a", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
        ("s3://bucket/x/keys", "s3://bucket/x", True),
        ("s3://bucket/x/", "s3://bucket/x", True),
        ("s3://bucket/xy", "s3://bucket/x", False),
        ("s3://bucket/x", "/a", False),
    ],
)
def test_one_place_lies_within_another(inner: str, outer: str, expected: bool) -> None:
    """Paths by their parts, whichever way they are written; URLs by their prefix."""
    assert lies_within(inner, outer) is expected


def test_local_root_is_none_when_it_is_a_url() -> None:
    """A path is one without `://`; `file://` is one as well."""
    assert local_root("s3://bucket/a") is None
    assert local_root("file:///a%20b/c") == Path("/a b/c")
    assert local_root("relative") == Path("relative").resolve()
