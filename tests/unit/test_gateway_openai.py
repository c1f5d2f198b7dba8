"""The official OpenAI client against the gateway, over real HTTP, unchanged."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from actors.progress import AnswerPart
from tests.unit.fakes.gateway import V1
from tests.unit.fakes.local_gateway import local_gateway
from tests.unit.fakes.openai_client import ASK, TEXT, served
from tests.unit.fakes.scripted_chat import KEY, until

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
}


async def test_answer_comes_with_its_usage_when_asked() -> None:
    """Text, tokens, why it ended; and what memory adds."""
    async with served() as it:
        asking = it.ask(user="alice", temperature=0.5, max_completion_tokens=99, seed=4, stop="X")
        (message,) = await it.chat.asked()
        await it.chat.finish(message, TEXT, finish_reason="length")
        told = await asking
        assert told.object == "chat.completion"
        assert told.choices[0].message.content == TEXT
        assert told.choices[0].finish_reason == "length"
        assert told.usage.total_tokens == 12
        assert told.usage.prompt_tokens_details.cached_tokens == 4
        assert told.model == "mirix"
        assert told.mirix["citations"][0]["mark"] == 1
        assert message.options is not None
        wished = message.options
        assert (wished.temperature, wished.max_tokens, wished.seed) == (0.5, 99, 4)
        assert (wished.stop, wished.turns, wished.model) == (("X",), (), "")
        heard = await it.http.get(f"{V1}/messages", params={"user_id": "alice"})
        assert [one["content"] for one in heard.json()] == ["Where do I live?", TEXT]


async def _chunks(stream: Any) -> list[ChatCompletionChunk]:
    return [chunk async for chunk in stream]


async def test_chunks_make_the_answer_when_streamed() -> None:
    """A role first, then pieces, then why it ended, then the usage that was asked for."""
    async with served() as it:
        asking = it.ask(stream=True, stream_options={"include_usage": True})
        (message,) = await it.chat.asked()
        await it.chat.tell(message.message_id, AnswerPart(kind="thinking", text="searching"))
        await it.chat.say(message.message_id, TEXT[:8])
        reading = asyncio.create_task(_chunks(await asking))
        await it.chat.say(message.message_id, TEXT[8:], lost=True)
        await it.chat.finish(message, TEXT)
        *chunks, ended, usage = await reading
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [one.choices[0].delta.content for one in chunks] == ["", TEXT[:8], TEXT[8:]]
        assert ended.choices[0].finish_reason == "stop"
        assert (usage.choices, usage.usage.total_tokens if usage.usage else 0) == ([], 12)
        assert len({one.id for one in (*chunks, ended, usage)}) == 1


async def test_only_what_is_new_is_recorded_when_the_client_sends_all_of_it() -> None:
    """The turns before go to the model, and stay in one conversation with the first."""
    async with served() as it:
        dialogue: Any = [{"role": "system", "content": "Be brief."}, *ASK]
        asking = it.ask(messages=dialogue, user="alice")
        (first,) = await it.chat.asked()
        await it.chat.finish(first, TEXT)
        await asking
        dialogue += [{"role": "assistant", "content": TEXT}, {"role": "user", "content": "Why?"}]
        asking = it.ask(messages=dialogue, user="alice")
        _, second = await it.chat.asked(2)
        await it.chat.finish(second, "Work.")
        await asking
        assert second.conversation == first.conversation
        assert second.options is not None
        assert second.options.turns == tuple(dialogue[:-1])
        heard = await it.http.get(f"{V1}/messages", params={"user_id": "alice"})
        said = [one["content"] for one in heard.json()]
        assert said == ["Where do I live?", TEXT, "Why?", "Work."]


async def test_conversation_is_the_clients_when_it_names_one() -> None:
    """Person and conversation may be in headers, too."""
    async with served() as it:
        headers = {"X-User-Id": "bob", "X-Conversation-Id": "today"}
        asking = it.ask(extra_headers=headers)
        (message,) = await it.chat.asked()
        await it.chat.finish(message, TEXT)
        told = await asking
        assert message.conversation == told.mirix["conversation_id"] == "today"
        heard = await it.http.get(f"{V1}/messages", params={"user_id": "bob"})
        assert len(heard.json()) == 2


async def test_tool_is_called_and_its_result_answered_when_the_client_has_tools() -> None:
    """The call comes back as the SDK's own type; the result is recorded as a tool's."""
    async with served() as it:
        asking = it.ask(tools=[TOOL], stream=True)
        (message,) = await it.chat.asked()
        assert message.options is not None
        assert message.options.tools == (TOOL,)
        await it.chat.finish(message, "", tool_calls=(CALL,), finish_reason="tool_calls")
        *_, called, ended = await _chunks(await asking)
        calls = called.choices[0].delta.tool_calls
        assert calls is not None
        (call,) = calls
        assert call.function is not None
        assert (call.index, call.id, call.function.name) == (0, "call_1", "weather")
        assert ended.choices[0].finish_reason == "tool_calls"
        result = {"role": "tool", "tool_call_id": "call_1", "content": "Rain."}
        dialogue = [*ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}, result]
        asking = it.ask(messages=dialogue, tools=[TOOL])
        _, answered = await it.chat.asked(2)
        assert (answered.role, answered.tool_call_id) == ("tool", "call_1")
        assert answered.conversation == message.conversation
        assert answered.options is not None
        assert answered.options.turns is not None
        assert answered.options.turns[1]["tool_calls"] == [CALL]
        await it.chat.finish(answered, "", tool_calls=(CALL,), finish_reason="tool_calls")
        told = (await asking).choices[0].message
        assert told.content is None
        assert told.tool_calls[0].function.arguments == '{"city":"Oslo"}'


class City(BaseModel):
    """A shape that the SDK makes a schema of."""

    city: str


async def test_answer_is_parsed_when_a_schema_is_asked_for() -> None:
    """`parse` of the SDK sends a strict schema and reads the answer by it."""
    async with served() as it:
        asking = asyncio.create_task(
            it.client.chat.completions.parse(model="mirix", messages=ASK, response_format=City)
        )
        (message,) = await it.chat.asked()
        assert message.options is not None
        assert message.options.output_schema is not None
        assert message.options.output_schema["required"] == ["city"]
        await it.chat.finish(message, '{"city": "Oslo"}')
        assert (await asking).choices[0].message.parsed == City(city="Oslo")


@pytest.mark.parametrize(
    ("kind", "raised", "code"),
    [
        ("unavailable", openai.InternalServerError, "unavailable"),
        ("refused", openai.BadRequestError, "refused"),
        ("budget_spent", openai.RateLimitError, "insufficient_quota"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_client_raises_its_own_error_when_there_is_no_answer(
    kind: str, raised: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    """Streamed or not: the status is not sent before there is something to send."""
    async with served() as it:
        asking = it.ask(stream=stream)
        (message,) = await it.chat.asked()
        await it.chat.abandon(message, kind)
        with pytest.raises(raised) as caught:
            await asking
        assert caught.value.code == code
        assert "every provider failed" in caught.value.message


async def test_client_is_told_when_it_asks_for_what_is_not_there() -> None:
    """A wrong key, an unknown model, and what is not done here, each by its own exception."""
    async with served() as it:
        asking = it.client.chat.completions.create
        with pytest.raises(openai.NotFoundError) as missing:
            await asking(model="gpt-99", messages=ASK)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        two: Any = [{"type": "image_url", "image_url": {"url": "data:,"}}]
        wrong: tuple[dict[str, Any], ...] = (
            {"n": 2},
            {"messages": []},
            {"messages": [*ASK, {"role": "assistant", "content": "x"}]},
            {"messages": [{"role": "user", "content": two}]},
            {"messages": [{"role": "user", "content": " "}]},
            {"tool_choice": "required"},
            {"temperature": 9},
        )
        for fields in wrong:
            with pytest.raises(openai.BadRequestError) as caught:
                await asking(**{"model": "mirix", "messages": ASK, **fields})
            assert caught.value.type == "invalid_request_error"
            assert caught.value.message
        stranger = AsyncOpenAI(api_key="wrong-key", base_url=f"{it.chat.url}/v1", max_retries=0)
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.models.list()
        assert refused.value.code == "invalid_api_key"
        read = it.chat.journal.read(kinds=frozenset({"MessageReceived"}))
        assert [event async for event in read] == []


async def test_unknown_fields_are_passed_over_when_a_newer_client_sends_them() -> None:
    """Clients know fields before we do."""
    async with served() as it:
        asking = it.ask(extra_body={"brand_new": {"a": 1}}, logprobs=True, store=False)
        (message,) = await it.chat.asked()
        await it.chat.finish(message, TEXT)
        assert (await asking).choices[0].message.content == TEXT


async def test_request_is_answered_once_when_its_key_says_that_it_is_repeated() -> None:
    """The second hears the answer to the first; the key for another request is a conflict."""
    async with served() as it:
        headers = {"Idempotency-Key": "k-1"}
        asking = it.ask(extra_headers=headers)
        (message,) = await it.chat.asked()
        await it.chat.finish(message, TEXT)
        first = await asking
        again = await it.ask(extra_headers=headers)
        streamed = await _chunks(await it.ask(extra_headers=headers, stream=True))
        assert again.id == first.id == streamed[0].id
        assert again.choices[0].message.content == TEXT
        assert len(await it.chat.asked()) == 1
        other: Any = [{"role": "user", "content": "Who am I?"}]
        with pytest.raises(openai.ConflictError):
            await it.ask(extra_headers=headers, messages=other)


async def test_request_is_answered_once_when_the_client_retries_by_itself() -> None:
    """The SDK gives up waiting and asks again: the answer that is being made is the answer."""
    async with served() as it:
        client = it.client.with_options(max_retries=1, timeout=1.0)
        asking = asyncio.create_task(
            client.chat.completions.create(
                model="mirix", messages=ASK, extra_headers={"Idempotency-Key": "k-2"}
            )
        )
        (message,) = await it.chat.asked()
        await it.chat.say(message.message_id, TEXT[:5])
        await until(lambda: message.message_id in it.chat.unheard)
        await until(lambda: bool(it.chat.asked_so_far))
        await it.chat.finish(message, TEXT)
        assert (await asking).choices[0].message.content == TEXT
        assert it.chat.unheard[message.message_id] == [10.0]
        assert len(await it.chat.asked()) == 1


async def test_request_is_asked_anew_when_its_first_answer_was_given_up() -> None:
    """A retry after a failure is a new attempt, without a key by the SDK's count of retries."""
    async with served() as it:
        client = it.client.with_options(max_retries=1)
        asking = asyncio.create_task(client.chat.completions.create(model="mirix", messages=ASK))
        (first,) = await it.chat.asked()
        await it.chat.abandon(first, "timed_out")
        _, second = await it.chat.asked(2)
        assert second.message_id != first.message_id
        await it.chat.finish(second, TEXT)
        assert (await asking).choices[0].message.content == TEXT


async def test_stream_ends_with_an_error_when_the_answer_starts_over() -> None:
    """What was streamed cannot be taken back on this wire."""
    async with served() as it:
        asking = it.ask(stream=True)
        (message,) = await it.chat.asked()
        await it.chat.say(message.message_id, "You l")
        stream = await asking
        reading = asyncio.create_task(_chunks(stream))
        await it.chat.say(message.message_id, "Bergen", over=1)
        with pytest.raises(openai.APIError, match="starts over"):
            await reading


async def test_answer_is_given_up_when_the_client_goes_away() -> None:
    """Without a key nobody can come back to it."""
    async with served() as it:
        asking = it.ask(stream=True)
        (message,) = await it.chat.asked()
        await it.chat.say(message.message_id, "You l")
        await (await asking).close()
        await until(lambda: message.message_id in it.chat.unheard)
        assert it.chat.unheard[message.message_id] == [0.0]


def test_real_agents_answer_when_the_synchronous_client_asks() -> None:
    """Nothing is scripted here: what one dialogue tells, another one finds, with its source."""
    with (
        local_gateway() as url,
        OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        told: Any = [{"role": "user", "content": "I adopted a dog named Biscuit."}]
        client.chat.completions.create(model="mirix", messages=told, user="alice")
        asked: Any = [{"role": "user", "content": "What is my dog's name?"}]
        whole = client.chat.completions.create(model="mirix", messages=asked, user="alice")
        assert "Biscuit" in (whole.choices[0].message.content or "")
        assert whole.usage is not None
        assert whole.usage.completion_tokens > 0
        chunks = client.chat.completions.create(
            model="mirix", messages=asked, user="alice", stream=True
        )
        said = [one.choices[0].delta.content or "" for one in chunks]
        assert "Biscuit" in "".join(said)
        assert len(said) > 2
        strangers = client.chat.completions.create(model="mirix", messages=asked, user="bob")
        assert "Biscuit" not in (strangers.choices[0].message.content or "")


async def test_error_is_openais_when_the_body_is_no_json() -> None:
    """Whoever reads it, reads it as all the others."""
    async with served() as it:
        answer = await it.http.post(
            "/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert set(json.loads(answer.content)["error"]) == {"message", "type", "param", "code"}
