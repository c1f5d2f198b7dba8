"""What a model answered: proposals, or what is wrong in words that it can act on."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.extraction.finding import Proposal
from actors.extraction.hearing import FAULTS_TOLD_MAX, ITEMS_MAX, InvalidOutput, hear
from actors.extraction.masking import masked
from actors.extraction.material import Material
from events.memory import EpisodicContent, SemanticContent, Tier, VaultContent

SAID_AT = datetime(2026, 1, 7, 12, tzinfo=UTC)
SHOWN = ("mem_a", "mem_b")
COMMON = {
    "action": "add",
    "about": [],
    "reason": "",
    "key": "",
    "importance": 0.5,
    "since": "",
    "replaces": [],
}
FIELDS: dict[Tier, dict[str, Any]] = {
    "core": {"block": "human", "text": "Lives in York"},
    "episodic": {
        "event_type": "trip",
        "summary": "A trip to York",
        "details": "",
        "actor": "user",
        "occurred_at": "2026-01-07",
        "occurred_until": "",
    },
    "semantic": {"name": "Bo", "summary": "Bo sings", "details": ""},
    "procedural": {"entry_type": "guide", "description": "How to sing", "steps": ["breathe"]},
    "resource": {"title": "Songs", "summary": "", "resource_type": "book", "uri": ""},
    "knowledge_vault": {
        "entry_type": "access code",
        "sensitivity": "high",
        "caption": "Code of the boat shed",
        "secret": "⟦code-1⟧",
    },
}
TEXT = "The door code of the boat shed is 4471#, and Otto keeps the spare key under pot seven."


def heard(tier: Tier, *changes: dict[str, Any], text: str = TEXT) -> tuple[Proposal, ...]:
    items = [COMMON | FIELDS[tier] | change for change in changes or ({},)]
    return heard_of(tier, json.dumps({"memories": items}), text)


def heard_of(tier: Tier, output: str, text: str = TEXT) -> tuple[Proposal, ...]:
    material = Material(text=text, said_at=SAID_AT, speaker="user")
    return hear(tier, output, material, masked(text), SHOWN)


@pytest.mark.parametrize("tier", FIELDS)
def test_an_output_is_heard_when_it_follows_its_tiers_schema(tier: Tier) -> None:
    """Each tier's fields become its content."""
    (proposal,) = heard(tier)
    assert proposal.action == "add"
    assert proposal.finding.content.__struct_config__.tag == tier


def test_what_is_to_be_ignored_is_left_out() -> None:
    """A memory that is there already needs no fields but its shape."""
    assert heard("semantic", {"action": "ignore", "name": "", "about": [9]}) == ()


@pytest.mark.parametrize(
    "wrapped", ["```json\n{}\n```", "<think>\nHm, nothing.\n</think>\n{}", "  {}  "]
)
def test_json_is_found_when_a_model_wraps_it(wrapped: str) -> None:
    """Models that nothing holds to a schema put fences and thoughts around their JSON."""
    assert heard_of("core", wrapped.replace("{}", '{"memories":[]}')) == ()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "not one JSON object"),
        ("Sure! Here it is.", "not one JSON object"),
        ('{"memories":[{"action":"add"}]}', "missing required field"),
        ('{"memories":[],"note":"x"}', "unknown field `note`"),
        ('{"memories":"none"}', "Expected `array`"),
        ('{"memories":[' + "0," * 30_000 + "0]}", "characters: write less"),
    ],
)
def test_an_output_is_refused_when_it_is_not_of_the_schema(output: str, said: str) -> None:
    """The message names the fault and its place."""
    with pytest.raises(InvalidOutput, match=said):
        heard_of("core", output)


@pytest.mark.parametrize(
    ("tier", "change", "said"),
    [
        ("core", {"text": " "}, r"memories\[0\].text is empty"),
        ("core", {"text": "x" * 1001}, "has 1001 characters; at most 1000"),
        ("core", {"importance": 7}, "from 0 to 1"),
        ("core", {"action": "supersede", "about": [3]}, "memories listed are 1 to 2"),
        ("core", {"action": "merge", "about": [0]}, "memories listed are 1 to 2"),
        ("core", {"action": "revise", "about": [1, 2]}, "one number"),
        ("core", {"since": "next week"}, 'since is "next week"; a date is'),
        ("episodic", {"occurred_at": "2026-02-30"}, 'a date is "2026-01-07"'),
        ("episodic", {"occurred_at": "20260107"}, 'a date is "2026-01-07"'),
        ("episodic", {"occurred_until": "2026-01-01"}, "before occurred_at"),
        ("episodic", {"occurred_at": "", "occurred_until": "2026-01-01"}, "without occurred_at"),
        ("procedural", {"steps": []}, "steps has 0; from 1"),
        ("procedural", {"steps": ["a", ""]}, r"steps\[1\] is empty"),
        ("knowledge_vault", {"secret": ""}, "write the placeholder"),
        ("knowledge_vault", {"secret": "⟦code-7⟧"}, "no placeholder ⟦code-7⟧"),
        ("knowledge_vault", {"secret": "it is ⟦code-1⟧"}, "neither one placeholder alone"),
        ("knowledge_vault", {"secret": "0000"}, "nor exact words"),
        ("knowledge_vault", {"caption": "The code is 4471#"}, "shows a secret"),
        ("semantic", {"summary": "The shed opens with 4471#"}, "shows a secret"),
        ("knowledge_vault", {"secret": "pot seven", "caption": "Pot seven"}, "shows a secret"),
    ],
)
def test_an_output_is_refused_when_a_field_cannot_be_used(
    tier: Tier, change: dict[str, Any], said: str
) -> None:
    """What no schema can hold a model to is checked here."""
    with pytest.raises(InvalidOutput, match=said):
        heard(tier, change)


def test_the_faults_of_all_items_are_told_at_once_up_to_a_bound() -> None:
    """A model that is asked once more can mend them together."""
    with pytest.raises(InvalidOutput) as refused:
        heard("core", *[{"text": ""}] * 9)
    assert refused.value.message.count("is empty") == FAULTS_TOLD_MAX
    assert isinstance(pickle.loads(pickle.dumps(refused.value)), InvalidOutput)


def test_an_output_is_refused_when_it_floods() -> None:
    """One piece of text gives a bounded number of memories."""
    with pytest.raises(InvalidOutput, match=f"at most {ITEMS_MAX}"):
        heard("core", *[{}] * (ITEMS_MAX + 1))


def test_a_secret_is_put_back_when_its_placeholder_is_named() -> None:
    """The value, and its place in the text, come from the text; the model never had them."""
    (proposal,) = heard("knowledge_vault")
    start, end = proposal.finding.secret_span
    assert proposal.finding.secret == TEXT[start:end] == "4471#"
    assert isinstance(proposal.finding.content, VaultContent)


def test_a_secret_is_found_by_its_words_when_no_placeholder_hides_it() -> None:
    """What the scanner overlooks the model may find, in the text's own words."""
    (proposal,) = heard("knowledge_vault", {"secret": "under pot seven"})
    start, end = proposal.finding.secret_span
    assert proposal.finding.secret == TEXT[start:end] == "under pot seven"


def test_old_secrets_are_put_back_when_placeholders_are_replaced() -> None:
    """So the entry that holds the old value can be found by its fingerprint."""
    text = "Old code for the studio door (2281) is dead, it's 6035# from now on"
    (proposal,) = heard(
        "knowledge_vault", {"secret": "⟦code-2⟧", "replaces": ["⟦code-1⟧"]}, text=text
    )
    assert (proposal.finding.secret, proposal.finding.replaces) == ("6035#", ("2281",))


def test_placeholders_show_as_dots_when_they_stand_in_readable_fields() -> None:
    """Memories show a secret the same way, whoever wrote them."""
    (proposal,) = heard("semantic", {"summary": "Bo sings ⟦code-1⟧", "key": "Bo ⟦code-1⟧ Song"})
    assert proposal.finding.content == SemanticContent(name="Bo", summary="Bo sings •••")
    assert proposal.finding.key == "bo_song"


def test_dates_are_taken_when_they_are_of_the_calendar() -> None:
    """Days and moments stay as written; `since` gets the zone of the text."""
    (proposal,) = heard(
        "episodic", {"occurred_at": "2026-01-07T08:15", "since": "2026-01-02", "about": [1]}
    )
    assert isinstance(proposal.finding.content, EpisodicContent)
    assert proposal.finding.content.occurred_at == "2026-01-07T08:15"
    assert proposal.since == datetime(2026, 1, 2, tzinfo=UTC)


def test_numbers_become_the_ids_of_the_memories_that_were_shown() -> None:
    """Each once; an addition is about none."""
    merged, added = heard("core", {"action": "merge", "about": [2, 1, 2]}, {"about": [1]})
    assert merged.about == ("mem_b", "mem_a")
    assert added.about == ()


@pytest.mark.parametrize(
    ("text", "summary"), [("阿岚是做审计的。", "Alan is an auditor"), ("Bo sings.", "博会唱歌")]
)
def test_an_output_is_refused_when_it_is_translated(text: str, summary: str) -> None:
    """Chinese in, Chinese out; names of things may stay as they are."""
    name = "Bo" if summary.isascii() else "博"
    with pytest.raises(InvalidOutput, match="write the memory in"):
        heard("semantic", {"name": name, "summary": summary}, text=text)
    assert heard("semantic", {"name": "阿岚", "summary": "阿岚会用 Excel, says Bo"}, text=text)
