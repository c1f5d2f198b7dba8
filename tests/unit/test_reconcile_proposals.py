"""Proposals of a model against what is known; nothing is ever overwritten silently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from actors.effects import Append, Effect, Keep, Revise
from actors.extraction.finding import Finding, Proposal
from actors.reconcile import Source, reconcile
from events.catalogue import MemoryForgotten, MemoryMerged, MemorySuperseded, Payload
from events.memory import (
    Content,
    CoreContent,
    MemoryDraft,
    Provenance,
    ResourceContent,
    VaultContent,
)
from projections.tiers import Shelf, evolve
from tests.asking_path import payloads
from tests.unit.builders import NOON, event_of, recorded, said

SOURCE = Source(provenance=Provenance(message_ids=("msg_1",)), language="en")
EARLIER = NOON - timedelta(days=100)


def shelf_with(**lines: str) -> Shelf:
    return shelf_of({id_: CoreContent(text=text) for id_, text in lines.items()})


def shelf_of(contents: dict[str, Content]) -> Shelf:
    shelf = Shelf()
    for position, (id_, content) in enumerate(contents.items(), start=1):
        draft = MemoryDraft(id=id_, content=content, key=f"key:{id_}", valid_from=EARLIER)
        payload = recorded(content, id=id_)
        evolve(shelf, event_of(type(payload)(memory=draft), position=position))
    return shelf


def proposed(
    action: str,
    *about: str,
    text: str = "Lives in York",
    content: Content | None = None,
    key: str = "",
    secret: str = "",
    since: datetime | None = None,
    reason: str = "",
    replaces: tuple[str, ...] = (),
) -> Proposal:
    finding = Finding(
        content=content or CoreContent(text=text), key=key, secret=secret, replaces=replaces
    )
    return Proposal(finding=finding, action=action, about=about, since=since, reason=reason)  # type: ignore[arg-type]  # literals


def decided(shelf: Shelf, *proposals: Proposal, agent: str = "core_memory") -> list[Effect]:
    cause = event_of(said("whatever"), position=9)
    return reconcile(
        agent, cause, SOURCE, proposals, shelf, fingerprint=lambda secret: f"f:{secret}"
    )


def appended(effects: list[Effect]) -> list[Payload]:
    return [effect.payload for effect in effects if isinstance(effect, Append)]


def test_a_memory_is_revised_in_its_place_and_the_event_says_why() -> None:
    """The same matter, told more exactly."""
    (revise,) = decided(shelf_with(a="Lives in Leeds"), proposed("revise", "a", reason="moved on"))
    assert isinstance(revise, Revise)
    assert (revise.memory_id, revise.reason) == ("a", "moved on")
    (unexplained,) = decided(shelf_with(a="Lives in Leeds"), proposed("revise", "a"))
    assert isinstance(unexplained, Revise)
    assert unexplained.reason


def test_nothing_is_revised_when_the_words_are_the_same() -> None:
    """A revision that changes nothing is none."""
    assert decided(shelf_with(a="Lives in York"), proposed("revise", "a")) == []


def test_memories_of_any_key_end_when_a_proposal_supersedes_them() -> None:
    """Each ends with the reason, at the time since which the new one holds, which it begins at."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    shelf = shelf_with(a="Lives in Leeds", b="Home is Leeds", c="Likes tea")
    keep, *rest = decided(
        shelf, proposed("supersede", "a", "b", key="home", since=since, reason="moved")
    )
    assert isinstance(keep, Keep)
    assert keep.draft.valid_from == since
    ended = appended(rest)
    assert [one.memory_id for one in ended if isinstance(one, MemorySuperseded)] == ["a", "b"]
    assert {(one.valid_to, one.reason) for one in ended if isinstance(one, MemorySuperseded)} == {
        (since, "moved")
    }


def test_a_memory_ends_when_it_was_said_when_no_time_is_told() -> None:
    """And never before it began to hold."""
    for since, expected in ((None, NOON), (EARLIER - timedelta(days=9), EARLIER)):
        _, ended = decided(shelf_with(a="Lives in Leeds"), proposed("supersede", "a", since=since))
        assert isinstance(ended, Append)
        assert isinstance(ended.payload, MemorySuperseded)
        assert ended.payload.valid_to == expected


def test_the_one_that_says_it_stays_when_others_are_superseded_by_it() -> None:
    """What is known already is not written again."""
    shelf = shelf_with(a="lives in YORK", b="Lives in Leeds")
    (ended,) = decided(shelf, proposed("supersede", "a", "b"))
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)
    assert (ended.payload.memory_id, ended.payload.superseded_by) == ("b", "a")


def test_several_memories_become_a_new_one_when_they_are_merged() -> None:
    """It holds since the first of them did; each says where it went and what it came from."""
    shelf = shelf_with(a="Works nights", b="Drives a bus in Leeds")
    keep, *rest = decided(
        shelf, proposed("merge", "a", "b", text="Drives a night bus in Leeds", reason="one job")
    )
    assert isinstance(keep, Keep)
    assert keep.draft.valid_from == EARLIER
    merged = [one for one in appended(rest) if isinstance(one, MemoryMerged)]
    assert [(one.memory_id, one.into, one.reason) for one in merged] == [
        ("a", keep.draft.id, "one job"),
        ("b", keep.draft.id, "one job"),
    ]
    for payload in payloads([keep, *rest]):
        evolve(shelf, event_of(payload, position=10))
    assert [memory.id for memory in shelf.active()] == [keep.draft.id]


def test_several_memories_are_merged_into_the_one_that_says_it() -> None:
    """No third memory is written for what two of them say."""
    shelf = shelf_with(a="Lives in York", b="York is home")
    (merged,) = decided(shelf, proposed("merge", "b", "a"))
    assert isinstance(merged, Append)
    assert isinstance(merged.payload, MemoryMerged)
    assert (merged.payload.memory_id, merged.payload.into) == ("b", "a")


def test_a_proposal_is_an_addition_when_its_memory_has_ended_meanwhile() -> None:
    """Then what has the same key is superseded, as for any finding, and nothing else."""
    for action in ("revise", "supersede", "merge"):
        shelf = shelf_with(a="Lives in Leeds", b="Lives in Hull")
        gone = MemoryForgotten(tier="core", memory_id="a")
        evolve(shelf, event_of(gone, position=8))
        keep, ended = decided(shelf, proposed(action, "a", "never_there", key="key:b"))
        assert isinstance(keep, Keep)
        assert isinstance(ended, Append)
        assert isinstance(ended.payload, MemorySuperseded)
        assert ended.payload.memory_id == "b"


def test_a_later_proposal_meets_what_an_earlier_one_has_changed() -> None:
    """Two proposals about one memory: the second finds it ended."""
    shelf = shelf_with(a="Lives in Leeds")
    effects = decided(
        shelf,
        proposed("supersede", "a", text="Lives in York", key="home"),
        proposed("revise", "a", text="Lives in Hull", key="home"),
    )
    first, _, second, ended = effects
    assert isinstance(first, Keep)
    assert isinstance(second, Keep)
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)
    assert ended.payload.memory_id == first.draft.id


def test_corrected_words_end_a_memory_that_the_model_was_not_shown() -> None:
    """What no longer holds is found by its words, too."""
    _, ended = decided(
        shelf_with(a="Works at Veltrix"),
        proposed("add", text="Works at Brightmoor", replaces=("veltrix",)),
    )
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)
    assert ended.payload.memory_id == "a"


def test_each_memory_says_who_found_it_when_proposals_come_from_several() -> None:
    """The rules stand beside the model in one reconciliation."""
    proposals = [
        Proposal(finding=Finding(content=CoreContent(text=name)), extractor=name)
        for name in ("rules", "model:gold", "")
    ]
    effects = decided(Shelf(), *proposals)
    by = [effect.draft.provenance.extractor for effect in effects if isinstance(effect, Keep)]
    assert by == ["rules", "model:gold", "rules"]


# --- The vault and documents ----------------------------------------------------------------------


def entry(caption: str, secret: str = "") -> VaultContent:
    return VaultContent(
        entry_type="code",
        caption=caption,
        secret=secret.encode(),
        secret_fingerprint=f"f:{secret}" if secret else "",
    )


def vault(*proposals: Proposal, **secrets: str) -> list[Effect]:
    shelf = shelf_of({id_: entry(f"door {id_}", secret) for id_, secret in secrets.items()})
    return decided(shelf, *proposals, agent="knowledge_vault")


def test_a_vault_entry_keeps_its_sealed_secret_when_its_caption_is_revised() -> None:
    """With no secret told, or the one that it holds."""
    for secret in ("", "1234"):
        (revise,) = vault(
            proposed("revise", "a", content=entry("back door"), secret=secret), a="1234"
        )
        assert isinstance(revise, Revise)
        assert revise.content == entry("back door", "1234")
        assert revise.secret == ""


def test_a_vault_entry_is_superseded_when_a_revision_tells_another_secret() -> None:
    """The old secret stays with the old entry."""
    keep, ended = vault(
        proposed("revise", "a", content=entry("back door"), secret="5678"), a="1234"
    )
    assert isinstance(keep, Keep)
    assert keep.secret == "5678"
    assert isinstance(ended, Append)
    assert isinstance(ended.payload, MemorySuperseded)


def test_vault_entries_are_merged_only_when_they_hold_one_secret() -> None:
    """A sealed secret belongs to its entry: one of them stays, and no other secret is lost."""
    (merged,) = vault(
        proposed("merge", "a", "b", "c", content=entry("the door")), a="1234", b="5678", c="1234"
    )
    assert isinstance(merged, Append)
    assert isinstance(merged.payload, MemoryMerged)
    assert (merged.payload.memory_id, merged.payload.into) == ("c", "a")


def test_a_vault_entry_that_is_gone_is_not_kept_anew_without_a_secret() -> None:
    """There is nothing to seal."""
    assert vault(proposed("revise", "gone", content=entry("back door"))) == []


def test_a_documents_text_stays_when_its_summary_is_revised() -> None:
    """A model tells a summary, never the chunks."""
    old = ResourceContent(
        title="t", summary="s", resource_type="document", uri="u", chunks=("one", "two")
    )
    new = ResourceContent(title="t", summary="better", resource_type="document")
    (revise,) = decided(
        shelf_of({"a": old}), proposed("revise", "a", content=new), agent="resource_memory"
    )
    assert isinstance(revise, Revise)
    assert isinstance(revise.content, ResourceContent)
    assert (revise.content.chunks, revise.content.uri) == (("one", "two"), "u")
    assert revise.content.summary == "better"
