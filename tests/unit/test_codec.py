"""The codec: what goes in comes out, and everything else fails closed."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pytest

from events.catalogue import CATALOGUE, CauseHandled, MessageReceived, Payload
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import NOBODY, NewEvent
from events.errors import CorruptLog, KeyDestroyed
from events.journal import Batch, Journal
from events.log import Record
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.replay.record_golden import samples

NOW = datetime(2026, 1, 7, 9, 0, tzinfo=UTC)
MASTER_KEY = bytes(range(32))
#: A clear body as version 1 of the format wrote it, under the master key above.
GOLDEN_BODY = bytes.fromhex(
    "9401c4379ca56576745f31ac436175736548616e646c65640100a574656e5f31a673797374656da0"
    "d6ff695e2090a0a5636f725f31a474657374c2c410b782adba0be429af13498f19c2396cd3c41582"
    "a56167656e74a463686174a77468726f75676829"
)


class ThingMoved(Payload, frozen=True, kw_only=True):
    """A thing is at a place: version 3 of an event that was written otherwise before."""

    version: ClassVar[int] = 3
    personal: ClassVar[bool] = False
    place: str
    floor: int


@pytest.fixture
def keystore() -> MemoryKeyStore:
    return MemoryKeyStore(MASTER_KEY)


@pytest.fixture
def codec(keystore: MemoryKeyStore) -> Codec:
    return Codec(KeyRing(keystore))


def new_event(payload: Payload, **fields: Any) -> NewEvent:
    user = "usr_a" if payload.personal else NOBODY
    given = {"event_id": "evt_1", "tenant": "ten_1", "user": user, "producer": "test"} | fields
    return NewEvent(payload=payload, **given)


def said(content: str = "I live in Lisbon") -> MessageReceived:
    return MessageReceived(message_id="msg_1", conversation="c", content=content, said_at=NOW)


def record_of(codec: Codec, event: NewEvent, position: int = 7) -> Record:
    new = codec.encode(event, 0, NOW)
    return Record(position=position, kind=new.kind, user=new.user, body=new.body)


@pytest.mark.parametrize("name", CATALOGUE)
def test_decode_returns_what_was_encoded(codec: Codec, name: str) -> None:
    """Every event of the catalogue makes the round trip, with all its alternatives."""
    for payload in samples(CATALOGUE[name]):
        event = new_event(payload, entity="x", causation_id="c", correlation_id="d")
        decoded = codec.decode(record_of(codec, event))
        assert decoded.payload == payload
        assert decoded.position == 7
        assert decoded.id == "evt_1"
        assert decoded.envelope.recorded_at == NOW
        assert decoded.envelope.sealed is payload.personal


def test_decode_reads_the_body_that_the_first_format_wrote(codec: Codec) -> None:
    """The frame around payloads stays readable, byte for byte."""
    event = new_event(CauseHandled(agent="chat", through=41), correlation_id="cor_1")
    assert record_of(codec, event).body == GOLDEN_BODY


def test_personal_payload_is_nowhere_in_the_record(codec: Codec) -> None:
    """What a person said is not in the bytes; what is nobody's secret is."""
    assert b"Lisbon" not in record_of(codec, new_event(said())).body
    clear = new_event(CauseHandled(agent="chat", through=1))
    assert b"chat" in record_of(codec, clear).body


def test_encode_refuses_a_personal_payload_that_belongs_to_nobody(codec: Codec) -> None:
    """A programmer error, found before anything is written in clear."""
    with pytest.raises(ValueError, match="personal"):
        codec.encode(new_event(said(), user=NOBODY), 0, NOW)


def test_encode_refuses_a_payload_that_is_not_in_the_catalogue(codec: Codec) -> None:
    """What could not be read back is not written."""
    with pytest.raises(TypeError, match="ThingMoved"):
        codec.encode(new_event(ThingMoved(place="attic", floor=3)), 0, NOW)


@pytest.mark.parametrize("payload", [said(), CauseHandled(agent="chat", through=1)])
@pytest.mark.parametrize("change", [{"kind": "UserRegistered"}, {"user": "usr_b"}])
def test_decode_fails_closed_when_a_record_lies_under_another_subject(
    codec: Codec, payload: Payload, change: dict[str, str]
) -> None:
    """A body copied to another user or kind is not taken for theirs."""
    codec.keys.seal("usr_b", b"", b"")
    moved = msgspec.structs.replace(record_of(codec, new_event(payload)), **change)
    with pytest.raises(CorruptLog, match="position 7"):
        codec.decode(moved)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x94\x02\xc4\x00\xc4\x00\xc4\x00", b"x" * 99])
def test_decode_fails_closed_when_the_bytes_are_no_body(codec: Codec, body: bytes) -> None:
    """Garbage and formats of the future are named, not guessed."""
    with pytest.raises(CorruptLog, match="position 7"):
        codec.decode(Record(position=7, kind="MessageReceived", user="usr_a", body=body))


def test_decode_fails_closed_when_the_type_is_unknown(keystore: MemoryKeyStore) -> None:
    """An event of a newer program is not skipped."""
    newer = Codec(KeyRing(keystore), catalogue={**CATALOGUE, "ThingMoved": ThingMoved})
    record = record_of(newer, new_event(ThingMoved(place="attic", floor=3)))
    with pytest.raises(CorruptLog, match=r"position 7.*ThingMoved is not known"):
        Codec(KeyRing(keystore)).decode(record)


def as_version(number: int) -> type[Payload]:
    """Return the class that wrote `ThingMoved` in version 1 or 2."""
    fields: list[Any] = [("where" if number == 1 else "location", str)]
    kind: type[Payload] = msgspec.defstruct(
        "ThingMoved", fields, bases=(Payload,), frozen=True, kw_only=True,
        namespace={"version": number, "personal": False},
    )  # fmt: skip
    return kind


UPCASTERS = {
    ("ThingMoved", 1): lambda fields: {"location": fields["where"]},
    ("ThingMoved", 2): lambda fields: {
        "place": fields["location"].split("/")[0],
        "floor": int(fields["location"].split("/")[1]),
    },
}


@pytest.mark.parametrize(("version", "field"), [(1, "where"), (2, "location")])
def test_decode_upcasts_old_versions_step_by_step(
    keystore: MemoryKeyStore, version: int, field: str
) -> None:
    """An event of any age arrives in today's shape; its envelope keeps the version it had."""
    old_kind = as_version(version)
    older = Codec(KeyRing(keystore), catalogue={"ThingMoved": old_kind})
    record = record_of(older, new_event(old_kind(**{field: "attic/3"})))
    today = Codec(KeyRing(keystore), catalogue={"ThingMoved": ThingMoved}, upcasters=UPCASTERS)
    event = today.decode(record)
    assert event.payload == ThingMoved(place="attic", floor=3)
    assert event.envelope.version == version


def test_decode_fails_closed_when_an_upcaster_is_missing(keystore: MemoryKeyStore) -> None:
    """A step that nobody wrote is an error, not a guess."""
    old_kind = as_version(1)
    older = Codec(KeyRing(keystore), catalogue={"ThingMoved": old_kind})
    record = record_of(older, new_event(old_kind(where="attic/3")))
    today = Codec(KeyRing(keystore), catalogue={"ThingMoved": ThingMoved}, upcasters={})
    with pytest.raises(CorruptLog, match="no upcaster for version 1"):
        today.decode(record)


def test_decode_fails_closed_when_the_version_is_newer(keystore: MemoryKeyStore) -> None:
    """An old program does not read what it cannot know."""
    newer = Codec(KeyRing(keystore), catalogue={"ThingMoved": ThingMoved})
    record = record_of(newer, new_event(ThingMoved(place="attic", floor=3)))
    older = Codec(KeyRing(keystore), catalogue={"ThingMoved": as_version(2)})
    with pytest.raises(CorruptLog, match="run the newer program"):
        older.decode(record)


def test_errors_cross_processes(codec: Codec) -> None:
    """An error of the codec pickles with what it says."""
    with pytest.raises(CorruptLog) as caught:
        codec.decode(Record(position=7, kind="MessageReceived", user="usr_a", body=b""))
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


def test_decode_raises_key_destroyed_when_the_user_was_erased(
    codec: Codec, keystore: MemoryKeyStore
) -> None:
    """An erased user's events are gone, which is not corruption."""
    record = record_of(codec, new_event(said()))
    keystore.destroy("usr_a")
    codec.keys.forget("usr_a")
    with pytest.raises(KeyDestroyed):
        codec.decode(record)


@pytest.fixture
def journal(codec: Codec) -> Journal:
    return Journal(MemoryLog(3), codec, FixedClock(NOW))


async def test_journal_stamps_shard_and_time(journal: Journal) -> None:
    """The journal knows where and when; the caller does not say."""
    assert await journal.append([new_event(said())]) == (1,)
    (event,) = [event async for event in journal.read()]
    assert (event.envelope.shard, event.envelope.recorded_at) == (3, NOW)


async def test_journal_leaves_out_events_of_erased_users(
    journal: Journal, codec: Codec, keystore: MemoryKeyStore
) -> None:
    """Sealed or clear, an erased user's events are not there for any reader."""
    clear = CauseHandled(agent="chat", through=1)
    await journal.append(
        [
            new_event(said(), event_id="e1"),
            new_event(clear, event_id="e2", user="usr_a"),
            new_event(said(), event_id="e3", user="usr_b"),
        ]
    )
    keystore.destroy("usr_a")
    codec.keys.forget("usr_a")
    assert [event.id async for event in journal.read()] == ["e3"]
    batch = await anext(journal.follow())
    assert [event.id for event in batch.events] == ["e3"]
    assert batch.through == 3


async def test_journal_decodes_only_the_kinds_that_are_wanted(journal: Journal) -> None:
    """A reader moves on past kinds that it does not want, without opening them."""
    await journal.append(
        [
            new_event(said(), event_id="e1"),
            new_event(CauseHandled(agent="chat", through=1), event_id="e2"),
        ]
    )
    wanted = frozenset({"CauseHandled", "EventParked"})
    assert [event.id async for event in journal.read(kinds=wanted)] == ["e2"]
    assert [event.id async for event in journal.read(kinds=frozenset({"CauseHandled"}))] == ["e2"]
    assert await anext(journal.follow(kinds=frozenset())) == Batch(events=(), through=2)
    assert [event.id async for event in journal.read(user="usr_a")] == ["e1"]
