"""Moving a person to another embedding model: what is searched before, meanwhile and after."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.deciders.search import SearchDecider
from actors.effects import EmbedMemory, EmbedMessage
from actors.embedding import HashEmbedder, to_event_bytes
from events.catalogue import (
    EmbeddingModelSwitched,
    MemoryEmbedded,
    MemoryForgotten,
    MemoryRevised,
    MessageEmbedded,
    Payload,
    ReembeddingBegun,
)
from events.memory import ResourceContent, SemanticContent, passages, texts_hash
from projections.base import state_hash
from projections.retrieval_projection import RetrievalProjection
from tests.unit.test_retrieval_projection import BOAT, ada_event, find, fold, recorded, said

OLD, NEW = HashEmbedder(64), HashEmbedder(16)
MODELS = {model.model_id: model for model in (OLD, NEW)}
TEXTS = {1: "The lighthouse is open on Sundays.", 2: "A red kite over the harbour."}


def message_embedded(number: int, model: HashEmbedder) -> MessageEmbedded:
    """Return the vector of one of the messages."""
    vector = to_event_bytes(model.embed([TEXTS[number]])[0])
    return MessageEmbedded(message_id=f"m{number}", model=model.model_id, vector=vector)


def boat_embedded(
    model: HashEmbedder, content: SemanticContent = BOAT, *, later: bool = False
) -> MemoryEmbedded:
    """Return the vector of the memory of the boat, as its owner or `later` somebody gives it."""
    texts = passages(content)
    return MemoryEmbedded(
        tier="semantic",
        memory_id="mem1",
        model=model.model_id,
        vectors=tuple(to_event_bytes(row) for row in model.embed(texts)),
        text_hash=texts_hash(texts) if later else "",
    )


def begun(model: HashEmbedder = NEW) -> ReembeddingBegun:
    return ReembeddingBegun(model=model.model_id)


def switched(model: HashEmbedder = NEW, old: HashEmbedder = OLD) -> EmbeddingModelSwitched:
    return EmbeddingModelSwitched(model=model.model_id, previous=old.model_id)


BEFORE: tuple[Payload, ...] = (
    said(1, TEXTS[1]),
    message_embedded(1, OLD),
    recorded("mem1", BOAT, "m1"),
    boat_embedded(OLD),
)
MOVED: tuple[Payload, ...] = (
    *BEFORE,
    begun(),
    message_embedded(1, NEW),
    boat_embedded(NEW, later=True),
)


def found_by_meaning(view: RetrievalProjection, text: str) -> str:
    """Return what is nearest to a question's vector alone, of the model that the person has."""
    vector = MODELS[view.index.model_of("ada")].embed([text])[0]
    return find(view, "x", vector=vector, method="embedding")[0].id


def test_searches_go_on_with_the_old_vectors_until_the_switch() -> None:
    """The new ones are there and seen by nobody; the switch puts them in place, the old ones go."""
    view = fold(*MOVED)
    assert view.index.model_of("ada") == OLD.model_id
    assert view.index.models_of("ada") == (OLD.model_id, NEW.model_id)
    assert found_by_meaning(view, TEXTS[1]) == "m1"
    assert view.index.lacking("ada", NEW.model_id) == []
    view.apply(ada_event(9, switched()))
    assert view.index.models_of("ada") == (NEW.model_id,)
    assert found_by_meaning(view, TEXTS[1]) == "m1"
    assert find(view, "x", vector=OLD.embed([TEXTS[1]])[0], method="embedding") == []
    assert len(view.index.lacking("ada", OLD.model_id)) == 2


def test_passage_without_a_new_vector_is_found_by_its_words() -> None:
    """What came in the last moment is not lost, and is told as lacking."""
    view = fold(*MOVED, said(2, TEXTS[2]), message_embedded(2, OLD), switched())
    assert [one.id for one in view.index.lacking("ada", NEW.model_id)] == ["m2"]
    question = NEW.embed(["red kite"])[0]
    assert find(view, "red kite", vector=question)[0].id == "m2"
    view.apply(ada_event(20, message_embedded(2, NEW)))
    assert found_by_meaning(view, TEXTS[2]) == "m2"


@pytest.mark.parametrize(
    "change",
    [
        switched(),
        switched(HashEmbedder(8)),
        begun(OLD),
        message_embedded(1, NEW),
        boat_embedded(NEW),
    ],
    ids=["not begun", "to a third", "to the own", "a stray message", "a stray memory"],
)
def test_what_belongs_to_no_move_changes_nothing(change: Payload) -> None:
    """Vectors of another model, and a switch that nothing was gathered for, are passed over."""
    before, after = fold(*BEFORE), fold(*BEFORE)
    after.apply(ada_event(9, change))
    assert state_hash(after) == state_hash(before)


def test_move_to_a_third_model_begins_anew() -> None:
    """One model is gathered at a time; going back to the old one ends the move."""
    view = fold(*MOVED, begun(HashEmbedder(8)))
    assert view.index.models_of("ada") == (OLD.model_id, "hash-8")
    view.apply(ada_event(10, begun()))
    assert len(view.index.lacking("ada", NEW.model_id)) == 2
    view.apply(ada_event(11, begun(OLD)))
    assert state_hash(view) == state_hash(fold(*BEFORE))


def test_vectors_of_a_text_that_was_revised_meanwhile_are_passed_over() -> None:
    """They were made of what the memory said before."""
    painted = SemanticContent(name="boat", summary="Ada owns a painted boat.")
    revised = MemoryRevised(tier="semantic", memory_id="mem1", content=painted)
    view = fold(*BEFORE, begun(), revised, boat_embedded(NEW, later=True))
    assert [one.id for one in view.index.lacking("ada", NEW.model_id)] == ["m1", "mem1"]
    view.apply(ada_event(10, boat_embedded(NEW, painted, later=True)))
    assert [one.id for one in view.index.lacking("ada", NEW.model_id)] == ["m1"]


def test_person_without_any_vector_is_moved_as_well() -> None:
    """The first vectors of the new model are gathered, not searched."""
    view = fold(said(1, TEXTS[1]), begun(), message_embedded(1, NEW))
    assert view.index.models_of("ada") == ("", NEW.model_id)
    view.apply(ada_event(9, switched()))
    assert view.index.models_of("ada") == (NEW.model_id,)
    assert found_by_meaning(view, TEXTS[1]) == "m1"


def effects(*payloads: Payload) -> list[object]:
    """Return what the search agent concludes from the last of some payloads."""
    decider = SearchDecider()
    for position, payload in enumerate(payloads, 1):
        decider.projection.apply(ada_event(position, payload))
    return list(decider.decide(ada_event(len(payloads), payloads[-1])))


def test_message_gets_the_vectors_that_its_person_needs() -> None:
    """The system's own for who has none, both while they are being moved, the new one after it."""
    text = TEXTS[2]

    def embeds(*models: str) -> list[object]:
        return [EmbedMessage(message_id="m2", text=text, model=model) for model in models]

    assert effects(said(2, text)) == embeds("")
    assert effects(*BEFORE, said(2, text)) == embeds("hash-64")
    assert effects(*MOVED, said(2, text)) == embeds("hash-64", "hash-16")
    assert effects(*MOVED, switched(), said(2, text)) == embeds("hash-16")


def test_memory_gets_the_vectors_that_its_owner_did_not_give() -> None:
    """Its owner embeds by the system's own model, whatever its person is searched by."""
    by_new = EmbedMemory(
        tier="semantic", memory_id="mem1", texts=passages(BOAT), first=0, model="hash-16"
    )
    assert effects(*BEFORE) == []
    record = (said(1, TEXTS[1]), message_embedded(1, OLD), recorded("mem1", BOAT, "m1"))
    moving = (*record, begun(), boat_embedded(OLD))
    assert effects(*moving) == [by_new]
    assert effects(*moving, boat_embedded(NEW, later=True)) == []
    moved = (*record, begun(), message_embedded(1, NEW), switched())
    assert effects(*moved, boat_embedded(OLD)) == [by_new]


def test_only_the_passages_of_an_event_are_embedded_beside_it() -> None:
    """A large document's vectors come in several events."""
    content = ResourceContent(title="Kiln", summary="", resource_type="text", chunks=("a", "b"))
    part = MemoryEmbedded(
        tier="resource", memory_id="mem1", model="hash-64", vectors=(b"\0" * 128,), first=1
    )
    assert effects(*BEFORE[:2], begun(), recorded("mem1", content, "m1"), part) == [
        EmbedMemory(tier="resource", memory_id="mem1", texts=("a",), first=1, model="hash-16")
    ]


STEPS: dict[str, Payload] = {
    "say": said(1, TEXTS[1]),
    "say 2": said(2, TEXTS[2]),
    "old": message_embedded(1, OLD),
    "old 2": message_embedded(2, OLD),
    "new": message_embedded(1, NEW),
    "new 2": message_embedded(2, NEW),
    "record": recorded("mem1", BOAT, "m1"),
    "old boat": boat_embedded(OLD),
    "new boat": boat_embedded(NEW, later=True),
    "forget": MemoryForgotten(tier="semantic", memory_id="mem1"),
    "fade": MemoryForgotten(tier="semantic", memory_id="mem1", restorable=True),
    "begin": begun(),
    "begin back": begun(OLD),
    "switch": switched(),
    "switch back": switched(OLD, NEW),
}


@settings(max_examples=100, deadline=None)
@given(history=st.lists(st.sampled_from(sorted(STEPS)), max_size=30), cut=st.integers(0, 30))
def test_snapshot_and_tail_give_the_state_of_the_log_wherever_a_move_stands(
    history: list[str], cut: int
) -> None:
    """Same hash, same models, same hits as a state that was never written down."""
    events = [ada_event(at, STEPS[step]) for at, step in enumerate(history, 1)]
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
    assert restored.index.models_of("ada") == live.index.models_of("ada")
    for model in (OLD, NEW):
        asked = {"vector": model.embed([TEXTS[1]])[0], "explain": True}
        assert find(restored, "kite", **asked) == find(live, "kite", **asked)
        name = model.model_id
        assert restored.index.lacking("ada", name) == live.index.lacking("ada", name)
