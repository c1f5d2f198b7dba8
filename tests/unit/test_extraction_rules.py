"""What holds for every message: bounds, masking, tiers one by one, documents."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.extraction import chunk, extract, extract_document, extract_tier, find_secrets
from actors.extraction.finding import Utterance
from events.memory import (
    TIERS,
    ProceduralContent,
    ResourceContent,
    VaultContent,
    readable_text,
    tier_of,
)

SAID_AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
PIECES = [
    "I'm a nurse",
    "call me Jo",
    "yesterday",
    "the wifi password is",
    "Tulip-77x",
    "->",
    "1.",
    "2.",
    "first",
    "then",
    "https://a.example/b",
    "我是",
    "护士",
    "明天",
    "密码",
    "4471#",
    "《",
    "》",
    "，",
    "。",
    "?",
    "！",
    "\n",
    "if",
    "would",
    '"',
    "“",
    "My boss",
    "hates",
    "先",
    "再",
    "最后",
    "@",
    "+44 7700",
]  # fmt: skip  (read as a list)


def said(text: str) -> Utterance:
    return Utterance(text=text, said_at=SAID_AT)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=24).map(" ".join))
def test_extract_shows_no_secret_when_any_text_is_said(text: str) -> None:
    """Rules never fail, a finding's secret is the text of its span, and no field shows it."""
    for finding in extract(said(text)):
        if isinstance(finding.content, VaultContent):
            start, end = finding.secret_span
            assert text[start:end] == finding.secret
            shown = text[:start] + text[end:]
            if finding.secret not in shown:
                assert finding.secret not in readable_text(finding.content)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PIECES), max_size=16).map(" ".join))
def test_extract_tier_equals_extract_when_tiers_run_one_by_one(text: str) -> None:
    """Six agents that each run their own tier find what one pass finds."""
    one_by_one = tuple(f for tier in TIERS for f in extract_tier(tier, said(text)))
    assert one_by_one == extract(said(text))


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "word ",
        "1. ",
        "-> ",
        "我",
        "，",
        "《",
        "4471 ",
        "a@",
        "first then ",
        "A B C ",
        "\n",
        "/a",
        "(",
        "路1号",
        "Ab ",
        "'s ",
        "is my ",
    ],
)
def test_extract_stays_linear_when_message_has_100k_characters(unit: str) -> None:
    """No pattern runs away on long repetitive input."""
    text = (unit * 100_000)[:100_000]
    started = time.process_time()
    extract(said(text))
    find_secrets(text)
    assert time.process_time() - started < 6.0


def test_find_secrets_covers_values_when_they_stand_in_a_question() -> None:
    """Masking does not depend on whether something becomes a memory."""
    text = "Is the alarm code still 55812?"
    assert [text[a:b] for a, b in find_secrets(text)] == ["55812"]
    assert extract(said(text)) == ()


def test_extract_finds_nothing_when_the_assistant_speaks_of_itself() -> None:
    """What an assistant says about itself is no memory of the user."""
    reply = Utterance(text="I'm a nurse and I live in Leeds.", said_at=SAID_AT, role="assistant")
    assert extract(reply) == ()


def test_chunk_keeps_every_word_when_text_is_long() -> None:
    """Chunks hold the whole text, are bounded, and open at headings."""
    body = (
        "# Pumps\n\n"
        + "The pump hums along. " * 90
        + "\n\n## Valves\n\n"
        + "阀门要每周检查一次。" * 120
    )
    chunks = chunk(body)
    assert "".join("".join(chunks).split()) == "".join(body.split())
    assert max(map(len, chunks)) <= 800
    assert any(part.startswith("## Valves") for part in chunks)


def test_extract_document_gives_resource_and_procedure_when_section_has_steps() -> None:
    """A manual becomes a resource with chunks, a procedure for its steps and a vault entry."""
    text = (
        "# Boiler manual\n\nThe boiler stands in the cellar. It was fitted in 2019.\n\n"
        "## Restart\n\n1. Close the valve\n2. Hold the red button\n3. Open the valve\n\n"
        "## Service\n\nThe service password is Kessel-8841x."
    )
    found = extract_document("Boiler manual", text, SAID_AT, uri="file:///boiler.md")
    tiers = {tier_of(f.content) for f in found}
    resource = next(f.content for f in found if isinstance(f.content, ResourceContent))
    procedure = next(f.content for f in found if isinstance(f.content, ProceduralContent))
    assert {"resource", "procedural", "knowledge_vault"} <= tiers
    assert len(procedure.steps) == 3
    assert "Restart" in procedure.description
    assert "Kessel-8841x" not in "".join(resource.chunks)
    assert [f.secret for f in found if f.secret] == ["Kessel-8841x"]
