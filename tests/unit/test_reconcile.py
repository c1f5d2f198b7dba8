"""New findings against what is known."""

from __future__ import annotations

from actors.effects import Append, Keep
from actors.extraction.finding import Finding
from actors.reconcile import Source, reconcile
from events.catalogue import MemorySuperseded
from events.memory import CoreContent, Provenance, VaultContent
from projections.tiers import Shelf, evolve
from tests.unit.builders import event_of, recorded, said

SOURCE = Source(provenance=Provenance(message_ids=("msg_1",)), language="en")


def shelf_with(*memories: tuple[str, str, str]) -> Shelf:
    shelf = Shelf()
    for position, (id_, key, text) in enumerate(memories, start=1):
        content = CoreContent(text=text)
        evolve(shelf, event_of(recorded(content, id=id_, key=key), position=position))
    return shelf


def line(text: str, key: str = "", replaces: tuple[str, ...] = ()) -> Finding:
    return Finding(content=CoreContent(text=text), key=key, replaces=replaces)


def decided(shelf: Shelf, *findings: Finding) -> list[object]:
    cause = event_of(said("whatever"), position=9)
    return list(reconcile("core_memory", cause, SOURCE, findings, shelf))


def test_a_finding_is_kept_when_nothing_is_known_of_the_matter() -> None:
    """The first word on a matter is recorded, with its source and when it began to hold."""
    (kept,) = decided(Shelf(), line("Lives in Leeds", "home"))
    assert isinstance(kept, Keep)
    assert kept.draft.provenance.message_ids == ("msg_1",)
    assert kept.draft.valid_from is not None


def test_a_finding_is_ignored_when_it_says_the_same_again() -> None:
    """Repetition, in other letters, changes nothing."""
    assert (
        decided(shelf_with(("a", "home", "Lives in Leeds")), line("lives in  LEEDS", "home")) == []
    )


def test_an_old_fact_is_superseded_when_a_new_one_has_its_key() -> None:
    """The new fact is recorded and the old one ends; neither is overwritten."""
    kept, ended = decided(
        shelf_with(("a", "home", "Lives in Leeds")), line("Lives in York", "home")
    )
    assert isinstance(kept, Keep)
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)
    assert (ended.payload.memory_id, ended.payload.superseded_by) == ("a", kept.draft.id)


def test_the_latest_memory_ends_when_a_correction_names_its_words() -> None:
    """A correction finds what it corrects by the words that no longer hold."""
    shelf = shelf_with(("a", "", "Works at Veltrix"), ("b", "", "Veltrix pays well"))
    _, ended = decided(shelf, line("Works at Brightmoor", "job", replaces=("veltrix",)))
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)
    assert ended.payload.memory_id == "b"


def test_ids_are_the_same_when_a_cause_is_decided_again() -> None:
    """Deciding again after a crash gives the same memories."""
    first, second = decided(Shelf(), line("x")), decided(Shelf(), line("x"))
    assert first == second


def test_a_secret_is_ignored_when_its_fingerprint_is_known() -> None:
    """The vault recognises a secret that it holds, without opening it."""
    shelf = Shelf()
    content = VaultContent(entry_type="door code", caption="studio", secret_fingerprint="f:1234")
    evolve(shelf, event_of(recorded(content, id="v", key="door_code:studio")))
    bare = VaultContent(entry_type="door code", caption="studio")
    known = Finding(content=bare, key="door_code:studio", secret="1234")
    changed = Finding(content=bare, key="door_code:studio", secret="5678")
    cause = event_of(said("whatever"))
    results = [
        reconcile(
            "knowledge_vault", cause, SOURCE, [one], shelf, fingerprint=lambda secret: f"f:{secret}"
        )
        for one in (known, changed)
    ]
    assert results[0] == []
    assert [type(effect) for effect in results[1]] == [Keep, Append]
