"""Break expressions: read as values, never run; what is wrong with one is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.past.breakpoints import CHARS_MAX, DEPTH_MAX, Break, parse_break
from events.catalogue import MemorySuperseded
from events.errors import CommandRejected
from events.memory import MemoryDraft, SemanticContent
from tests.unit.builders import NOON, event_of, recorded, said

RECORDED = event_of(
    recorded(SemanticContent(name="Ann", summary="lives in Lisbon"), key="ann"), position=7
)
SUPERSEDED = event_of(
    MemorySuperseded(tier="core", memory_id="m", superseded_by="n", valid_to=NOON), position=8
)
SAID = event_of(said("I moved to Lisbon", answer_wanted=True), position=9)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("type=MemorySuperseded", [8]),
        ("type = 'MemorySuperseded'", [8]),
        ("tier=semantic", [7]),
        ("position=9", [9]),
        ("payload.answer_wanted=true", [9]),
        ("recorded_at=2026-01-07T12:00:00Z", [7, 8, 9]),
        ('tier == "core"', [8]),
        ('tier != "core"', [7]),
        ('not tier == "core"', [7, 9]),
        ('tier in ("core", "semantic")', [7, 8]),
        ('type not in ["MemoryRecorded", "MessageReceived"]', [8]),
        ('"Memory" in type', [7, 8]),
        ("7 < position <= 9", [8, 9]),
        ("position > -1 and position != 8", [7, 9]),
        ("position == 7 or position == 9", [7, 9]),
        ('recorded_at > "2026-01-07T11:59:59"', [7, 8, 9]),
        ('recorded_at >= "2026-01-08"', []),
        ('"Lisbon" in payload.content', [9]),
        ('"Lisbon" in payload.memory.content.summary', [7]),
        ('payload.memory.key == "ann" and payload.memory.importance >= 0.5', [7]),
        ("payload.memory.key == None", [8, 9]),
        ("payload.answer_wanted", [9]),
        ('(type == "MemoryRecorded") == True', [7]),
        ("payload.memory.tags < 3 or position == 8", [8]),
        ("\ttier ==\n'core'  ", [8]),
    ],
)
def test_break_holds_for_the_events_that_it_means(text: str, hits: list[int]) -> None:
    """Names, fields of payloads, comparisons and their combinations read as in Python."""
    wanted = parse_break(text)

    assert [one.position for one in (RECORDED, SUPERSEDED, SAID) if wanted.holds(one)] == hits


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("type=MemorySupersede", 6, "did you mean MemorySuperseded?"),
        ('type == "MemoryForgot"', 1, "did you mean MemoryForgotten?"),
        ('position > 3 and type in ("Nothing",)', 18, "docs/events.md"),
        ("tier=cores", 6, "did you mean core?"),
        ("tier == core", 9, "a text stands in quotes"),
        ('tpye == "A"', 1, "did you mean type?"),
        ('payload.contents == "A"', 1, "did you mean content?"),
        ("payload.memory.kex=1", 1, "did you mean key?"),
        ("payload == 1", 1, "payload.FIELD"),
        ('type.real == "A"', 1, "no fields"),
        ("payload.content.__class__", 1, "no event has payload.content.__class__"),
        ("position == 'a'", 1, "holds number"),
        ("position=many", 10, "holds number"),
        ('recorded_at > "noon"', 1, "is a time"),
        ("recorded_at > 3", 1, "is a time"),
        ("type == ", 9, "invalid syntax"),
        ("  type ==", 10, "invalid syntax"),
        ("tier = = core", 8, "in an expression write =="),
        ("'日' == tier and )", 17, "unmatched ')'"),
        ("tier == 'core' and '日' == 日", 27, "a text stands in quotes"),
        ("type=", 6, "NAME=VALUE"),
        ("a..b=1", 1, "NAME=VALUE"),
        ("1 == 1", 1, "says nothing about an event"),
        ('__import__("os").system("true")', 1, "nothing is called"),
        ("type.format(1)", 1, "nothing is called"),
        ("type[0] == 'M'", 1, "no brackets"),
        ("lambda: type", 1, "no functions"),
        ("(type := 1)", 2, "nothing is assigned"),
        ("[x for x in type]", 1, "not read here"),
        ('f"{type}" == 1', 1, "not read here"),
        ("type is None", 1, "compare with"),
        ("position == 1j", 13, "expected a text"),
        ("position == 1 + 1", 13, "not read here"),
        ("not " * DEPTH_MAX + "type", 81, "deep"),
        ("(" * 300 + "type", 1, ""),
        ("tier == 'core' \0", 1, ""),
    ],
)
def test_wrong_expression_is_told_with_its_place(text: str, column: int, told: str) -> None:
    """One line: what was given, where, what is wrong with it and what is meant, perhaps."""
    with pytest.raises(CommandRejected) as failure:
        parse_break(text)

    message = failure.value.message
    assert told in message
    assert "\n" not in message
    if told:
        assert f"column {column}:" in message


@pytest.mark.parametrize("text", ["", "  ", "type == 'MemoryRecorded'" + " " * CHARS_MAX])
def test_expression_is_refused_when_it_is_empty_or_too_long(text: str) -> None:
    """There is a bound, and it is told."""
    with pytest.raises(CommandRejected, match=r"empty|at most"):
        parse_break(text)


def test_field_of_one_event_does_not_hold_for_another() -> None:
    """An event without the field fits no comparison with it, and is no error."""
    for operator in ("==", "!=", "<", ">=", "in", "not in"):
        assert not parse_break(f"payload.query {operator} 'x'").holds(RECORDED)


PIECES = st.lists(
    st.sampled_from(
        (
            *("type", "tier", "position", "recorded_at", "payload", ".", "content", "memory"),
            *("==", "!=", "<", ">", "=", "in", "not", "and", "or", "(", ")", "[", "]", ",", "-"),
            *('"core"', "'MemoryRecorded'", "3", "1.5", "None", "True", "lambda", ":", "'", '"'),
            *("2026-01-07", "\\", "\n", "日", "__class__", "*", "if", "else", "{", "}"),
        )
    ),
    max_size=12,
).map(" ".join)


@given(st.one_of(st.text(max_size=80), PIECES))
def test_any_text_is_a_break_or_one_clear_line(text: str) -> None:
    """Nothing that somebody types does anything else."""
    told, wanted = "", None
    try:
        wanted = parse_break(text)
    except CommandRejected as error:
        told = error.message

    assert bool(told) != isinstance(wanted, Break)
    assert "\n" not in told
    for event in (RECORDED, SUPERSEDED, SAID) if wanted else ():
        assert wanted.holds(event) in (True, False)


def test_tier_is_that_of_the_memory_or_of_its_vectors() -> None:
    """What an event is about has one name, whichever field says it."""
    from events.catalogue import MemoryEmbedded, MemoryRecorded

    draft = MemoryDraft(id="m", content=SemanticContent(name="n", summary="s"))
    embedded = MemoryEmbedded(tier="core", memory_id="m", model="hash", vectors=())

    assert parse_break("tier=semantic").holds(event_of(MemoryRecorded(memory=draft)))
    assert parse_break("tier=core").holds(event_of(embedded))
