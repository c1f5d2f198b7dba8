"""What differs between two states of the tiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.past.difference import difference
from actors.past.queries import Change
from events.catalogue import (
    MemoryForgotten,
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    Payload,
)
from events.memory import CoreContent, MemoryDraft, SemanticContent, Tier, VaultContent
from projections.plain import plain
from projections.tiers import TierProjection
from tests.unit.builders import NOON, event_of

ANN, BOB = "usr_ann", "usr_bob"

State = dict[Tier, TierProjection]


def kept(id: str, text: str) -> MemoryRecorded:
    """Return a fact that was recorded."""
    return MemoryRecorded(memory=MemoryDraft(id=id, content=SemanticContent(name=id, summary=text)))


def ended(id: str, by: str) -> MemorySuperseded:
    return MemorySuperseded(tier="semantic", memory_id=id, superseded_by=by, valid_to=NOON)


def state_of(
    *payloads: Payload,
    tiers: Sequence[Tier] = ("core", "semantic", "knowledge_vault"),
    user: str = ANN,
    first: int = 1,
) -> State:
    """Return the tiers that have folded these events."""
    state: State = {tier: TierProjection(tier) for tier in tiers}
    for position, payload in enumerate(payloads, first):
        for projection in state.values():
            projection.apply(event_of(payload, position=position, user=user))
    return state


def changes(
    before: Mapping[Tier, TierProjection],
    after: Mapping[Tier, TierProjection],
    ignored: frozenset[str] = frozenset(),
) -> tuple[Change, ...]:
    return difference(0, 1, 9, before, after, ignored=ignored).changes


def test_difference_names_what_was_added_changed_superseded_and_forgotten() -> None:
    """In order of tier, then of position; with both sides as plain fields."""
    first = [kept("a", "one"), kept("b", "two"), kept("c", "three"), kept("d", "four")]
    revised = MemoryRevised(
        tier="semantic", memory_id="b", content=SemanticContent(name="b", summary="2"), tags=("x",)
    )
    later = [
        kept("e", "five"),
        ended("a", "e"),
        MemoryForgotten(tier="semantic", memory_id="c"),
        revised,
        MemoryRecorded(memory=MemoryDraft(id="z", content=CoreContent(text="Likes tea."))),
    ]
    found = difference(3, 4, 9, state_of(*first), state_of(*first, *later))
    assert (found.shard, found.start, found.end) == (3, 4, 9)
    assert [(one.tier, one.id, one.kind, one.user) for one in found.changes] == [
        ("core", "z", "added", ANN),
        ("semantic", "a", "superseded", ANN),
        ("semantic", "b", "changed", ANN),
        ("semantic", "c", "forgotten", ANN),
        ("semantic", "e", "added", ANN),
    ]
    added, superseded, changed, forgotten, _ = found.changes
    assert added.before is None
    assert added.after is not None
    assert added.after["text"] == "Likes tea."
    assert superseded.fields == ("status", "valid_to", "superseded_by")
    assert changed.fields == ("content.summary", "tags", "revision")
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["text"], changed.after["text"]) == ("b\ntwo", "b\n2")
    assert forgotten.before is not None
    assert (forgotten.after, forgotten.fields) == (None, ())


def test_one_that_came_and_was_superseded_in_between_was_added() -> None:
    """A change is named by its two ends; that it no longer holds is in its fields."""
    (one, two) = changes(state_of(), state_of(kept("a", "1"), kept("b", "2"), ended("a", "b")))
    assert (one.id, one.kind, two.kind) == ("a", "added", "added")
    assert one.after is not None
    assert one.after["status"] == "superseded"


def test_equal_states_do_not_differ_and_ignored_fields_do_not_count() -> None:
    """A fork writes the same memories elsewhere and later."""
    log = [kept("a", "one"), kept("b", "two")]
    here, there = state_of(*log), state_of(*log, first=100)
    for shelf in there["semantic"].shelves.values():
        for id, memory in shelf.memories.items():
            later = memory.recorded_at + timedelta(days=1)
            shelf.memories[id] = msgspec.structs.replace(memory, recorded_at=later)
    assert changes(here, state_of(*log)) == ()
    assert {one.fields for one in changes(here, there)} == {("recorded_at", "position")}
    assert changes(here, there, frozenset({"position", "recorded_at"})) == ()


def test_secret_sealed_anew_is_the_same_secret() -> None:
    """Sealing gives other bytes each time: the fingerprint says whether it changed."""

    def vault(sealed: bytes, fingerprint: str) -> State:
        content = VaultContent(
            entry_type="code", caption="c", secret=sealed, secret_fingerprint=fingerprint
        )
        return state_of(MemoryRecorded(memory=MemoryDraft(id="a", content=content)))

    assert changes(vault(b"1", "f1"), vault(b"2", "f1")) == ()
    (changed,) = changes(vault(b"1", "f1"), vault(b"2", "f2"))
    assert changed.fields == ("content.secret_fingerprint",)


def test_user_and_tiers_narrow_it_down() -> None:
    """Everybody's and all six unless asked otherwise; a tier left out of a state is empty."""
    line = MemoryRecorded(memory=MemoryDraft(id="z", content=CoreContent(text="x")))
    after = state_of(kept("a", "one"), line)
    for projection, payload in ((after["semantic"], kept("b", "two")), (after["core"], line)):
        projection.apply(event_of(payload, position=7, user=BOB))

    def found(user: str = "", tiers: Sequence[Tier] = ()) -> list[tuple[str, str]]:
        told = difference(0, 0, 7, {}, after, user, tiers)
        return [(one.user, one.id) for one in told.changes]

    assert found() == [(ANN, "z"), (BOB, "z"), (ANN, "a"), (BOB, "b")]
    assert found(user=BOB) == [(BOB, "z"), (BOB, "b")]
    assert found(tiers=("semantic",)) == [(ANN, "a"), (BOB, "b")]
    assert found(user="usr_none") == []


IDS = ("a", "b", "c", "d")
PAYLOADS = st.one_of(
    st.builds(kept, st.sampled_from(IDS), st.sampled_from(("one", "two"))),
    st.builds(ended, st.sampled_from(IDS), st.sampled_from(IDS)),
    st.builds(
        lambda id, text: MemoryRevised(
            tier="semantic", memory_id=id, content=SemanticContent(name=id, summary=text)
        ),
        st.sampled_from(IDS),
        st.sampled_from(("one", "two")),
    ),
    st.builds(lambda id: MemoryForgotten(tier="semantic", memory_id=id), st.sampled_from(IDS)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PAYLOADS, max_size=12), st.integers(0, 12))
def test_difference_put_onto_the_first_state_gives_the_second(log: list[Payload], cut: int) -> None:
    """Nothing is left out, nothing is told that did not change, and the way back is the mirror."""
    before, after = state_of(*log[:cut]), state_of(*log)
    there = {m.id: plain(m) for m in before["semantic"].shelf(ANN).memories.values()}
    wanted = {m.id: plain(m) for m in after["semantic"].shelf(ANN).memories.values()}
    told = changes(before, after)
    for one in told:
        assert one.before == there.get(one.id) != one.after
        assert (one.kind == "added") == (one.before is None)
        assert (one.kind == "forgotten") == (one.after is None)
        if one.after is None:
            del there[one.id]
        else:
            there[one.id] = one.after
    assert there == wanted
    back = {one.id: (one.after, one.before, one.fields) for one in changes(after, before)}
    assert back == {one.id: (one.before, one.after, one.fields) for one in told}
