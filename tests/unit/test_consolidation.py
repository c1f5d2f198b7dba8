"""Consolidation by rules: what is merged, what ends, what fades, and what is left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consolidation.likeness import gist, says_no_more
from actors.consolidation.limits import ConsolidationLimits, limits_of
from actors.consolidation.passes import Pass, consolidated
from actors.consolidation.steps import Enrich, Fade, Merge, Supersede, effect_of
from actors.effects import Append, Effect, Revise
from events.catalogue import (
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    Payload,
)
from events.errors import CommandRejected
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    MemoryDraft,
    ProceduralContent,
    Provenance,
    ResourceContent,
    SemanticContent,
    Tier,
    VaultContent,
    tier_of,
)
from projections.tiers import Memory, Shelf, evolve
from tests.unit.builders import NOON, event_of

USUAL = ConsolidationLimits()


def fact(text: str, name: str = "Bo") -> SemanticContent:
    """Return a fact about somebody."""
    return SemanticContent(name=name, summary=text)


def held(shelf: Shelf, id: str, content: Content, *, age_days: float = 0, **fields: Any) -> None:
    """Put a memory on a shelf that was recorded so long before noon."""
    draft = MemoryDraft(id=id, content=content, **fields)
    fold(shelf, MemoryRecorded(memory=draft), age_days=age_days)


def fold(shelf: Shelf, payload: Payload, *, age_days: float = 0) -> None:
    """Fold a payload into a shelf at the next position."""
    event = event_of(payload, position=len(shelf.memories) + 1)
    recorded_at = NOON - timedelta(days=age_days)
    envelope = msgspec.structs.replace(event.envelope, recorded_at=recorded_at)
    evolve(shelf, msgspec.structs.replace(event, envelope=envelope))


def shelf_of(*contents: Content, **fields: Any) -> Shelf:
    """Return a shelf with memories a, b, c and so on."""
    shelf = Shelf()
    for id_, content in zip("abcdefgh", contents, strict=False):
        held(shelf, id_, content, **fields)
    return shelf


def passed(shelf: Shelf, tier: Tier = "semantic", at: datetime = NOON, limits: Any = USUAL) -> Pass:
    """Consolidate a shelf."""
    return consolidated(tier, shelf, at, limits)


def carried_out(shelf: Shelf, found: Pass, tier: Tier = "semantic") -> Shelf:
    """Return the shelf after the steps of a pass."""
    after = shelf.layered()
    for step in found.steps:
        fold(after, _payload(effect_of(step, tier)))
    return after


def _payload(effect: Effect) -> Payload:
    if isinstance(effect, Append):
        return effect.payload
    assert isinstance(effect, Revise)
    return MemoryRevised(
        tier=effect.tier, memory_id=effect.memory_id, content=effect.content, tags=effect.tags
    )


def pairs(found: Pass) -> list[tuple[str, str]]:
    """Return what is merged into what."""
    return [(step.memory_id, step.into) for step in found.steps if isinstance(step, Merge)]


def says_nothing_new(one: Content, other: Content) -> bool:
    """Ask whether the first says no more than the second."""
    memories = [
        Memory(id="x", content=content, recorded_at=NOON, position=1) for content in (one, other)
    ]
    return says_no_more(gist(memories[0]), gist(memories[1]), USUAL.likeness_min)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact("Bo collects antique lamps"), fact("Bo  collects, antique LAMPS!")),
        (fact("Bo collects an antique lamp"), fact("Bo collects antique lamps")),
        (fact("Bo collects antique brass lamps"), fact("Bo collects antique small brass lamps")),
        (CoreContent(text="我对花生过敏"), CoreContent(text="我对花生过敏。")),
        (CoreContent(text="小林在上海的图书馆工作"), CoreContent(text="小林在上海的图书馆工作吧")),
        (
            EpisodicContent(event_type="meal", summary="Dinner with Zoe", occurred_at="2026-01-02"),
            EpisodicContent(event_type="trip", summary="dinner with Zoe", occurred_at="2026-01-02"),
        ),
        (
            VaultContent(entry_type="code", caption="alarm code", secret_fingerprint="f1"),
            VaultContent(entry_type="code", caption="Alarm code", secret_fingerprint="f1"),
        ),
    ],
)
def test_memory_says_no_more_when_all_its_words_are_in_the_other(
    one: Content, other: Content
) -> None:
    """Case, spaces, punctuation and the plural are no difference; a word more on one side is."""
    assert says_nothing_new(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fact("Bo lives in Rome"), fact("Bo lives in Oslo")),
        (fact("Bo likes tea"), fact("Bo does not like tea")),
        (fact("Bo likes green tea very much"), fact("Bo no longer likes green tea very much")),
        (fact("Bo is a baker in the old town"), fact("Bo was a baker in the old town")),
        (fact("Bo plays the cello"), fact("Bo plays the cello", name="Imke")),
        (fact("the alarm code of the shed"), fact("the alarm code of the shed 4003")),
        (fact("it is 5.5 long"), fact("it is 5 long")),
        (fact("Bo writes C"), fact("Bo writes C++")),
        (fact("likes tea"), fact("Carla told that her mother in Leeds likes tea and cake")),
        (CoreContent(text="我对花生过敏"), CoreContent(text="我对花生不过敏")),
        (CoreContent(text="他在上海工作"), CoreContent(text="他曾在上海工作")),
        (CoreContent(text="kind"), CoreContent(block="persona", text="kind")),
        (
            EpisodicContent(event_type="meal", summary="Dinner", occurred_at="2026-01-02"),
            EpisodicContent(event_type="meal", summary="Dinner", occurred_at="2026-01-03"),
        ),
        (
            VaultContent(entry_type="code", caption="alarm code", secret_fingerprint="f1"),
            VaultContent(entry_type="code", caption="alarm code", secret_fingerprint="f2"),
        ),
        (
            ProceduralContent(description="Clean it", steps=("rinse", "dry")),
            ProceduralContent(description="Clean it", steps=("dry", "rinse")),
        ),
        (
            ResourceContent(title="Kiln", summary="x", resource_type="pdf", chunks=("one",)),
            ResourceContent(title="Kiln", summary="x", resource_type="pdf", chunks=("two",)),
        ),
    ],
)
def test_memory_says_something_of_its_own_when_meaning_or_matter_differ(
    one: Content, other: Content
) -> None:
    """Places, negations, tenses, numbers, dates, secrets and the order of steps are meaning."""
    assert not says_nothing_new(one, other)
    assert not says_nothing_new(other, one) or len(gist_words(other)) < len(gist_words(one))


def gist_words(content: Content) -> frozenset[str]:
    """Return the words that count of a content."""
    return gist(Memory(id="x", content=content, recorded_at=NOON, position=1)).words


def test_richest_memory_keeps_its_place_and_takes_over_sources_and_tags() -> None:
    """The others are merged into it; sources of all are its own, the oldest tags come along."""
    shelf = Shelf()
    texts = {
        "a": "Bo collects antique brass lamps",
        "b": "Bo collects antique brass table lamps",
        "c": "Bo collects antique brass table lamps!",
    }
    for id_, text in texts.items():
        sources = Provenance(message_ids=(f"m-{id_}",))
        held(shelf, id_, fact(text), provenance=sources, tags=(f"tag-{id_}",))
    found = passed(shelf)
    assert set(pairs(found)) == {("a", "b"), ("c", "b")}
    after = carried_out(shelf, found)
    (kept,) = after.active()
    assert (kept.id, kept.tags) == ("b", ("tag-b", "tag-c", "tag-a"))
    assert set(after.sources(kept).message_ids) == {"m-a", "m-b", "m-c"}
    assert {after.memories[id_].status for id_ in "ac"} == {"merged"}
    assert {step.reason for step in found.steps if isinstance(step, Merge)} == {
        "says the same",
        "says no more: 83% of the words, none of its own",
    }


def test_second_pass_does_nothing_when_the_first_was_carried_out() -> None:
    """A tier that is in order stays as it is."""
    shelf = shelf_of(fact("Bo bakes bread"), fact("Bo bakes bread"), fact("Imke sings"))
    first = passed(shelf)
    assert pairs(first) == [("b", "a")]
    assert passed(carried_out(shelf, first)).steps == ()


def test_newer_memory_supersedes_when_two_hold_on_one_matter() -> None:
    """The older one ends when the newer one began; what says the same was merged before."""
    shelf = Shelf()
    for id_, text, day in (("a", "a cook", 3), ("b", "a baker", 1), ("c", "a baker!", 2)):
        began = NOON - timedelta(days=day)
        held(shelf, id_, fact(f"Bo is {text}"), key="job:bo", valid_from=began)
    found = passed(shelf)
    assert pairs(found) == [("c", "b")]
    (ended,) = (step for step in found.steps if isinstance(step, Supersede))
    assert (ended.memory_id, ended.by, ended.valid_to) == ("a", "b", NOON - timedelta(days=1))
    after = carried_out(shelf, found)
    assert [memory.id for memory in after.active()] == ["b"]
    assert after.memories["a"].valid_to == NOON - timedelta(days=1)


def test_weak_old_memories_fade_and_important_or_young_ones_do_not() -> None:
    """Importance halves every half-life; below the limit it is out of sight, with the figures."""
    shelf = Shelf()
    held(shelf, "weak", fact("Bo hummed a tune"), importance=0.2, age_days=400)
    held(shelf, "weaker", fact("Bo sneezed twice"), importance=0.1, age_days=400)
    held(shelf, "strong", fact("Bo married Imke"), importance=0.95, age_days=400)
    held(shelf, "young", fact("Bo found a coin"), importance=0.01, age_days=10)
    found = passed(shelf)
    assert [step.memory_id for step in found.steps] == ["weaker", "weak"]
    assert found.steps[1].reason == "importance 0.20 has faded to 0.043 in 400 days"
    assert found.looked_at == 4
    after = carried_out(shelf, found)
    assert after.memories["weak"].status == "forgotten"
    kept = ConsolidationLimits(never_fade=("semantic",))
    assert passed(shelf, limits=kept).steps == ()


@pytest.mark.parametrize(
    "content", [CoreContent(text="likes tea"), VaultContent(entry_type="code", caption="door")]
)
def test_core_and_vault_never_fade(content: Content) -> None:
    """Whatever the limits say."""
    shelf = shelf_of(content, importance=0.01, age_days=20_000)
    assert passed(shelf, tier_of(content)).steps == ()


def test_memory_does_not_fade_when_it_was_told_again() -> None:
    """What was merged into it counts as coming back to it, in this pass or an earlier one."""
    shelf = Shelf()
    held(shelf, "old", fact("Bo hums tunes"), importance=0.2, age_days=900)
    assert [type(step) for step in passed(shelf).steps] == [Fade]
    held(shelf, "new", fact("Bo hums tunes"), importance=0.1, age_days=1)
    first = passed(shelf)
    assert pairs(first) == [("new", "old")]
    assert passed(carried_out(shelf, first)).steps == ()


@pytest.mark.parametrize("how", ["client", "revised", "restored"])
def test_nothing_made_by_hand_is_ended(how: str) -> None:
    """Neither merged, nor superseded, nor faded: who put it so decides."""
    by = Provenance(extractor="client" if how == "client" else "rules")
    shelf = Shelf()
    text = fact("Bo bakes rye bread")
    held(shelf, "hand", text, key="k", importance=0.01, age_days=900, provenance=by)
    if how == "revised":
        fold(shelf, MemoryRevised(tier="semantic", memory_id="hand", content=text))
    if how == "restored":
        fold(shelf, MemoryMerged(tier="semantic", memory_id="hand", into="x"))
        fold(shelf, MemoryRestored(tier="semantic", memory_id="hand"))
    held(shelf, "richer", fact("Bo bakes dark rye bread daily"), key="k", age_days=1)
    assert passed(shelf).steps == ()
    held(shelf, "same", text, age_days=1)
    found = passed(shelf)
    assert pairs(found) in ([("same", "hand")], [("same", "richer")])


def test_pass_is_bounded_when_there_is_more_to_do() -> None:
    """So many steps and no more; the next pass goes on where this one ended."""
    shelf = Shelf()
    for number in range(12):
        held(shelf, f"m{number:02}", fact(f"fact number {number // 2}"))
    limits = ConsolidationLimits(steps_max=4)
    first = passed(shelf, limits=limits)
    assert len(first.steps) == 4
    shelf = carried_out(shelf, first)
    second = passed(shelf, limits=limits)
    assert len(second.steps) == 2
    assert passed(carried_out(shelf, second), limits=limits).steps == ()
    few = passed(shelf, limits=ConsolidationLimits(looked_at_max=2))
    assert few.looked_at == 4  # the two latest are compared, the two oldest may fade


def test_empty_shelf_and_wordless_texts_are_nothing_to_do() -> None:
    """An emoji is a text; two different ones do not say the same."""
    assert passed(Shelf()) == Pass(looked_at=0, steps=())
    assert passed(shelf_of(fact("🙂", name="🙂"), fact("🙃", name="🙃"))).steps == ()
    assert pairs(passed(shelf_of(fact("🙂", name="🙂"), fact("🙂", name="🙂")))) == [("b", "a")]


def test_limits_are_refused_when_out_of_bounds_or_unknown() -> None:
    """A request with limits that mean nothing is not half understood."""
    assert limits_of({"half_life_days": 30}).half_life_days == 30
    with pytest.raises(CommandRejected, match="half_life_days"):
        limits_of({"half_life_days": 0})
    with pytest.raises(CommandRejected, match="halflife"):
        limits_of({"halflife": 3})


TEXTS = ("red boat", "red boat!", "a red boat at sea", "not a red boat", "红色的船", "红色的船。")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TEXTS),
            st.sampled_from(["", "k1", "k2"]),
            st.sampled_from([0.01, 0.5]),
            st.integers(0, 900),
            st.sampled_from(["rules", "client"]),
        ),
        max_size=12,
    )
)
def test_passes_are_deterministic_end_each_memory_once_and_come_to_an_end(
    told: list[tuple[str, str, float, int, str]],
) -> None:
    """No memory ends twice, none made by hand; a few passes later nothing is left to be done."""
    shelf = Shelf()
    for number, (text, key, importance, age, by) in enumerate(told):
        held(
            shelf,
            f"m{number}",
            fact(text),
            key=key,
            importance=importance,
            age_days=age,
            provenance=Provenance(extractor=by),
        )
    found = passed(shelf)
    assert found == passed(shelf)
    ended = [step.memory_id for step in found.steps if not isinstance(step, Enrich)]
    assert len(ended) == len(set(ended))
    for step in found.steps:
        if not isinstance(step, Enrich):
            assert shelf.memories[step.memory_id].provenance.extractor == "rules"
        other = step.into if isinstance(step, Merge) else ""
        assert other not in ended
    for _ in told:
        shelf = carried_out(shelf, passed(shelf))
    assert passed(shelf).steps == ()
