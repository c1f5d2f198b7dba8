"""Chat over real HTTP: answers and failures, clients that go away and that come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from actors.progress import AnswerPart
from events.catalogue import MessageReceived
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1, problem
from tests.unit.fakes.scripted_chat import ScriptedChat, scripted, until

TEXT = "You live in Oslo [1]."
Told = dict[str, Any]


async def _agent(client: httpx2.AsyncClient) -> str:
    made = await client.post(f"{V1}/agents/", json={"name": "Helper"})
    return f"{V1}/agents/{made.json()['id']}"


async def _events(answer: httpx2.Response) -> AsyncIterator[Told]:
    """Yield the events of a stream: `id`, `event` (or `[DONE]`) and `data`."""
    assert answer.status_code == 200, await answer.aread()
    id_ = ""
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            id_ = line[4:]
        elif line == "data: [DONE]":
            yield {"id": id_, "event": "[DONE]", "data": {}}
        elif line.startswith("data: "):
            yield {"id": id_, **json.loads(line[6:])}


async def _rest(answer: httpx2.Response) -> list[Told]:
    return [told async for told in _events(answer)]


def _text(told: list[Told]) -> str:
    """Return what a client shows at the end: a restart empties it."""
    text = ""
    for one in told:
        if one["event"] == "content":
            text += one["data"]["text"]
        elif one["data"].get("restart"):
            text = ""
    return text


async def _finish(chat: ScriptedChat, message: MessageReceived) -> None:
    await chat.finish(message, TEXT, finish_reason="length")


async def test_answer_shows_what_it_rests_on_and_cost_when_there_is_one() -> None:
    """Citations with their marks, tokens with the cached ones, model, why it ended."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        options = {"model": "big", "temperature": 0.5, "max_tokens": 9, "stop": ["."], "seed": 7}
        body = {"message": "Where do I live?", **options}
        asking = asyncio.create_task(client.post(f"{at}/chat", json=body))
        (message,) = await chat.asked()
        await _finish(chat, message)
        told = (await asking).json()
        assert told["response"] == TEXT
        assert told["citations"][0]["mark"] == 1
        assert told["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "cached_tokens": 4}
        assert (told["model"], told["finish_reason"]) == ("scripted", "length")
        assert message.options is not None
        assert (message.options.model, message.options.temperature) == ("big", 0.5)
        assert chat.foreseen == [message.message_id]
        assert (message.options.max_tokens, message.options.stop) == (9, (".",))
        assert chat.unheard == {}


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("unavailable", 503, "no-answer"),
        ("timed_out", 503, "no-answer"),
        ("rate_limited", 503, "no-answer"),
        ("refused", 422, "answer-refused"),
        ("budget_spent", 429, "budget-spent"),
    ],
)
async def test_failure_is_a_clear_problem_when_there_is_no_answer(
    kind: str, status: int, type_: str
) -> None:
    """Its kind, and when to try again; the stream says the same."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        asking = asyncio.create_task(client.post(f"{at}/chat", json={"message": "hi"}))
        (message,) = await chat.asked()
        await chat.abandon(message, kind)
        answer = await asking
        told = problem(answer, status)
        assert told["kind"] == kind
        assert told["type"].endswith(type_)
        assert "every provider failed" in told["detail"]
        assert ("Retry-After" in answer.headers) == (kind != "refused")
        again = await client.get(f"{at}/stream-chat/{message.message_id}")
        *_, error, done = await _rest(again)
        assert (error["event"], error["data"]["kind"], done["event"]) == ("error", kind, "[DONE]")


async def test_model_is_refused_when_it_is_not_configured() -> None:
    """The problem names those that are."""
    async with scripted(ServeSettings(models=("big", "small"))) as (_, client):
        at = await _agent(client)
        answer = await client.post(f"{at}/chat", json={"message": "hi", "model": "huge"})
        assert "big, small" in problem(answer, 422)["detail"]


async def test_answer_is_given_up_when_the_client_goes_away() -> None:
    """At once: nobody can come back to an answer that is not streamed."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        asking = asyncio.create_task(client.post(f"{at}/chat", json={"message": "hi"}))
        (message,) = await chat.asked()
        asking.cancel()
        await until(lambda: message.message_id in chat.unheard)
        assert chat.unheard[message.message_id] == [0.0]


async def test_answer_goes_on_when_only_the_waiting_ends() -> None:
    """Who is told that the answer will be in the conversation finds it there."""
    async with scripted(ServeSettings(answer_timeout_s=0.2)) as (chat, client):
        answer = await client.post(f"{await _agent(client)}/chat", json={"message": "hi"})
        problem(answer, 504)
        assert chat.unheard == {}


async def test_events_have_places_when_streamed() -> None:
    """Each id says how much had been told by then; the closing one that it is all."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        async with client.stream("POST", f"{at}/stream-chat", json={"message": "hi"}) as answer:
            reading = asyncio.create_task(_rest(answer))
            (message,) = await chat.asked()
            id_ = message.message_id
            await chat.tell(id_, AnswerPart(kind="thinking", text="searching memory"))
            await chat.say(id_, TEXT[:8])
            await chat.say(id_, TEXT[8:])
            await _finish(chat, message)
            told = await reading
        assert [(one["event"], one["id"].removeprefix(id_)) for one in told] == [
            ("start", ":0:0"),
            ("thinking", ":0:0"),
            ("content", ":0:8"),
            ("content", ":0:21"),
            ("complete", ":0:21"),
            ("[DONE]", ":end"),
        ]
        assert told[-2]["data"]["usage"]["cached_tokens"] == 4
        assert chat.unheard == {}


async def test_text_is_whole_when_signals_are_lost() -> None:
    """A gap is repaired from what the agent has; a lost end, from the log."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        async with client.stream("POST", f"{at}/stream-chat", json={"message": "hi"}) as answer:
            reading = asyncio.create_task(_rest(answer))
            (message,) = await chat.asked()
            id_ = message.message_id
            await chat.say(id_, TEXT[:4])
            await chat.say(id_, TEXT[4:9], lost=True)
            await chat.say(id_, TEXT[9:12])
            chat.tell = _to_nobody  # type: ignore[method-assign]
            await _finish(chat, message)
            told = await reading
        assert _text(told) == TEXT
        assert told[-2]["event"] == "complete"
        assert not [one for one in told if one["data"].get("restart")]


async def _to_nobody(message_id: str, part: AnswerPart) -> None:
    """Lose a signal."""


async def _broken_off(
    chat: ScriptedChat, client: httpx2.AsyncClient, at: str
) -> tuple[MessageReceived, str]:
    """Begin a stream and leave it in the middle; return the message and the last id."""
    async with client.stream("POST", f"{at}/stream-chat", json={"message": "hi"}) as answer:
        events = _events(answer)
        await anext(events)
        (message,) = await chat.asked()
        await chat.say(message.message_id, TEXT[:8])
        last = await anext(events)
    await until(lambda: message.message_id in chat.unheard)
    assert chat.unheard[message.message_id] == [10.0]
    return message, last["id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_stream_goes_on_where_it_was_when_its_client_comes_back(method: str) -> None:
    """Nothing is asked twice and nothing told twice, whichever way the client comes back."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, last_id = await _broken_off(chat, client, at)
        id_ = message.message_id
        await chat.say(id_, TEXT[8:12])
        body = {"message": "hi"} if method == "POST" else None
        path = f"{at}/stream-chat" + (f"/{id_}" if method == "GET" else "")
        headers = {"Last-Event-ID": last_id}
        async with client.stream(method, path, headers=headers, json=body) as answer:
            events = _events(answer)
            told = [await anext(events), await anext(events)]
            await chat.say(id_, TEXT[12:])
            await _finish(chat, message)
            told += [one async for one in events]
        assert TEXT[:8] + _text(told) == TEXT
        assert not [one for one in told if one["data"].get("restart")]
        assert len(await chat.asked()) == 1


async def test_client_hears_that_it_starts_over_when_a_round_began_meanwhile() -> None:
    """What it shows is emptied by `restart`."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, last_id = await _broken_off(chat, client, at)
        await chat.say(message.message_id, "Bergen", over=1)
        path = f"{at}/stream-chat/{message.message_id}"
        async with client.stream("GET", path, headers={"Last-Event-ID": last_id}) as answer:
            events = _events(answer)
            told = [await anext(events) for _ in range(3)]
            assert [one["event"] for one in told] == ["start", "thinking", "content"]
            assert told[1]["data"]["restart"] is True
            assert told[2]["id"].endswith(":1:6")
            await chat.say(message.message_id, ", surely")
            await chat.finish(message, "Bergen, surely")
            told += [one async for one in events]
        assert _text(told) == "Bergen, surely"


async def test_answer_is_told_whole_when_it_is_in_the_log() -> None:
    """As one content and complete; and nothing more to who has heard the end."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, last_id = await _broken_off(chat, client, at)
        await _finish(chat, message)
        path = f"{at}/stream-chat/{message.message_id}"
        fresh = await _rest(await client.get(path))
        assert [one["event"] for one in fresh] == ["start", "content", "complete", "[DONE]"]
        assert (
            _text(await _rest(await client.get(path, headers={"Last-Event-ID": last_id}))) == TEXT
        )
        ended = await client.get(path, headers={"Last-Event-ID": fresh[-1]["id"]})
        assert (ended.status_code, ended.content) == (204, b"")


@pytest.mark.parametrize("round_", [999_999_999, 1_000_001, 1_000_000, 7])
async def test_ids_can_be_come_back_with_when_the_one_that_was_sent_is_made_up(round_: int) -> None:
    """A place that no answer ever reached is the beginning, or leads to where the answer is."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, _ = await _broken_off(chat, client, at)
        await _finish(chat, message)
        path = f"{at}/stream-chat/{message.message_id}"
        last_id = f"{message.message_id}:{round_}:3"
        told = await _rest(await client.get(path, headers={"Last-Event-ID": last_id}))
        assert _text(told) == TEXT
        for one in told:
            again = await client.get(path, headers={"Last-Event-ID": one["id"]})
            assert again.is_success, one


async def test_other_listener_speaks_up_when_one_goes_away() -> None:
    """The answer goes on for who still listens: asking how far it is says so."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, _ = await _broken_off(chat, client, at)
        path = f"{at}/stream-chat/{message.message_id}"
        async with client.stream("GET", path) as staying:
            events = _events(staying)
            assert [(await anext(events))["event"] for _ in range(2)] == ["start", "content"]
            asked = len(chat.asked_so_far)
            async with client.stream("GET", path) as leaving:
                await anext(_events(leaving))
            await until(lambda: len(chat.unheard[message.message_id]) == 2)
            # One asking is the second listener's own beginning.
            await until(lambda: len(chat.asked_so_far) >= asked + 2)


@pytest.mark.parametrize(
    ("last_id", "status"),
    [("nonsense", 422), ("msg_other:0:4", 422), ("msg_x:0:4x", 422), ("msg_x:-1:4", 422)],
)
async def test_place_is_refused_when_it_is_none_of_this_message(last_id: str, status: int) -> None:
    """A place of another message, or no place at all."""
    async with scripted() as (chat, client):
        at = await _agent(client)
        message, _ = await _broken_off(chat, client, at)
        path = f"{at}/stream-chat/{message.message_id}"
        problem(await client.get(path, headers={"Last-Event-ID": last_id}), status)


async def test_stream_is_not_found_when_it_is_somebody_elses() -> None:
    """Unknown messages, other people's, and those to another agent."""
    async with scripted() as (chat, client):
        at, other = await _agent(client), await _agent(client)
        message, last_id = await _broken_off(chat, client, at)
        id_ = message.message_id
        problem(await client.get(f"{at}/stream-chat/msg_unknown"), 404)
        problem(await client.get(f"{other}/stream-chat/{id_}"), 404)
        problem(await client.get(f"{at}/stream-chat/{id_}", params={"user_id": "eve"}), 404)
        body = {"message": "hi", "user_id": "eve"}
        headers = {"Last-Event-ID": last_id}
        problem(await client.post(f"{at}/stream-chat", json=body, headers=headers), 404)
        assert len(await chat.asked()) == 1
