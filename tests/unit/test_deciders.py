"""Given events, when an agent decides, then these effects: the tier owners' own judgement."""

from __future__ import annotations

from datetime import datetime

import msgspec

from actors.deciders.core_memory import CORE_LINE_CHARS_MAX, CoreMemoryDecider
from actors.deciders.memory import MemoryDecider
from actors.deciders.settings import DeciderSettings
from actors.effects import Append, Effect, Keep, Revise
from actors.extraction.finding import Finding, Utterance
from events.catalogue import (
    CoreBlockRewritten,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryForgotten,
)
from events.memory import CoreContent, SemanticContent, Tier, VaultContent
from projections.tiers import CORE_BLOCK_CHARS_MAX
from tests.unit.builders import event_of, recorded, said


def fingerprint(user: str, secret: str) -> str:
    return f"{user}:{secret}"


def asked(change: str, memory_id: str, content: object = None) -> MemoryChangeRequested:
    tier = "core" if isinstance(content, CoreContent) else "semantic"
    return MemoryChangeRequested(tier=tier, change=change, memory_id=memory_id, content=content)  # type: ignore[arg-type]  # a test's literals


def carry_out(decider: MemoryDecider, effects: list[Effect]) -> None:
    """Fold what follows from effects, as if it had come back through the log."""
    for effect in effects:
        match effect:
            case Keep(draft=draft):
                memory = recorded(draft.content, id=draft.id, key=draft.key)
                decider.projection.apply(event_of(memory))
            case Append(payload=payload):
                decider.projection.apply(event_of(payload))
            case _:
                raise AssertionError(effect)


def test_two_facts_of_one_message_on_one_matter_leave_the_later_one() -> None:
    """What comes later in a message supersedes what came before on the same matter."""
    core = CoreMemoryDecider(fingerprint)
    effects = core.decide(event_of(said("I live in Paris. I live in Rome.")))
    carry_out(core, effects)
    about = core.projection.shelf("usr_ann").about("home")
    assert about is not None
    assert "Rome" in str(about.content)


def test_a_cause_decided_twice_changes_nothing_the_second_time() -> None:
    """A message that is in the log twice must not supersede by memories that are there already."""
    core = CoreMemoryDecider(fingerprint)
    first = event_of(said("I live in Paris.", id="m1"), id="e1")
    second = event_of(said("I live in Rome.", id="m2"), id="e2")
    for event in (first, second):
        carry_out(core, core.decide(event))
    assert core.decide(first) == []


def test_the_same_secret_twice_in_a_message_is_kept_once() -> None:
    """The vault recognises a secret that it has just kept."""
    vault = MemoryDecider("knowledge_vault", fingerprint)
    text = "The wifi password of the cabin is fjord-7731-Lodge. " * 2
    effects = vault.decide(event_of(said(text)))
    assert len([effect for effect in effects if isinstance(effect, Keep)]) == 1


def test_a_change_is_rejected_when_the_memory_is_not_there() -> None:
    """An owner answers every request: here with why it cannot be done."""
    tier = MemoryDecider("semantic", fingerprint)
    (effect,) = tier.decide(event_of(asked("forget", "nothing")))
    assert isinstance(effect, Append)
    assert isinstance(effect.payload, MemoryChangeRejected)


def test_a_change_is_carried_out_by_the_owner_when_the_memory_is_there() -> None:
    """Revising and forgetting are the owner's events."""
    tier = MemoryDecider("semantic", fingerprint)
    tier.projection.apply(event_of(recorded(SemanticContent(name="Bo", summary="x"), id="m")))
    (revised,) = tier.decide(
        event_of(asked("revise", "m", SemanticContent(name="Bo", summary="y")))
    )
    (forgotten,) = tier.decide(event_of(asked("forget", "m")))
    assert isinstance(revised, Revise)
    assert isinstance(forgotten, Append)
    assert isinstance(forgotten.payload, MemoryForgotten)


def test_a_vault_entry_keeps_its_secret_when_it_is_revised_without_one() -> None:
    """Changing a caption leaves the sealed secret as it is."""
    vault = MemoryDecider("knowledge_vault", fingerprint)
    sealed = VaultContent(
        entry_type="pin", caption="bike", secret=b"sealed", secret_fingerprint="f"
    )
    vault.projection.apply(event_of(recorded(sealed, id="m")))
    bare = VaultContent(entry_type="pin", caption="the bike")
    request = MemoryChangeRequested(
        tier="knowledge_vault", change="revise", memory_id="m", content=bare
    )
    (effect,) = vault.decide(event_of(request))
    assert isinstance(effect, Revise)
    assert isinstance(effect.content, VaultContent)
    assert (effect.content.secret, effect.content.caption) == (b"sealed", "the bike")


def test_a_block_is_rewritten_when_it_passes_nine_tenths_of_its_limit() -> None:
    """A full block keeps the most important lines within seven tenths."""
    core = CoreMemoryDecider(fingerprint)
    for number in range(4):
        line = CoreContent(text=f"{number} " + "x" * (CORE_LINE_CHARS_MAX - 10))
        core.projection.apply(event_of(recorded(line, id=f"m{number}"), position=number + 1))
    more = CoreContent(text="y" * (CORE_LINE_CHARS_MAX - 10))
    effects = core.decide(event_of(asked("record", "new", more)))
    (rewritten,) = [
        effect.payload
        for effect in effects
        if isinstance(effect, Append) and isinstance(effect.payload, CoreBlockRewritten)
    ]
    assert "new" in rewritten.memory_ids
    assert len(rewritten.memory_ids) * CORE_LINE_CHARS_MAX <= 0.75 * CORE_BLOCK_CHARS_MAX


def test_a_core_line_is_rejected_when_it_is_longer_than_a_line() -> None:
    """One line cannot fill a block."""
    core = CoreMemoryDecider(fingerprint)
    long = CoreContent(text="x" * (CORE_LINE_CHARS_MAX + 1))
    (effect,) = core.decide(event_of(asked("record", "m", long)))
    assert isinstance(effect, Append)
    assert isinstance(effect.payload, MemoryChangeRejected)


def test_two_speakers_of_one_talk_have_two_homes() -> None:
    """What one speaker says of themselves ends nothing that another one said."""
    core = CoreMemoryDecider(fingerprint)
    for number, (name, text) in enumerate(
        (("Nora", "I live in Lisbon."), ("小雨", "我住在杭州。"), ("Nora", "I live in Porto now."))
    ):
        message = msgspec.structs.replace(said(text, id=f"m{number}"), name=name)
        event = event_of(message, position=number + 1)
        carry_out(core, core.decide(event))
    held = [str(memory.content) for memory in core.projection.shelf("usr_ann").active()]
    assert len(held) == 2
    assert not any("Lisbon" in text for text in held)


class Flood:
    """Finds as many facts as it is asked to, less and less important."""

    name = "flood"

    def __init__(self, count: int) -> None:
        self._found = tuple(
            Finding(content=SemanticContent(name=f"n{n}", summary="s"), importance=1 - n / count)
            for n in range(count)
        )

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        return self._found

    def from_document(
        self, tier: Tier, title: str, text: str, said_at: datetime, uri: str
    ) -> tuple[Finding, ...]:
        return self._found


def test_a_flood_of_findings_is_cut_off() -> None:
    """One cause gives a bounded number of memories, and the extractor's name is on each."""
    settings = DeciderSettings(findings_max=7)
    effects = MemoryDecider("semantic", fingerprint, Flood(999), settings).decide(
        event_of(said("whatever"))
    )
    assert len(effects) == 7
    assert {e.draft.provenance.extractor for e in effects if isinstance(e, Keep)} == {"flood"}


def test_what_is_less_important_than_wanted_is_not_kept() -> None:
    """The least importance of a finding is a setting of the decider."""
    settings = DeciderSettings(importance_min=0.5)
    effects = MemoryDecider("semantic", fingerprint, Flood(10), settings).decide(
        event_of(said("whatever"))
    )
    assert [e.draft.importance for e in effects if isinstance(e, Keep)] == [
        1,
        0.9,
        0.8,
        0.7,
        0.6,
        0.5,
    ]
