"""The fold of memory events into tiers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import (
    CoreBlockRewritten,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    MemorySuperseded,
    Payload,
)
from events.memory import CoreContent, MemoryDraft, Provenance, SemanticContent
from projections.base import state_hash
from projections.layer import Layer
from projections.tiers import TierProjection, evolve
from tests.unit.builders import NOON, event_of, recorded


def fact(text: str) -> SemanticContent:
    return SemanticContent(name="Bo", summary=text)


def folded(*payloads: Payload, tier: str = "semantic") -> TierProjection:
    projection = TierProjection(tier)  # type: ignore[arg-type]  # a test's literal
    for position, payload in enumerate(payloads, start=1):
        projection.apply(event_of(payload, position=position))
    return projection


def test_recording_keeps_the_first_when_an_id_comes_twice() -> None:
    """A conclusion that was repeated after a crash stands once, as it was first."""
    tier = folded(recorded(fact("likes tea")), recorded(fact("likes tea")))
    assert [memory.position for memory in tier.shelf("usr_ann").memories.values()] == [1]


def test_supersession_keeps_the_old_fact_with_its_end_when_a_new_one_comes() -> None:
    """What no longer holds stays in its place, marked with when and by what it was replaced."""
    tier = folded(
        recorded(fact("is a cook"), id="old", key="person:bo:job"),
        recorded(fact("is a baker"), id="new", key="person:bo:job"),
        MemorySuperseded(tier="semantic", memory_id="old", superseded_by="new", valid_to=NOON),
    )
    shelf = tier.shelf("usr_ann")
    assert (shelf.memories["old"].status, shelf.memories["old"].valid_to) == ("superseded", NOON)
    about = shelf.about("person:bo:job")
    assert about is not None
    assert about.id == "new"


def test_forgetting_takes_the_memory_out_when_it_is_there() -> None:
    """A forgotten memory leaves neither itself nor its key."""
    tier = folded(
        recorded(fact("x"), id="a", key="k"), MemoryForgotten(tier="semantic", memory_id="a")
    )
    assert not tier.shelf("usr_ann").memories
    assert tier.shelf("usr_ann").about("k") is None


def test_revision_counts_up_and_keeps_tags_when_none_are_given() -> None:
    """A revision changes what it names and nothing else."""
    tier = folded(
        recorded(fact("x"), id="a"),
        MemoryRevised(tier="semantic", memory_id="a", content=fact("y")),
    )
    memory = tier.shelf("usr_ann").memories["a"]
    assert (memory.content, memory.revision, memory.tags) == (fact("y"), 2, ())


def drawn(id: str, *messages: str) -> MemoryRecorded:
    """Return a memory about one matter, drawn from some messages."""
    provenance = Provenance(message_ids=messages)
    draft = MemoryDraft(id=id, content=fact(f"fact {id}"), key="k", provenance=provenance)
    return MemoryRecorded(memory=draft)


def test_merging_ends_one_memory_and_unites_the_sources() -> None:
    """What was merged is readable in its place; the other one speaks for the sources of both."""
    tier = folded(
        drawn("a", "m1"),
        drawn("b", "m2"),
        drawn("c", "m1", "m3"),
        MemoryMerged(tier="semantic", memory_id="c", into="b"),
        MemoryMerged(tier="semantic", memory_id="b", into="a"),
    )
    shelf = tier.shelf("usr_ann")
    merged = shelf.memories["b"]
    assert (merged.status, merged.superseded_by, merged.content) == ("merged", "a", fact("fact b"))
    assert [memory.id for memory in shelf.active()] == ["a"]
    assert shelf.sources(shelf.memories["a"]).message_ids == ("m1", "m2", "m3")
    assert shelf.by_key["k"] == ("a",)


@pytest.mark.parametrize(
    "end",
    [
        MemoryMerged(tier="semantic", memory_id="a", into="b"),
        MemorySuperseded(tier="semantic", memory_id="a", superseded_by="b", valid_to=NOON),
        MemoryForgotten(tier="semantic", memory_id="a", restorable=True),
    ],
    ids=["merged", "superseded", "faded"],
)
def test_restoring_gives_the_state_before_when_a_memory_had_ended(end: Payload) -> None:
    """Undoing is exact but for a revision more: how it stands, its place and sources are back."""
    before = folded(drawn("a", "m1"), drawn("b", "m2"))
    between = folded(drawn("a", "m1"), drawn("b", "m2"), end)
    after = folded(
        drawn("a", "m1"), drawn("b", "m2"), end, MemoryRestored(tier="semantic", memory_id="a")
    )
    assert [memory.id for memory in between.shelf("usr_ann").active()] == ["b"]
    shelf = after.shelf("usr_ann")
    expected = dict(before.shelf("usr_ann").memories)
    expected["a"] = msgspec.structs.replace(expected["a"], revision=2)
    assert shelf.memories == expected
    assert shelf.by_key["k"] == ("a", "b")
    assert shelf.sources(shelf.memories["b"]).message_ids == ("m2",)
    assert not shelf.merged


def test_restoring_brings_nothing_back_when_it_was_forgotten_for_good() -> None:
    """What somebody asked to forget is only in the log."""
    tier = folded(
        drawn("a", "m1"),
        MemoryForgotten(tier="semantic", memory_id="a", restorable=True),
        MemoryForgotten(tier="semantic", memory_id="a"),
        MemoryRestored(tier="semantic", memory_id="a"),
    )
    assert not tier.shelf("usr_ann").memories


def test_rewriting_a_block_hides_the_lines_left_out() -> None:
    """A rewritten block shows the kept lines; the others stay in the tier."""
    tier = folded(
        recorded(CoreContent(text="one"), id="a"),
        recorded(CoreContent(text="two"), id="b"),
        CoreBlockRewritten(block="human", memory_ids=("b",)),
        tier="core",
    )
    shelf = tier.shelf("usr_ann")
    assert [line.id for line in shelf.block("human")] == ["b"]
    assert set(shelf.memories) == {"a", "b"}


def test_another_tier_takes_no_notice_of_a_memory() -> None:
    """Each tier folds its own events only."""
    assert not folded(recorded(fact("x")), tier="episodic").shelves


def test_restoring_gives_the_same_hash_when_taken_from_a_snapshot() -> None:
    """A snapshot holds all of the state."""
    tier = folded(
        recorded(fact("x"), id="a", key="k"),
        recorded(fact("y"), id="b"),
        recorded(fact("z"), id="c"),
        recorded(fact("z"), id="d"),
        MemorySuperseded(tier="semantic", memory_id="a", superseded_by="b", valid_to=NOON),
        MemoryMerged(tier="semantic", memory_id="d", into="b"),
        MemoryMerged(tier="semantic", memory_id="c", into="b"),
    )
    again = TierProjection("semantic")
    again.restore(tier.snapshot())
    assert state_hash(again) == state_hash(tier)
    assert again.shelf("usr_ann").about("k") is None
    assert again.shelf("usr_ann").merged == tier.shelf("usr_ann").merged == {"b": ("c", "d")}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("record"), st.integers(0, 5), st.integers(0, 2)),
            st.tuples(st.just("forget"), st.integers(0, 5), st.just(0)),
            st.tuples(st.just("supersede"), st.integers(0, 5), st.integers(0, 5)),
            st.tuples(st.just("merge"), st.integers(0, 5), st.integers(0, 5)),
            st.tuples(st.just("fade"), st.integers(0, 5), st.just(0)),
            st.tuples(st.just("restore"), st.integers(0, 5), st.just(0)),
        ),
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_a_layered_shelf_reads_as_the_shelf_would_after_the_same_events(
    steps: list[tuple[str, int, int]], split: int
) -> None:
    """Deciding on own conclusions not yet read back is deciding on what will be read back."""
    events = [
        event_of(_payload(kind, number, other), position=at)
        for at, (kind, number, other) in enumerate(steps, 1)
    ]
    base, whole = TierProjection("semantic"), TierProjection("semantic")
    for event in events[:split]:
        base.apply(event)
    ahead = base.shelf("usr_ann").layered()
    for event in events[split:]:
        evolve(ahead, event)
    for event in events:
        whole.apply(event)
    expected = whole.shelf("usr_ann")
    assert dict(ahead.memories) == dict(expected.memories)
    assert dict(ahead.by_key) == dict(expected.by_key)
    assert dict(ahead.merged) == dict(expected.merged)
    again = TierProjection("semantic")
    again.restore(whole.snapshot())
    restored = again.shelf("usr_ann")
    assert (restored.by_key, restored.merged) == (expected.by_key, expected.merged)


def _payload(kind: str, number: int, other: int) -> Payload:
    match kind:
        case "record":
            return recorded(fact(f"fact {number}"), id=f"m{number}", key=f"k{other}")
        case "forget":
            return MemoryForgotten(tier="semantic", memory_id=f"m{number}")
        case "fade":
            return MemoryForgotten(tier="semantic", memory_id=f"m{number}", restorable=True)
        case "merge":
            return MemoryMerged(tier="semantic", memory_id=f"m{number}", into=f"m{other}")
        case "restore":
            return MemoryRestored(tier="semantic", memory_id=f"m{number}")
        case _:
            return MemorySuperseded(
                tier="semantic", memory_id=f"m{number}", superseded_by=f"m{other}", valid_to=NOON
            )


def test_layer_refuses_to_delete_what_is_not_there() -> None:
    """A layer fails on a missing key as any mapping does."""
    layer = Layer({"a": 1})
    del layer["a"]
    with pytest.raises(KeyError):
        del layer["a"]
    assert (len(layer), list(layer)) == (0, [])


def test_a_restored_shelf_decides_as_the_live_one_when_a_key_was_shared() -> None:
    """What a key stands for follows from the memories, so it is the same after a restart."""
    live = folded(
        recorded(fact("x"), id="a", key="k"),
        recorded(fact("y"), id="b", key="k"),
        MemoryForgotten(tier="semantic", memory_id="b"),
    )
    restored = TierProjection("semantic")
    restored.restore(live.snapshot())
    for tier in (live, restored):
        about = tier.shelf("usr_ann").about("k")
        assert about is not None
        assert about.id == "a"
