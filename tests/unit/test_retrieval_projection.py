"""Events in, searches out: the retrieval view of the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.embedding import to_event_bytes
from events.catalogue import (
    MemoryEmbedded,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    MemorySuperseded,
    MessageEmbedded,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from events.memory import (
    Content,
    EpisodicContent,
    MemoryDraft,
    Provenance,
    ResourceContent,
    SemanticContent,
    VaultContent,
    tier_of,
)
from projections.base import Projection, state_hash
from projections.retrieval.passage import Hit, SearchRequest
from projections.retrieval_projection import RetrievalProjection
from tests.unit.builders import event_of
from tests.unit.test_retrieval_support import TWIN

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def ada_event(position: int, payload: Payload) -> Event:
    """Return a payload of Ada's as it comes out of the log."""
    return event_of(payload, position=position, user="ada")


def said(number: int, content: str, **fields: object) -> MessageReceived:
    """Return a message of Ada's."""
    given = {"conversation": "c1", "name": "Ada", "said_at": MONDAY + timedelta(minutes=number)}
    return MessageReceived(message_id=f"m{number}", content=content, **(given | fields))  # type: ignore[arg-type]  # keyword fields of the payload


def recorded(
    id: str, content: Content, source: str, span: tuple[int, int] = (0, 0)
) -> MemoryRecorded:
    """Return a memory drawn from a message."""
    provenance = Provenance(message_ids=(source,), external_ids=("x1",))
    draft = MemoryDraft(id=id, content=content, provenance=provenance, tags=("home",))
    return MemoryRecorded(memory=draft, secret_span=span)


def embedded(id: str, content: Content, *texts: str) -> MemoryEmbedded:
    """Return the twin's vectors for a memory's passages."""
    vectors = tuple(to_event_bytes(vector) for vector in TWIN.embed(texts))
    return MemoryEmbedded(tier=tier_of(content), memory_id=id, model="twin", vectors=vectors)


def fold(*payloads: Payload) -> RetrievalProjection:
    """Return the view after these payloads, one a position."""
    view = RetrievalProjection()
    for position, payload in enumerate(payloads, 1):
        view.apply(ada_event(position, payload))
    return view


def find(view: RetrievalProjection, query: str, **fields: object) -> list[Hit]:
    """Search Ada's passages by words, or as the fields say."""
    return view.index.search(SearchRequest(user="ada", query=query, **fields))  # type: ignore[arg-type]  # keyword fields of the request


BOAT = SemanticContent(name="boat", summary="Ada owns a wooden boat.")


def test_message_is_found_by_words_at_once_and_by_meaning_once_embedded() -> None:
    """The view is a `Projection`, and shows a message as it was said."""
    view: Projection = fold(said(1, "The lighthouse is open on Sundays.", external_id="x7"))
    assert isinstance(view, RetrievalProjection)
    (hit,) = find(view, "lighthouse")
    assert (hit.id, hit.tier, hit.speaker, hit.message_ids, hit.external_ids) == (
        "m1",
        "conversation",
        "Ada",
        ("m1",),
        ("x7",),
    )
    vector = TWIN.embed(["The lighthouse is open on Sundays."])[0]
    assert find(view, "lighthouse", vector=vector, method="embedding") == []
    view.apply(
        ada_event(2, MessageEmbedded(message_id="m1", model="twin", vector=to_event_bytes(vector)))
    )
    assert [hit.id for hit in find(view, "x", vector=vector, method="embedding")] == ["m1"]


def test_memory_takes_speaker_time_and_conversation_from_its_message() -> None:
    """It is found beside the message, with the ids that it was drawn from."""
    content = EpisodicContent(event_type="trip", summary="Sailed to Skye", occurred_at="2026-02-28")
    view = fold(said(1, "On Saturday I sailed to Skye."), recorded("mem1", content, "m1"))
    (hit,) = find(view, "sailing", tiers=("episodic",))
    assert (hit.speaker, hit.conversation, hit.said_at) == (
        "Ada",
        "c1",
        MONDAY + timedelta(minutes=1),
    )
    assert (hit.occurred_at, hit.external_ids, hit.tags) == ("2026-02-28", ("x1",), ("home",))


def test_document_is_found_by_each_of_its_chunks() -> None:
    """Every chunk is a passage with a vector of its own."""
    content = ResourceContent(
        title="Manual", summary="Boiler", resource_type="pdf", chunks=("valves", "thermostat")
    )
    view = fold(
        recorded("mem1", content, "m1"),
        embedded("mem1", content, "Manual Boiler", "valves", "thermostat"),
    )
    assert [(hit.id, hit.ordinal) for hit in find(view, "thermostat", method="bm25")] == [
        ("mem1", 2)
    ]
    vector = TWIN.embed(["valves"])[0]
    assert find(view, "", vector=vector, method="embedding")[0].ordinal == 1


def test_revised_superseded_and_forgotten_memories_follow_the_log() -> None:
    """New text for old, ended but findable when asked for, gone."""
    painted = SemanticContent(name="boat", summary="Ada owns a painted boat.")
    revised = MemoryRevised(tier="semantic", memory_id="mem1", content=painted)
    ended = MemorySuperseded(
        tier="semantic", memory_id="mem1", superseded_by="mem2", valid_to=MONDAY
    )
    gone = MemoryForgotten(tier="semantic", memory_id="mem1")
    view = fold(recorded("mem1", BOAT, "m1"), revised)
    assert find(view, "wooden", method="bm25") == []
    (hit,) = find(view, "painted", method="bm25")
    assert (hit.position, hit.tags) == (1, ("home",))
    view.apply(ada_event(3, ended))
    assert find(view, "painted") == []
    assert len(find(view, "painted", include_ended=True)) == 1
    view.apply(ada_event(4, gone))
    assert find(view, "painted", include_ended=True) == []
    assert view.snapshot() == {}


def test_merged_memory_rests_and_gives_its_sources_until_it_is_restored() -> None:
    """No search finds it, the other one shows the sources of both; then all is as before."""
    same = SemanticContent(name="boat", summary="A wooden boat is Ada's.")
    told = (
        recorded("mem1", BOAT, "m1"),
        recorded("mem2", same, "m2"),
        embedded("mem1", BOAT, "boat wooden"),
        embedded("mem2", same, "boat hers"),
    )
    merged = MemoryMerged(tier="semantic", memory_id="mem2", into="mem1")
    view = fold(*told, merged)
    (hit,) = find(view, "wooden boat", include_ended=True)
    assert (hit.id, hit.message_ids) == ("mem1", ("m1", "m2"))
    vector = TWIN.embed(["boat hers"])[0]
    assert [hit.id for hit in find(view, "x", vector=vector, method="embedding")] == ["mem1"]
    restored = RetrievalProjection()
    restored.restore(view.snapshot())
    assert state_hash(restored) == state_hash(view)
    for again in (view, restored):
        again.apply(ada_event(6, MemoryRestored(tier="semantic", memory_id="mem2")))
        assert state_hash(again) == state_hash(fold(*told))
        hits = find(again, "x", vector=vector, method="embedding")
        assert [(hit.id, hit.message_ids) for hit in hits] == [("mem2", ("m2",)), ("mem1", ("m1",))]


def test_faded_memory_comes_back_with_its_vector_when_it_is_restored() -> None:
    """It is out of all searches meanwhile, and was embedded once."""
    faded = MemoryForgotten(tier="semantic", memory_id="mem1", restorable=True)
    told = (recorded("mem1", BOAT, "m1"), embedded("mem1", BOAT, "boat"))
    view = fold(*told, faded)
    vector = TWIN.embed(["boat"])[0]
    assert find(view, "boat", vector=vector, include_ended=True) == []
    view.apply(ada_event(4, MemoryRestored(tier="semantic", memory_id="mem1")))
    assert [hit.id for hit in find(view, "x", vector=vector, method="embedding")] == ["mem1"]
    assert state_hash(view) == state_hash(fold(*told))


def test_superseded_memory_is_found_again_when_it_is_restored() -> None:
    """It holds again: no search has to ask for what ended."""
    ended = MemorySuperseded(
        tier="semantic", memory_id="mem1", superseded_by="mem2", valid_to=MONDAY
    )
    restored = MemoryRestored(tier="semantic", memory_id="mem1")
    view = fold(recorded("mem1", BOAT, "m1"), ended, restored)
    assert [hit.id for hit in find(view, "wooden")] == ["mem1"]


def test_secret_is_blotted_out_of_its_message_once_the_vault_keeps_it() -> None:
    """Neither shown nor found, and its message keeps its vector."""
    text = "Note that the alarm code is 5520, please."
    vault = VaultContent(entry_type="code", caption="alarm code")
    vector = to_event_bytes(TWIN.embed([text])[0])
    view = fold(
        said(1, text),
        MessageEmbedded(message_id="m1", model="twin", vector=vector),
        recorded("mem1", vault, "m1", (28, 32)),
    )
    shown = {hit.id: hit.text for hit in find(view, "alarm code")}
    assert shown["m1"] == "Note that the alarm code is ••••, please."
    assert find(view, "5520", method="string_match") == []
    assert b"5520" not in view.snapshot()["ada"]
    found = find(view, "", vector=TWIN.embed([text])[0], method="embedding")
    assert [hit.id for hit in found] == ["m1"]


@pytest.mark.parametrize(
    "repeated",
    [said(1, "Another text under the same id."), recorded("mem1", BOAT, "m1")],
)
def test_what_is_already_there_is_not_added_again(repeated: Payload) -> None:
    """A client that sends a message twice, or a conclusion that came twice, changes nothing."""
    view = fold(said(1, "The lighthouse is open."), recorded("mem1", BOAT, "m1"))
    before = state_hash(view)
    view.apply(ada_event(9, repeated))
    assert state_hash(view) == before


def test_restored_view_equals_the_live_one() -> None:
    """Same hash, same hits: a restart needs only the tail of the log."""
    live = fold(
        said(1, "The lighthouse is open on Sundays."),
        said(2, "Then let us take the boat."),
        recorded("mem1", BOAT, "m2"),
        embedded("mem1", BOAT, "boat Ada owns a wooden boat."),
    )
    restored = RetrievalProjection()
    restored.restore(live.snapshot())
    assert state_hash(restored) == state_hash(live)
    vector = TWIN.embed(["boat"])[0]
    assert find(restored, "boat", vector=vector) == find(live, "boat", vector=vector)


def payload_of(step: tuple[str, int, str]) -> Payload:
    """Return the payload of a step of a random history: messages m0… and memories mem0…."""
    kind, number, text = step
    content = SemanticContent(name=text.split()[0], summary=text)
    memory, draft = f"mem{number}", recorded(f"mem{number}", content, f"m{number}")
    match kind:
        case "say":
            return said(number, text, conversation=f"c{number % 2}")
        case "embed message":
            vector = to_event_bytes(TWIN.embed([text])[0])
            return MessageEmbedded(message_id=f"m{number}", model="twin", vector=vector)
        case "record":
            return draft
        case "embed":
            return embedded(memory, content, text)
        case "revise":
            return MemoryRevised(tier="semantic", memory_id=memory, content=content)
        case "end":
            return MemorySuperseded(
                tier="semantic", memory_id=memory, superseded_by="mem0", valid_to=MONDAY
            )
        case "merge":
            return MemoryMerged(tier="semantic", memory_id=memory, into="mem0")
        case "restore":
            return MemoryRestored(tier="semantic", memory_id=memory)
        case _:
            fades = kind == "fade"
            return MemoryForgotten(tier="semantic", memory_id=memory, restorable=fades)


histories = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("say", "embed message", "record", "record", "embed", "revise"),
                *("end", "merge", "fade", "restore", "forget"),
            ]
        ),
        st.integers(0, 4),
        st.sampled_from(["red boat", "a kite yesterday", "why the storm?", "周末 爬山"]),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(history=histories, cut=st.integers(0, 40))
def test_restored_view_follows_the_log_as_the_live_one(
    history: list[tuple[str, int, str]], cut: int
) -> None:
    """Wherever the snapshot was taken: snapshot and tail give the state and hits of the log."""
    events = [ada_event(at, payload_of(step)) for at, step in enumerate(history, 1)]
    live, restored = RetrievalProjection(), RetrievalProjection()
    for event in events:
        if event.position == cut:
            restored.restore(live.snapshot())
        live.apply(event)
        if event.position >= cut:
            restored.apply(event)
    if cut > len(events):
        restored.restore(live.snapshot())
    assert state_hash(restored) == state_hash(live)
    for query in ("red boat", "when was the storm?", "爬山"):
        asked = {"vector": TWIN.embed([query])[0], "include_ended": True, "explain": True}
        assert find(restored, query, **asked) == find(live, query, **asked)


def test_system_messages_are_not_indexed() -> None:
    """Instructions to an assistant are nothing that a person said."""
    assert find(fold(said(1, "Answer politely.", role="system")), "politely") == []
