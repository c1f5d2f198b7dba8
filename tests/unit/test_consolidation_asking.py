"""What a model may add to a consolidation, and what its words are not enough for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from actors.consolidation.asking import PROMPT, Proposals, question
from actors.deciders.core_memory import CoreMemoryDecider
from actors.deciders.memory import MemoryDecider
from actors.effects import Append, Effect, Generate, Revise
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import RuleExtractor
from events.catalogue import (
    ConsolidationRequested,
    GenerationCompleted,
    GenerationFailed,
    MemoryConsolidated,
    MemoryMerged,
    MemorySuperseded,
)
from events.envelope import Event
from events.memory import TIERS, CoreContent, SemanticContent, VaultContent
from projections.tiers import Shelf
from tests.unit.builders import NOON, event_of
from tests.unit.test_consolidation import fact, held, shelf_of

ROME = "Bo moved to Rome with the children"
LEFT = "Bo left Rome with the children"
NUMBERS = "The children of Bo now live in Rome"


def requested(**fields: Any) -> Event:
    """Return a request for all tiers."""
    payload = ConsolidationRequested(consolidation_id="con_1", tiers=TIERS, at=NOON, **fields)
    return event_of(payload, position=100)


def decider_of(shelf: Shelf, *, asks: bool = True) -> MemoryDecider:
    """Return the owner of the semantic tier with Ann's shelf."""
    extractor = ModelExtractor("scripted", RuleExtractor()) if asks else None
    decider = MemoryDecider("semantic", lambda user, secret: "f", extractor)
    decider.projection.shelves["usr_ann"] = shelf
    return decider


def alike() -> Shelf:
    """Return three memories that look alike, of three days."""
    shelf = Shelf()
    for id_, text, day in (("a", ROME, 3), ("b", LEFT, 1), ("c", NUMBERS, 2)):
        held(shelf, id_, fact(text), valid_from=NOON - timedelta(days=day))
    return shelf


def completed(output: str) -> GenerationCompleted:
    """Return what a model said."""
    return GenerationCompleted(generation_id="g", model="m", prompt_hash="h", output=output)


def said(*, merge: Any = (), supersede: Any = ()) -> GenerationCompleted:
    """Return proposals as a model says them."""
    return completed(msgspec.json.encode({"merge": merge, "supersede": supersede}).decode())


def asked_of(decider: MemoryDecider, **fields: Any) -> Generate:
    """Return what the decider asks first."""
    (asked,) = decider.decide(requested(**fields))
    assert isinstance(asked, Generate)
    return asked


def answered(shelf: Shelf, answer: Any, **fields: Any) -> list[Effect]:
    """Return what comes of an answer."""
    decider = decider_of(shelf)
    asked = asked_of(decider, **fields)
    return decider.resume(requested(**fields), asked, answer)


def number_of(shelf: Shelf, id: str) -> int:
    """Return the number under which a memory is shown."""
    asked = asked_of(decider_of(shelf))
    return [one for group in asked.about for one in group].index(id) + 1


def report(effects: list[Effect]) -> MemoryConsolidated:
    """Return the report that closes a consolidation."""
    assert isinstance(effects[-1], Append)
    payload = effects[-1].payload
    assert isinstance(payload, MemoryConsolidated)
    return payload


def test_model_is_shown_what_looks_alike_with_a_schema() -> None:
    """Numbered in one group, the instruction first; the schema takes what the decoder takes."""
    asked = asked_of(decider_of(alike()))
    assert (asked.purpose, asked.prompt) == ("consolidation", PROMPT)
    assert sorted(asked.about[0]) == ["a", "b", "c"]
    assert all(text in asked.turns[1].content for text in (ROME, LEFT, NUMBERS))
    assert asked.output is not None
    assert set(asked.output.schema["required"]) == set(Proposals.__struct_fields__)


def test_proposals_become_steps_when_they_hold() -> None:
    """A merge with other words, and the end of what a later memory contradicts."""
    shelf = alike()
    a, b, c = (number_of(shelf, id_) for id_ in "abc")
    effects = answered(
        shelf,
        said(
            merge=[{"from": [c], "into": a, "text": "Bo and the children moved", "reason": "same"}]
        ),
    )
    revised, merged, told = effects
    assert isinstance(revised, Revise)
    assert revised.content == SemanticContent(name="Bo", summary="Bo and the children moved")
    assert isinstance(merged, Append)
    assert isinstance(merged.payload, MemoryMerged)
    assert (merged.payload.memory_id, merged.payload.into) == ("c", "a")
    assert [step.change for step in report([told]).steps] == ["revise", "merge"]
    effects = answered(shelf, said(supersede=[{"old": a, "new": b, "reason": "left again"}]))
    assert isinstance(effects[0], Append)
    assert isinstance(effects[0].payload, MemorySuperseded)
    assert effects[0].payload.valid_to == NOON - timedelta(days=1)


@pytest.mark.parametrize(
    "answer",
    [
        GenerationFailed(
            generation_id="g", purpose="consolidation", provider="p", model="m", kind="unavailable"
        ),
        completed("I would rather not."),
        completed('{"merge":[{"from":[1]}],"supersede":[]}'),
        said(),
        said(merge=[{"from": [99], "into": 1, "text": "", "reason": ""}]),
        said(merge=[{"from": [1], "into": 1, "text": "", "reason": ""}]),
        said(supersede=[{"old": 0, "new": 1, "reason": ""}]),
    ],
)
def test_rules_stand_alone_when_the_model_says_nothing_usable(answer: Any) -> None:
    """The report comes all the same, with the steps of the rules."""
    shelf = alike()
    held(shelf, "d", fact("Imke sings"))
    held(shelf, "e", fact("Imke sings"))
    effects = answered(shelf, answer)
    assert [step.memory_ids for step in report(effects).steps] == [("e",)]
    assert len(effects) == 2


def test_newer_memory_is_not_ended_by_an_older_one() -> None:
    """Whatever a model says: time goes one way."""
    shelf = alike()
    a, b = number_of(shelf, "a"), number_of(shelf, "b")
    effects = answered(shelf, said(supersede=[{"old": b, "new": a, "reason": ""}]))
    assert report(effects).steps == ()


def test_nothing_made_by_hand_is_ended_by_a_model() -> None:
    """It may take others in, and keeps its words."""
    shelf = alike()
    shelf.memories["a"] = msgspec.structs.replace(shelf.memories["a"], revision=2)
    a, c = number_of(shelf, "a"), number_of(shelf, "c")
    gone = said(merge=[{"from": [a], "into": c, "text": "", "reason": ""}])
    assert report(answered(shelf, gone)).steps == ()
    reworded = said(merge=[{"from": [c], "into": a, "text": "Other words", "reason": ""}])
    assert report(answered(shelf, reworded)).steps == ()
    taken_in = said(merge=[{"from": [c], "into": a, "text": "", "reason": "same"}])
    assert [step.change for step in report(answered(shelf, taken_in)).steps] == ["merge"]


def test_no_model_is_asked_when_none_is_configured_or_nothing_looks_alike() -> None:
    """Then the rules decide at once."""
    assert report(decider_of(alike(), asks=False).decide(requested())).looked_at == 3
    different = shelf_of(fact("Bo bakes"), fact("Imke plays the cello", name="Imke"))
    assert report(decider_of(different).decide(requested())).steps == ()


def test_vault_and_texts_with_secrets_are_never_shown() -> None:
    """No provider ever sees them."""
    vault = shelf_of(
        VaultContent(entry_type="code", caption="door of the shed in Rome"),
        VaultContent(entry_type="code", caption="door of the barn in Rome"),
    )
    assert question("knowledge_vault", vault, frozenset(), 100) is None
    secrets = shelf_of(
        fact("my password is hunter2-Xk9! for the wifi at home"),
        fact("my password is hunter2-Xk8! for the wifi at work"),
    )
    assert question("semantic", secrets, frozenset(), 100) is None


def test_dry_run_asks_and_appends_only_the_report() -> None:
    """What would be done is told, with the model's part."""
    shelf = alike()
    a, c = number_of(shelf, "a"), number_of(shelf, "c")
    merge = said(merge=[{"from": [c], "into": a, "text": "", "reason": "same"}])
    effects = answered(shelf, merge, dry_run=True)
    assert len(effects) == 1
    assert report(effects).dry_run
    assert [step.change for step in report(effects).steps] == ["merge"]


def test_block_is_rewritten_when_a_merge_makes_a_line_too_long_for_it() -> None:
    """Core memory keeps within its limit, whoever words its lines."""
    decider = CoreMemoryDecider(lambda user, secret: "f", ModelExtractor("m", RuleExtractor()))
    shelf = Shelf()
    for number in range(9):
        held(shelf, f"l{number}", CoreContent(text=f"word{number} " * 78))
    held(shelf, "a", CoreContent(text="Bo moved to Rome with children"))
    held(shelf, "b", CoreContent(text="Bo left Rome with children"))
    decider.projection.shelves["usr_ann"] = shelf
    (asked,) = decider.decide(requested())
    assert isinstance(asked, Generate)
    numbers = [one for group in asked.about for one in group]
    merge = {
        "from": [numbers.index("b") + 1],
        "into": numbers.index("a") + 1,
        "text": "x" * 900,
        "reason": "",
    }
    effects = decider.resume(requested(), asked, said(merge=[merge]))
    kinds = [type(e.payload).__name__ for e in effects if isinstance(e, Append)]
    assert "CoreBlockRewritten" in kinds
