"""The wires' pure halves: what goes out to a provider, and what its errors mean."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from actors.models.anthropic_wire import dialogue, message_request
from actors.models.openai_wire import chat_completion
from actors.models.port import OutputSchema, ToolCall, Turn
from actors.models.sdk_errors import retry_after_s
from actors.models.settings import ProviderSettings
from actors.models.tokens import estimated_tokens
from actors.models.wire import Heard, whole_signs
from tests.misbehaving.behaviour import in_seconds
from tests.unit.fakes.told_model import asked, provider

CLOSED = {"type": "object", "properties": {"a": {}}, "required": ["a"]}


def turns(*said: tuple[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(role=role, content=content) for role, content in said)  # type: ignore[arg-type]  # a role


def test_turns_of_anthropic_alternate_whoever_speaks_twice() -> None:
    """Turns of one speaker in a row become one message of several blocks."""
    _, messages = dialogue(
        turns(("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"), ("user", "e"))
    )

    assert [(one["role"], len(one["content"])) for one in messages] == [
        ("user", 2),
        ("assistant", 2),
        ("user", 1),
    ]


def test_a_sign_is_told_whole_when_it_comes_in_halves() -> None:
    """Some servers cut UTF-16 in two; what stays half could not be recorded."""
    heard = Heard()
    told = [heard.said(piece) for piece in ("a\ud83d", "\ude00b", "\ude00", "c\ud83d", "d")]
    assert told == ["a", "\U0001f600b", "\ufffd", "c", "\ufffdd"]
    assert heard.text == "".join(told)
    assert whole_signs("é你😀") == "é你😀"


def test_dialogue_of_anthropic_begins_with_the_user() -> None:
    """A window that begins with an answer gets a turn before it; empty turns are left out."""
    _, messages = dialogue(turns(("assistant", "Hello"), ("user", " "), ("user", "Hi")))

    assert [one["role"] for one in messages] == ["user", "assistant", "user"]


def test_instructions_alone_are_asked_as_a_question() -> None:
    """Anthropic wants a message of the user: the last instruction is one."""
    system, messages = dialogue(turns(("system", "Be kind."), ("system", "Summarise.")))

    assert system == "Be kind."
    assert messages == [{"role": "user", "content": [{"type": "text", "text": "Summarise."}]}]


def test_results_of_tools_are_blocks_of_the_user() -> None:
    """Calls and results keep their ids; arguments that are no object are shown as they were."""
    calls = (
        ToolCall(id="c1", name="a", arguments='{"x": 1}'),
        ToolCall(id="c2", name="b", arguments="7"),
    )
    _, messages = dialogue(
        (
            Turn(role="user", content="Go"),
            Turn(role="assistant", content="I look.", tool_calls=calls),
            Turn(role="tool", tool_call_id="c1", content="one"),
            Turn(role="tool", tool_call_id="c2", content="two"),
        )
    )

    text, *uses = messages[1]["content"]
    assert text["text"] == "I look."
    assert [(use["id"], use["input"]) for use in uses] == [
        ("c1", {"x": 1}),
        ("c2", {"arguments": 7}),
    ]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["c1", "c2"]


def test_anthropic_gets_no_sampling() -> None:
    """Its API refuses temperature, top_p and seed."""
    settings = ProviderSettings(name="a", kind="anthropic", model="claude", api_key="k")

    body = message_request(asked(temperature=0.5, top_p=0.5, seed=7, stop=("END",)), settings)

    assert set(body) == {"model", "messages", "max_tokens", "stream", "stop_sequences"}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({**CLOSED, "additionalProperties": False}, True),
        (CLOSED, False),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}, False),
        ({"anyOf": [{**CLOSED, "additionalProperties": False}, CLOSED]}, False),
        ({"type": "array", "items": {"type": "string"}}, True),
    ],
)
def test_schema_is_strict_when_it_is_closed(schema: dict[str, Any], strict: bool) -> None:
    """OpenAI takes a schema as strict only if every object is closed and complete."""
    body = chat_completion(asked(output=OutputSchema(name="x", schema=schema)), provider("one"))

    assert body["response_format"]["json_schema"]["strict"] is strict


def test_limit_of_tokens_has_the_name_that_the_provider_knows() -> None:
    """OpenAI renamed it, others did not."""
    openai = ProviderSettings(name="o", kind="openai", model="gpt", api_key="k")

    assert chat_completion(asked(max_tokens=5), openai)["max_completion_tokens"] == 5
    assert chat_completion(asked(max_tokens=5), provider("one"))["max_tokens"] == 5


def test_name_goes_out_when_the_protocol_takes_it() -> None:
    """A name with spaces or in Chinese would be refused."""
    said = (Turn(role="user", content="a", name="ann"), Turn(role="user", content="b", name="小红"))

    messages = chat_completion(asked(turns=said), provider("one"))["messages"]

    assert messages == [
        {"role": "user", "content": "a", "name": "ann"},
        {"role": "user", "content": "b"},
    ]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7.0), ("0.25", 0.25), ("-3", 0.0), ("soon", None), ("", None), (in_seconds(-60), 0.0)],
)
def test_retry_after_is_read_as_far_as_it_can_be(told: str, seconds: float | None) -> None:
    """Seconds, fractions of them, dates that have passed, and nonsense."""
    response = httpx2.Response(429, headers={"retry-after": told})

    assert retry_after_s(response) == seconds


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("four", 1), ("你好", 2), ("a" * 401, 101)])
def test_tokens_are_estimated_by_script(text: str, tokens: int) -> None:
    """English has about four characters a token, Chinese one."""
    assert estimated_tokens(text) == tokens
