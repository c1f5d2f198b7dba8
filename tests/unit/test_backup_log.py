"""A log in files answers as the log that was written does, and says which file is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from events import segments
from events.backup_log import BackupLog
from events.errors import CommandRejected, CorruptLog, NotFound
from events.log import NewRecord, Record
from events.memory_log import MemoryLog
from events.segments import Segment, write_segments

KINDS = ("Said", "Recorded", "Handled")


class Files:
    """Files in memory, and how often one was fetched."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.fetched = 0

    async def fetch(self, name: str) -> bytes:
        self.fetched += 1
        if name not in self.content:
            raise NotFound(f"{name} is missing")
        return self.content[name]


class Twins:
    """A log, and its copy in segments of about ten records."""

    def __init__(self, log: MemoryLog, chain: list[Segment], files: Files) -> None:
        self.log = log
        self.chain = chain
        self.files = files
        self.backup = BackupLog(log.shard, chain, files.fetch)


@pytest.fixture
async def twins(monkeypatch: pytest.MonkeyPatch) -> Twins:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 800)
    log, files = MemoryLog(1), Files()
    await log.append(
        [
            NewRecord(
                kind=KINDS[number % 3],
                user=f"usr_{number % 5}",
                record_id=f"evt_{number}",
                body=f"body {number}".encode() * 5,
            )
            for number in range(95)
        ]
    )
    chain = []
    async for segment, content in write_segments(log.read(), 1, after=0, previous=""):
        files.content[segment.name] = content
        chain.append(segment)
    assert len(chain) > 5
    return Twins(log, chain, files)


async def read(log: Any, **filters: Any) -> list[Record]:
    return [record async for record in log.read(**filters)]


@pytest.mark.parametrize("kind", ["*", "Said"])
@pytest.mark.parametrize("user", ["*", "usr_2"])
@pytest.mark.parametrize(
    ("after", "until"), [(0, None), (0, 0), (3, 40), (10, 11), (94, None), (95, None), (95, 95)]
)
async def test_backup_reads_as_the_log_does(
    twins: Twins, after: int, until: int | None, kind: str, user: str
) -> None:
    """The same records for the same bounds and filters."""
    filters: dict[str, Any] = {"after": after, "until": until, "kind": kind, "user": user}
    assert await read(twins.backup, **filters) == await read(twins.log, **filters)


async def test_backup_answers_about_single_records_as_the_log_does(twins: Twins) -> None:
    """The end, the last under kind and user, and records at positions in any order."""
    assert await twins.backup.last_position() == await twins.log.last_position()
    for kind, user in (("Said", "usr_0"), ("Handled", "usr_4"), ("Said", "nobody")):
        assert await twins.backup.last_of(kind, user) == await twins.log.last_of(kind, user)
    wanted = [95, 1, 40, 40, 41, 9]
    assert await twins.backup.at(wanted) == await twins.log.at(wanted)
    assert await twins.backup.at([]) == []


@pytest.mark.parametrize("filters", [{"after": 96}, {"until": 96}])
async def test_read_behind_the_end_is_refused_as_the_log_does(
    twins: Twins, filters: dict[str, int]
) -> None:
    """Somebody knows of a position that is not there."""
    for log in (twins.log, twins.backup):
        with pytest.raises(CorruptLog, match="96"):
            await read(log, **filters)
    for position in (0, 96):
        with pytest.raises(CorruptLog):
            await twins.backup.at([position])


async def test_read_is_rejected_when_a_filter_cannot_be(twins: Twins) -> None:
    """As the log itself rejects it."""
    for log in (twins.log, twins.backup):
        with pytest.raises(CommandRejected):
            await read(log, user="usr.*")


async def test_segment_is_fetched_once_when_its_records_are_asked_for_one_by_one(
    twins: Twins,
) -> None:
    """Readers of single events stay near each other."""
    first = twins.chain[2].first
    for position in (first, first + 1, first, first + 2):
        assert (await twins.backup.at([position]))[0].position == position
    assert twins.files.fetched == 1


async def test_missing_segment_is_named_with_its_positions(twins: Twins) -> None:
    """Everything before it can still be read."""
    lost = twins.chain[3]
    del twins.files.content[lost.name]
    assert len(await read(twins.backup, until=lost.first - 1)) == lost.first - 1
    with pytest.raises(CorruptLog, match=rf"{lost.name}.*positions {lost.first} to {lost.last}"):
        await read(twins.backup)


async def test_altered_segment_is_named(twins: Twins) -> None:
    """Nothing of it is yielded."""
    name = twins.chain[1].name
    content = bytearray(twins.files.content[name])
    content[-1] ^= 1
    twins.files.content[name] = bytes(content)
    whole = twins.chain[0].last
    assert len(await read(twins.backup, until=whole)) == whole
    with pytest.raises(CorruptLog, match=name):
        await read(twins.backup, after=whole, until=whole + 1)


async def test_backup_is_refused_when_its_segments_are_no_chain(twins: Twins) -> None:
    """A segment that was left out of the list is noticed before anything is read."""
    with pytest.raises(CorruptLog, match="does not follow"):
        BackupLog(1, twins.chain[1:], twins.files.fetch)
    empty = BackupLog(1, [], twins.files.fetch)
    assert await empty.last_position() == 0
    assert await read(empty) == []


async def test_memory_is_bounded_when_segments_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A segment is handed on as soon as it is full: the next record is not asked for before."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1000)
    taken = 0

    async def endless() -> AsyncIterator[Record]:
        nonlocal taken
        while True:
            taken += 1
            yield Record(position=taken, kind="Said", user="usr_a", body=bytes(100))

    written = write_segments(endless(), 0, after=0, previous="")
    async with asyncio.timeout(20):
        segment, _ = await anext(written)
    await written.aclose()
    assert taken == segment.last + 1
