"""A backup in an object store: over HTTP, signed with the keys that the vendor's variables hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.backup_reading import open_backup
from cluster.keys_backup import backup_keys
from cluster.object_store import ObjectStore
from events import segments
from events.errors import CorruptLog, NotFound
from tests.backup_fixtures import SmallSystem
from tests.unit.fakes.object_server import ObjectServer, object_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with object_server() as server:
        for name, value in {
            "AWS_ENDPOINT": server.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-test-1",
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests",
        }.items():
            monkeypatch.setenv(name, value)
        yield server


async def test_backup_is_read_back_from_an_object_store(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log and keys in two buckets: the same records, and an altered object is named."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 3000)
    system = SmallSystem(tmp_path / "data")
    await system.live(20)
    store = ObjectStore.open("s3://backups/mirix/one", make=True)
    keys = ObjectStore.open("s3://safe/keys", make=True)
    await system.back_up(store, keys)
    await system.live(2)
    report = await system.back_up(store, keys)

    opened = await open_backup("s3://backups/mirix/one")
    found = [record async for record in opened.log(0).read()]
    assert found == [record async for record in system.logs[0].read()]
    assert report.shards[0].new_records == 4
    async with backup_keys("s3://safe/keys") as keystore:
        opened.check_keys(keystore)
    assert any("AKIATEST" in signed for signed in server.signed_by)
    assert {name.split("/")[0] for name in server.objects} == {"backups", "safe"}
    assert len([name for name in server.objects if name.startswith("safe/keys/")]) == 3

    name = opened.manifest.shards[0].segments[0].name
    server.objects[f"backups/mirix/one/{name}"] += b"x"
    with pytest.raises(CorruptLog, match=name):
        await (await open_backup("s3://backups/mirix/one")).log(0).at([1])
    with pytest.raises(NotFound, match="there is no backup at s3://backups/other"):
        await open_backup("s3://backups/other")


async def test_large_file_goes_in_parts(server: ObjectServer, tmp_path: Path) -> None:
    """And comes back whole, without ever being held whole."""
    (tmp_path / "large").write_bytes(bytes(range(256)) * 60_000)
    store = ObjectStore.open("s3://backups/x")
    file = await store.put_file("snapshots/0/large", tmp_path / "large")
    await store.fetch(file, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    assert server.parts == {}
