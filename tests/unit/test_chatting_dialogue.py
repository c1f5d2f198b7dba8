"""Turns of a dialogue: remembered or told, in the order that providers want, without secrets."""

from __future__ import annotations

from actors.chatting.dialogue import (
    alternating,
    client_turns,
    message_turn,
    remembered_turns,
    units,
)
from actors.models.port import ToolCall, Turn
from actors.queries import Window
from projections.conversations import Message
from tests.unit.builders import NOON
from tests.unit.fakes.chat_parts import asking


def message(role: str, content: str, position: int = 1, **fields: object) -> Message:
    return Message(
        id=f"m{position}",
        conversation="c",
        role=role,
        content=content,
        said_at=NOON,
        position=position,
        **fields,  # type: ignore[arg-type]  # a test's literals
    )


def test_secrets_are_blotted_out_wherever_they_were_said() -> None:
    """In what is remembered, in the message itself, in what a client tells, in tool arguments."""
    said = "The wifi password is fjord-7731-Lodge."
    span = (said.index("fjord"), len(said) - 1)
    (remembered,) = remembered_turns(
        Window(messages=(message("user", said, secret_spans=(span,)),))
    )
    asked = message_turn(asking(said, secret_spans=(span,)))
    call = {"id": "c", "function": {"name": "save", "arguments": '{"note": "' + said + '"}'}}
    _, told = client_turns(
        ({"role": "user", "content": said}, {"role": "assistant", "tool_calls": [call]})
    )
    shown = [remembered.content, asked.content, told[0].content, told[1].tool_calls[0].arguments]
    assert not any("fjord" in text for text in shown)
    assert remembered.content == "The wifi password is •••."


def test_speakers_are_named_and_context_is_no_system_turn() -> None:
    """A conversation may have several people; only the one system turn in front is the system's."""
    window = Window(
        messages=(
            message("user", "hello", 1, name="小雨"),
            message("system", "{page: 3}", 2),
            message("assistant", "hi", 3),
        )
    )
    turns = remembered_turns(window)
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "小雨: hello"),
        ("user", "(context) {page: 3}"),
        ("assistant", "hi"),
    ]


def test_a_clients_messages_are_read_in_all_their_forms() -> None:
    """Parts, null content and odd values are no reason to fail."""
    system, turns = client_turns(
        (
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": 7, "name": "Bo"},
            {"role": "tool", "content": "27", "tool_call_id": "c"},
        )
    )
    assert system == "Be brief.\n\nBe kind."
    assert [turn.role for turn in turns] == ["user", "assistant", "user", "tool"]
    assert turns[0].content == "a"


def test_calls_without_all_their_results_are_told_without_them() -> None:
    """Somebody went on; a provider would refuse the whole dialogue."""
    calls = (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))
    asked = Turn(role="assistant", content="wait", tool_calls=calls)
    half = (asked, Turn(role="tool", content="1", tool_call_id="a"), Turn(role="user", content="?"))
    roles = [[turn.role for turn in unit] for unit in units(half)]
    assert roles == [["assistant"], ["user"], ["user"]]
    whole = (*half[:2], Turn(role="tool", content="2", tool_call_id="b"))
    assert [len(unit) for unit in units(whole)] == [3]
    silent = (Turn(role="assistant", tool_calls=calls), Turn(role="user", content="?"))
    assert [len(unit) for unit in units(silent)] == [1]


def test_what_people_said_one_after_another_is_one_turn() -> None:
    """Some templates refuse two turns of one side; nothing of them is lost."""
    turns = [Turn(role=role, content=role[0]) for role in ("user", "user", "assistant", "user")]
    assert [turn.content for turn in alternating(turns)] == ["u\n\nu", "a", "u"]
