"""Bad input: each class has its status, its problem, and leaves nothing in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1, Gateway, problem, running

JSON = {"Content-Type": "application/json"}
ONE = {"role": "user", "content": "hello"}
MESSAGES = f"{V1}/messages"


def _with(**fields: object) -> dict[str, object]:
    return {"messages": [{**ONE, **fields}]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b'{"messages": [{"role": "user", "content": "\xff"}]}',
        b'{"messages": NaN}',
        b'{"messages": [{"role": "user", "content": "x"}]} x',
        b'{"messages": [{"role": "user", "content": "\\ud800 half"}]}',
        b'{"messages": [{"role": "user", "content": "raw \x00 nul"}]}',
        "{}".encode("utf-16"),
    ],
)
async def test_body_is_malformed_when_it_is_not_json_in_utf8(raw: bytes) -> None:
    """What is not JSON is 400, before any question of shape."""
    async with running() as (gateway, client):
        events = gateway.events
        problem(await client.post(MESSAGES, content=raw, headers=JSON), 400)
        assert gateway.events == events


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ([], "body"),
        ("text", "body"),
        ({}, "body"),
        ({"messages": []}, "body.messages"),
        ({"messages": "x"}, "body.messages"),
        ({"messages": [ONE], "colour": "red"}, "body"),
        (_with(colour="red"), "body.messages[0]"),
        (_with(content=5), "body.messages[0].content"),
        (_with(content=""), "body.messages[0].content"),
        (_with(content=" \n"), "body.messages[0].content"),
        (_with(content="a\x00b"), "body.messages[0].content"),
        (_with(role="king"), "body.messages[0].role"),
        (_with(created_at="yesterday"), "body.messages[0].created_at"),
        (_with(created_at="2026-13-01T00:00:00Z"), "body.messages[0].created_at"),
        (_with(created_at="0001-01-01T00:00:00+14:00"), "body.messages[0].created_at"),
        (_with(created_at="9999-12-31T23:59:59-14:00"), "body.messages[0].created_at"),
        (_with(created_at=1767776400), "body.messages[0].created_at"),
        (_with(external_id=""), "body.messages[0].external_id"),
        ({"messages": [ONE], "user_id": ""}, "body.user_id"),
        ({"messages": [ONE], "user_id": 7}, "body.user_id"),
        ({"messages": [ONE], "user_id": "x" * 257}, "body.user_id"),
        ({"messages": [ONE], "user_id": "line\n"}, "body.user_id"),
        ({"messages": [ONE], "conversation_id": "a\x1fb"}, "body.conversation_id"),
    ],
)
async def test_body_is_refused_when_it_has_the_wrong_shape(body: object, location: str) -> None:
    """What is JSON of another shape is 422, and says where."""
    async with running() as (gateway, client):
        events = gateway.events
        told = problem(await client.post(MESSAGES, json=body), 422)
        assert told["errors"][0]["location"] == location
        assert gateway.events == events


async def test_batch_is_all_or_none_when_one_message_is_bad() -> None:
    """A request with one bad message writes none of its good ones."""
    async with running() as (gateway, client):
        events = gateway.events
        bad = {"messages": [ONE, ONE, {**ONE, "created_at": "never"}]}
        problem(await client.post(MESSAGES, json=bad), 422)
        assert gateway.events == events


async def test_body_is_refused_when_it_is_nested_without_end() -> None:
    """Depth is an attack on the decoder's stack; it is 400 and not a crash."""
    async with running() as (_, client):
        raw = b'{"name": "x", "model_config": ' + b'{"a":' * 50_000
        problem(await client.post(f"{V1}/agents/", content=raw, headers=JSON), 400)


async def test_integer_is_refused_when_no_event_can_hold_it() -> None:
    """Free-form JSON may hold integers that msgpack does not know."""
    async with running() as (_, client):
        body = {"name": "x", "model_config": {"seed": 2**70}}
        told = problem(await client.post(f"{V1}/agents/", json=body), 422)
        assert told["errors"][0]["location"] == "body.model_config"


def _nested(depth: int) -> dict[str, object]:
    value: object = 1
    for level in range(depth):
        value = {"a": value} if level % 2 or level == depth - 1 else [value]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("agents/", "model_config", {"name": "x"}),
        ("agents/{agent}/chat", "context", {"message": "hello"}),
        ("tools/echo/call", "arguments", {}),
    ],
)
async def test_free_form_json_is_refused_when_it_is_nested_too_deeply(
    path: str, field: str, body: dict[str, object]
) -> None:
    """What an event carries is at most 32 deep, wherever clients may write what they like."""
    async with running() as (gateway, client):
        agent = (await client.post(f"{V1}/agents/", json={"name": "x"})).json()["id"]
        at = f"{V1}/{path.format(agent=agent)}"
        events = gateway.events
        for deep in (_nested(33), _nested(500)):
            told = problem(await client.post(at, json={**body, field: deep}), 422)
            assert told["errors"][0]["location"] == f"body.{field}"
        assert gateway.events == events
        shallow = await client.post(at, json={**body, field: _nested(32)})
        assert shallow.is_success


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_body_is_refused_when_it_is_of_another_type(content_type: str) -> None:
    """Only JSON is read, and only in UTF-8."""
    raw = msgspec.json.encode({"messages": [ONE]})
    async with running() as (_, client):
        for told in (content_type, "application/json; charset=latin-1"):
            headers = {"Content-Type": told}
            problem(await client.post(MESSAGES, content=raw, headers=headers), 415)
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        answer = await client.post(MESSAGES, content=raw, headers=headers)
        assert answer.status_code == 202


async def test_body_is_refused_when_it_declares_too_much() -> None:
    """10 MB are refused by their Content-Length, and the client may go on."""
    async with running() as (gateway, client):
        events = gateway.events
        answer = await client.post(MESSAGES, content=b"x" * 10_000_000, headers=JSON)
        assert "4194304" in problem(answer, 413)["detail"]
        assert "connection" not in answer.headers
        assert gateway.events == events


async def test_body_is_refused_when_it_turns_out_too_large() -> None:
    """A body without a length is counted as it comes; a bounded rest of it is dropped."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async with running(ServeSettings(body_bytes_max=2000)) as (_, client):
        answer = await client.post(MESSAGES, content=endless(), headers=JSON)
        problem(answer, 413)
        assert answer.headers["connection"] == "close"


async def test_large_body_is_not_read_when_the_key_is_wrong() -> None:
    """Whoever has no key cannot make the gateway parse anything."""
    async with running() as (gateway, _), gateway.client("wrong") as stranger:
        problem(await stranger.post(MESSAGES, content=b"{", headers=JSON), 401)


async def test_route_is_unknown_when_nothing_is_there() -> None:
    """Unknown routes and wrong methods are problems too."""
    async with running() as (_, client):
        problem(await client.get("/nowhere"), 404)
        problem(await client.get(f"{V1}/nowhere"), 404)
        answer = await client.put(MESSAGES)
        problem(answer, 405)
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=%00",
        "cursor=zz",
        "min_position=-1",
        "user_id=",
        "user_id=a%0A",
    ],
)
async def test_query_is_refused_when_out_of_bounds(query: str) -> None:
    """Limits, cursors, positions and users in a query are checked like bodies."""
    async with running() as (_, client):
        problem(await client.get(f"{V1}/memory/semantic?{query}"), 422)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("events?limit=0", "query.limit"),
        ("events?limit=201", "query.limit"),
        ("events?cursor=zz", "query.cursor"),
        ("events?cursor=1:5", "query.cursor"),
        ("events?order=up", "query.order"),
        ("events?type=Nothing", "query.type"),
        ("events?agent=nobody", "query.agent"),
        ("events?since=soon", "query.since"),
        ("events?until=1", "query.until"),
        ("events?since=2026-02-01&until=2026-01-01", "query.since"),
        ("events?user_id=a%0A", "query.user_id"),
        ("events/stream?type=Nothing", "query.type"),
        ("events/stream?after=x", "query.after"),
        ("events/stream?after=1-1", "query.after"),
        ("events/stream?after=0-1,0-1", "query.after"),
        ("events/stream?after=900", "query.after"),
        ("timeline/diff", "query.from"),
        ("timeline/diff?from=soon", "query.from"),
        ("timeline/diff?from=900", "query.from"),
        ("timeline/diff?from=0&to=900", "query.to"),
        ("timeline/diff?from=0&to=", "query.to"),
        ("timeline/diff?from=1&to=0", "query.from"),
        ("timeline/diff?from=2026-02-01&to=2026-01-01", "query.from"),
        ("timeline/diff?from=0&tier=dreams", "query.tier[0]"),
    ],
)
async def test_question_about_the_past_is_refused_when_it_has_the_wrong_shape(
    path: str, location: str
) -> None:
    """Names, moments and places are checked, and the problem says which is wrong."""
    async with running() as (_, client):
        told = problem(await client.get(f"{V1}/{path}"), 422)
        assert told["errors"][0]["location"] == location


async def test_position_header_is_refused_when_it_is_no_number() -> None:
    """The header is read like the query."""
    async with running() as (_, client):
        answer = await client.get(f"{V1}/agents/", headers={"X-Event-Seq": "soon"})
        assert problem(answer, 422)["errors"][0]["location"] == "header.X-Event-Seq"


async def test_answer_is_503_when_the_backend_is_away() -> None:
    """Unavailable says when to come back."""
    async with running() as (gateway, client):
        await client.get(f"{V1}/agents/")  # the key is known from here on
        gateway.backend.down = True
        answer = await client.post(MESSAGES, json={"messages": [ONE]})
        problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"


async def test_answer_tells_no_story_when_something_unforeseen_happens() -> None:
    """A programming error is 500 with the request's id, and without its text."""
    async with running() as (gateway, client):
        gateway.backend.broken = RuntimeError("the password is hunter2")
        answer = await client.post(MESSAGES, json={"messages": [ONE]})
        told = problem(answer, 500)
        assert "hunter2" not in answer.text
        assert told["request_id"] == answer.headers["X-Request-ID"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12), inner, max_size=4
        )
    ),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON_VALUES | st.sampled_from(["user", "hello", "alice", "2026-01-07", 10, [ONE]])
        for name in (
            "messages",
            "user_id",
            "conversation_id",
            "query",
            "limit",
            "tiers",
            "filters",
            "name",
            "model_config",
            "title",
            "text",
            "created_at",
            "summary",
            "arguments",
            "tags",
            "min_position",
            "threshold",
            "secret",
            "caption",
            "entry_type",
            "steps",
        )
    },
)
PATHS = st.sampled_from(
    (
        "messages",
        "documents",
        "memory/search",
        "agents/",
        "memory/semantic",
        "memory/core",
        "memory/knowledge_vault",
        "memory/procedural",
        "memory/episodic",
        "tools/echo/call",
    )
)


@settings(max_examples=60, deadline=None)
@given(path=PATHS, body=FIELDS | JSON_VALUES, raw=st.binary(max_size=40), as_raw=st.booleans())
async def test_gateway_answers_or_refuses_whatever_is_posted(
    path: str, body: object, raw: bytes, as_raw: bool
) -> None:
    """No body is a 500, every refusal is a problem, and a refusal writes nothing."""
    async with running() as (gateway, client):
        events = gateway.events
        sent = raw if as_raw else msgspec.json.encode(body)
        answer = await client.post(f"{V1}/{path}", content=sent, headers=JSON)
        _check(gateway, answer, events)


def _check(gateway: Gateway, answer: httpx2.Response, events: int) -> None:
    if answer.is_success:
        assert answer.json() is not None
        return
    assert answer.status_code in (400, 404, 422, 504)
    problem(answer, answer.status_code)
    assert gateway.events == events
