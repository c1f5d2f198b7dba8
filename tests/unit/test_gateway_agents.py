"""Assistant profiles, and chat with them: the seeds' sequence, streams, and what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from events.catalogue import MessageReceived
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1, problem, running

AGENTS = f"{V1}/agents/"


async def _agent(client: httpx2.AsyncClient, **fields: Any) -> str:
    answer = await client.post(AGENTS, json={"name": "Helper", **fields})
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def test_profile_lives_and_dies_when_the_seeds_sequence_is_run() -> None:
    """Create, get, change, chat, list messages, delete, get: each sees what came before."""
    made = {
        "name": "集成测试智能体",
        "agent_type": "assistant",
        "description": "first",
        "system_prompt": "你是一个测试助手",
        "model_config": {"temperature": 0.5},
    }
    async with running() as (_, client):
        answer = await client.post(AGENTS, json=made)
        assert answer.status_code == 201
        assert answer.headers["X-Event-Seq"]
        agent = answer.json()
        assert {name: agent[name] for name in made} == made
        at = f"{AGENTS}{agent['id']}"
        assert (await client.get(at)).json() == agent
        changed = await client.put(at, json={"description": "second"})
        assert changed.status_code == 200
        assert changed.json() == {**agent, "description": "second"}
        said = await client.post(f"{at}/chat", json={"message": "hello"})
        assert said.status_code == 200
        assert said.json()["response"] == "You said: hello"
        assert len((await client.get(f"{at}/messages")).json()) == 2
        assert (await client.delete(at)).status_code == 204
        problem(await client.get(at), 404)
        problem(await client.put(at, json={"name": "x"}), 404)
        problem(await client.delete(at), 404)
        problem(await client.post(f"{at}/chat", json={"message": "hello"}), 404)
        problem(await client.post(f"{at}/stream-chat", json={"message": "hello"}), 404)
        problem(await client.get(f"{at}/messages"), 404)


async def test_profiles_are_listed_when_skipped_limited_and_typed() -> None:
    """The list is plain, in order of creation."""
    async with running() as (_, client):
        ids = [await _agent(client, agent_type=kind) for kind in ("a", "b", "a")]
        listed = (await client.get(AGENTS)).json()
        assert [agent["id"] for agent in listed] == ids
        page = await client.get(AGENTS, params={"skip": 1, "limit": 1})
        assert [agent["id"] for agent in page.json()] == ids[1:2]
        typed = await client.get(AGENTS, params={"agent_type": "a"})
        assert [agent["id"] for agent in typed.json()] == [ids[0], ids[2]]
        assert (await client.get(f"{V1}/agents")).json() == listed


async def test_profile_is_in_every_shard_when_made() -> None:
    """People of all shards chat with the same profiles."""
    async with running(shards=3) as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        for user in ("a", "b", "c", "d", "e"):
            answer = await client.post(f"{at}/chat", json={"message": "hi", "user_id": user})
            assert answer.status_code == 200
        ids = [event.event_id for log in gateway.backend.logs for event in log]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": 5}, {"name": "x", "id": "mine"}, {"name": "x" * 201}]
)
async def test_profile_is_refused_when_it_has_the_wrong_shape(body: dict[str, Any]) -> None:
    """A name is needed, and an id is not for clients to choose."""
    async with running() as (gateway, client):
        events = gateway.events
        problem(await client.post(AGENTS, json=body), 422)
        assert gateway.events == events


async def test_answer_cites_and_counts_when_chatting() -> None:
    """The answer comes with its citations, its usage and its place in the log."""
    async with running() as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        body = {"message": "hello", "context": {"mood": "good"}, "conversation_id": "today"}
        answer = await client.post(f"{at}/chat", json=body)
        told = answer.json()
        assert told["citations"][0]["tier"] == "conversation"
        assert told["citations"][0]["mark"] == 1
        assert told["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "cached_tokens": 0}
        assert (told["model"], told["finish_reason"]) == ("extractive", "stop")
        assert answer.headers["X-Event-Seq"] == str(told["position"])
        context, message = gateway.backend.payloads(MessageReceived)
        assert (context.role, context.content) == ("system", '{"mood":"good"}')
        assert context.secret_spans == ()
        assert message.answer_wanted
        assert message.message_id == told["in_reply_to"]
        assert gateway.backend.listeners == 0


async def test_a_secret_is_marked_when_it_stands_in_the_context() -> None:
    """What is put in front of a message is shown to models as well."""
    async with running() as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        body = {"message": "hello", "context": {"note": "the door code is 4711"}}
        await client.post(f"{at}/chat", json=body)
        context, _ = gateway.backend.payloads(MessageReceived)
        ((start, end),) = context.secret_spans
        assert "4711" in context.content[start:end]


@pytest.mark.parametrize(
    "body", [{}, {"message": ""}, {"message": "x" * 100_001}, {"message": "x", "context": 5}]
)
async def test_message_is_refused_when_it_cannot_be_answered(body: dict[str, Any]) -> None:
    """Both ways of chatting refuse the same, before anything is written."""
    async with running() as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        events = gateway.events
        problem(await client.post(f"{at}/chat", json=body), 422)
        problem(await client.post(f"{at}/stream-chat", json=body), 422)
        assert gateway.events == events


async def _stream(client: httpx2.AsyncClient, at: str, message: str) -> list[str]:
    async with client.stream("POST", f"{at}/stream-chat", json={"message": message}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["X-Event-Seq"]
        return [line[6:] async for line in answer.aiter_lines() if line.startswith("data: ")]


async def test_events_come_in_order_when_streaming() -> None:
    """Start, thinking, content, complete, and the closing mark."""
    async with running() as (gateway, client):
        lines = await _stream(client, f"{AGENTS}{await _agent(client)}", "hello")
        assert lines[-1] == "[DONE]"
        events = [json.loads(line) for line in lines[:-1]]
        kinds = [event["event"] for event in events]
        assert kinds == ["start", "thinking", "content", "content", "complete"]
        pieces = [event["data"]["text"] for event in events if event["event"] == "content"]
        assert "".join(pieces) == events[-1]["data"]["response"] == "You said: hello"
        assert gateway.backend.listeners == 0


async def test_error_is_told_in_the_stream_when_the_answer_fails() -> None:
    """The status is sent by then: the stream says it, and ends as always."""
    async with running() as (_, client):
        at = f"{AGENTS}{await _agent(client)}"
        lines = await _stream(client, at, "fail")
        assert json.loads(lines[-2])["event"] == "error"
        assert lines[-1] == "[DONE]"
        problem(await client.post(f"{at}/chat", json={"message": "fail"}), 503)


async def test_client_is_told_when_no_answer_comes_in_time() -> None:
    """The message is safe; only the waiting ends."""
    async with running(ServeSettings(answer_timeout_s=0.05)) as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        gateway.backend.mute = True
        answer = await client.post(f"{at}/chat", json={"message": "hello"})
        assert "position" in problem(answer, 504)["detail"]
        assert answer.headers["X-Event-Seq"]
        lines = await _stream(client, at, "hello")
        assert json.loads(lines[-2])["data"]["type"].endswith("not-handled-yet")
        assert gateway.backend.listeners == 0


async def test_stream_is_refused_when_the_log_is_away() -> None:
    """What fails before the stream begins has a status of its own."""
    async with running() as (gateway, client):
        at = f"{AGENTS}{await _agent(client)}"
        gateway.backend.down = True
        problem(await client.post(f"{at}/stream-chat", json={"message": "hello"}), 503)
        assert gateway.backend.listeners == 0


async def test_messages_are_paged_when_there_are_more() -> None:
    """A full page names the next; conversations and people are kept apart."""
    async with running() as (_, client):
        at = f"{AGENTS}{await _agent(client)}"
        for text in ("one", "two"):
            body = {"message": text, "conversation_id": text}
            await client.post(f"{at}/chat", json=body)
        first = await client.get(f"{at}/messages", params={"limit": 2})
        rest = await client.get(
            f"{at}/messages", params={"limit": 3, "cursor": first.headers["X-Next-Cursor"]}
        )
        assert [m["content"] for m in first.json() + rest.json()] == [
            "one",
            "You said: one",
            "two",
            "You said: two",
        ]
        assert "X-Next-Cursor" not in rest.headers
        one = await client.get(f"{at}/messages", params={"conversation_id": "one"})
        assert {m["conversation_id"] for m in one.json()} == {"one"}
        assert (await client.get(f"{at}/messages", params={"user_id": "bob"})).json() == []
