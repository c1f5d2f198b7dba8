"""Events in clear in a file: every event comes back as it was, and wrong lines are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from events.catalogue import CATALOGUE, MessageReceived, Payload
from events.codec import Codec
from events.envelope import NOBODY, Event, NewEvent
from events.errors import CommandRejected, CorruptLog
from events.exported import ExportedEvents, write_events
from events.journal import EventReader, Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.replay.record_golden import samples
from tests.unit.builders import NOON, event_of, new_message


async def all_of(reader: EventReader, **bounds: Any) -> list[Event]:
    return [event async for event in reader.read(**bounds)]


async def exported(reader: EventReader, path: Path, **bounds: Any) -> ExportedEvents:
    with path.open("wb") as file:
        await write_events(reader, file, **bounds)
    return ExportedEvents.open(path)


@pytest.fixture
def keystore() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
async def journal(keystore: MemoryKeyStore) -> Journal:
    """Five messages of three people, by turns."""
    journal = Journal(MemoryLog(3), Codec(KeyRing(keystore, age_s_max=0)))
    people = ("usr_ann", "usr_bo", "usr_ann", "usr_cy", "usr_bo")
    await journal.append([new_message("hi 你好", n, user=who) for n, who in enumerate(people, 1)])
    return journal


@pytest.mark.parametrize("name", CATALOGUE)
async def test_every_event_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Given every field and alternative of a type: the file holds the same payloads."""
    made = samples(CATALOGUE[name])
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    await journal.append(
        [
            NewEvent(
                event_id=f"evt_{number}",
                payload=payload,
                tenant="org",
                user="usr_ann" if payload.personal else NOBODY,
                entity="thing",
                causation_id="evt_cause",
                correlation_id="evt_start",
                producer="test",
            )
            for number, payload in enumerate(made)
        ]
    )

    file = await exported(journal, tmp_path / "events.jsonl")

    assert await all_of(file) == await all_of(journal)
    assert [event.payload for event in await all_of(file)] == made


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"after": 2},
        {"until": 3},
        {"after": 1, "until": 4, "user": "usr_bo"},
        {"kinds": frozenset({"MessageReceived"})},
        {"kinds": frozenset({"MemoryRecorded"})},
        {"after": 5},
    ],
)
async def test_file_reads_as_the_journal_does(
    journal: Journal, tmp_path: Path, bounds: dict[str, Any]
) -> None:
    """The same bounds and filters give the same events."""
    file = await exported(journal, tmp_path / "events.jsonl")

    assert await all_of(file, **bounds) == await all_of(journal, **bounds)
    assert file.shard == journal.shard
    assert await file.last_position() == await journal.last_position()
    assert await file.at([4, 1, 4]) == await journal.at([4, 1, 4])
    assert [one async for one in file.envelopes(1)] == [one async for one in journal.envelopes(1)]


async def test_positions_are_kept_when_one_user_is_exported(
    journal: Journal, tmp_path: Path
) -> None:
    """What others said is left out, and the header says so."""
    file = await exported(journal, tmp_path / "bo.jsonl", user="usr_bo", first=2)

    assert [event.position for event in await all_of(file)] == [2, 5]
    assert (file.header.filtered, file.header.user, file.header.first) == (True, "usr_bo", 2)
    assert await file.last_position() == 5
    assert "usr_ann" not in file.path.read_text()


async def test_part_of_a_log_begins_where_it_was_cut(journal: Journal, tmp_path: Path) -> None:
    """From one position to another, without gaps."""
    file = await exported(journal, tmp_path / "part.jsonl", first=2, last=4)

    assert [event.position for event in await all_of(file)] == [2, 3, 4]
    assert await file.last_position() == 4
    with pytest.raises(CorruptLog, match="ends at position 4"):
        await all_of(file, until=5)


async def test_erased_person_leaves_envelopes_only(
    journal: Journal, keystore: MemoryKeyStore, tmp_path: Path
) -> None:
    """That something took place stays; positions have no gap; what was said is gone."""
    keystore.destroy("usr_ann")

    file = await exported(journal, tmp_path / "events.jsonl")

    assert [event.position for event in await all_of(file)] == [2, 4, 5]
    assert [position async for position, _ in file.envelopes()] == [1, 2, 3, 4, 5]
    assert await file.at([1, 2]) == await journal.at([2])


@pytest.mark.parametrize(("first", "last"), [(1, 6), (6, None), (4, 3), (0, 2)])
async def test_export_is_rejected_when_positions_are_not_there(
    journal: Journal, first: int, last: int | None
) -> None:
    """The line says which there are."""
    with pytest.raises(CommandRejected, match="1 to 5"):
        await write_events(journal, io.BytesIO(), first=first, last=last)


async def test_empty_log_gives_a_file_of_a_header(tmp_path: Path) -> None:
    """Nothing took place: nothing stands there, and that is no loss."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    file = await exported(journal, tmp_path / "none.jsonl")
    assert await all_of(file) == []
    assert await file.at([]) == []


_V1, _V9 = '"payload_version":1', '"payload_version":9'


def _without(lines: list[str], number: int) -> list[str]:
    return lines[: number - 1] + lines[number:]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: _without(lines, 3), "line 3: position 3 does not follow 1"),
        (lambda lines: lines[:-1], "line 5: the file ends at position 4 instead of 5"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: position 1 does not follow 1"),
        (lambda lines: [*lines[:3], lines[3][:40], *lines[4:]], "line 4: not an event"),
        (lambda lines: [*lines[:3], "", *lines[4:]], "line 4: not an event"),
        (lambda lines: [*lines[:3], "\ud800", *lines[4:]], "line 4: not an event"),
        (lambda lines: [*lines, lines[5].replace('"position":5', '"position":6')], "line 7"),
        (lambda lines: [line.replace("MessageReceived", "Nothing") for line in lines], "line 2"),
        (
            lambda lines: [*lines[:2], lines[2].replace('"shard":3', '"shard":4'), *lines[3:]],
            "line 3: an event of shard 4, not 3",
        ),
        (
            lambda lines: [line.replace('"content"', '"contents"') for line in lines],
            "line 2: not a payload of MessageReceived",
        ),
        (
            lambda lines: [lines[0], *(one.replace(_V1, _V9) for one in lines[1:])],
            "line 2: version 9 of MessageReceived is of a newer program",
        ),
    ],
)
async def test_wrong_line_is_named(
    journal: Journal, tmp_path: Path, change: Any, told: str
) -> None:
    """A line that is missing, doubled, cut off or altered is found where it is."""
    path = tmp_path / "events.jsonl"
    await exported(journal, path)
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"))

    with pytest.raises(CorruptLog) as failure:
        await all_of(ExportedEvents.open(path))
    assert failure.value.message.startswith(f"{path} {told}")


async def test_line_of_another_person_is_refused_in_ones_own_file(
    journal: Journal, tmp_path: Path
) -> None:
    """A file of one user holds that user's events only."""
    path = tmp_path / "bo.jsonl"
    await exported(journal, path, user="usr_bo")
    path.write_text(path.read_text().replace("usr_bo", "usr_dan").replace("usr_dan", "usr_bo", 1))
    with pytest.raises(CorruptLog, match="line 2: an event of usr_dan"):
        await all_of(ExportedEvents.open(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1: not the header"),
        (b"{}\n", "line 1: not the header"),
        (b'{"format": "csv"}\n', "line 1: not the header"),
        (b"\xff\xfe\n", "line 1: not the header"),
        (
            b'{"format":"mirix-events","format_version":9,"shard":0,"first":1,"last_position":0}',
            "has format 9",
        ),
    ],
)
def test_file_is_refused_when_it_is_another_kind(tmp_path: Path, content: bytes, told: str) -> None:
    """Before any event is looked for."""
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(CommandRejected, match=told):
        ExportedEvents.open(path)
    with pytest.raises(CommandRejected, match="cannot be read"):
        ExportedEvents.open(tmp_path / "nothing")


class Greeted(Payload, frozen=True, kw_only=True):
    """An event of the third version: `name` was `who`, and had no `polite`."""

    version: ClassVar[int] = 3
    personal: ClassVar[bool] = False
    name: str
    polite: bool


async def test_older_payload_is_upcast_step_by_step(tmp_path: Path) -> None:
    """A file that an older program exported reads as if it were of today."""
    header = {"format": "mirix-events", "format_version": 1, "shard": 0, "first": 1}
    old = event_of(MessageReceived(message_id="m", conversation="c", content="x", said_at=NOON))
    line = {
        **msgspec.structs.asdict(old.envelope),
        "type": "Greeted",
        "position": 1,
        "payload_version": 1,
        "payload": {"who": "Ann"},
    }
    path = tmp_path / "old.jsonl"
    path.write_bytes(
        b"\n".join(msgspec.json.encode(one) for one in ({**header, "last_position": 1}, line))
    )
    upcasters = {
        ("Greeted", 1): lambda fields: {"name": fields["who"]},
        ("Greeted", 2): lambda fields: {**fields, "polite": True},
    }

    file = ExportedEvents.open(path, catalogue={"Greeted": Greeted}, upcasters=upcasters)

    assert [event.payload for event in await all_of(file)] == [Greeted(name="Ann", polite=True)]
    no_way = ExportedEvents.open(path, catalogue={"Greeted": Greeted}, upcasters={})
    with pytest.raises(CorruptLog, match="line 2: no upcaster for version 1 of Greeted"):
        await all_of(no_way)
