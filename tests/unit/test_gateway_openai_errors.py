"""Whatever goes wrong under `/v1` is told in OpenAI's shape, and what is odd has a right answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
import structlog

from tests.unit.fakes.gateway import V1, problem, running
from tests.unit.fakes.openai_client import ASK, TEXT, served

COMPLETIONS = "/v1/chat/completions"
BODY = {"model": "mirix", "messages": ASK}


def _fault(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Return the error of a response, checking that it is one of OpenAI's."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    fault: dict[str, Any] = response.json()["error"]
    assert set(fault) == {"message", "type", "param", "code"}
    assert fault["message"]
    return fault


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"parameters": {"const": 2**70}}}]}, "tools"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"const": 2**70}},
                }
            },
            "response_format",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": 2**70}]}, *ASK]},
            "messages",
        ),
        ({"n": 2**70}, "n"),
        ({"n": 0}, "n"),
        ({"seed": 2**70}, "seed"),
    ],
)
async def test_request_is_at_fault_when_it_holds_an_integer_that_no_event_can(
    fields: dict[str, Any], param: str
) -> None:
    """It is refused by the name of its field, before anything is recorded."""
    async with running() as (gateway, client):
        events = gateway.events
        fault = _fault(await client.post(COMPLETIONS, json={**BODY, **fields}), 400)
        assert (fault["type"], fault["param"]) == ("invalid_request_error", param)
        assert gateway.events == events


@pytest.mark.parametrize("depth", [33, 200, 400])
async def test_request_is_at_fault_when_a_schema_is_nested_too_deeply(depth: int) -> None:
    """As deep as it may be decoded, it is told as the others are."""
    async with running() as (_, client):
        raw = b'{"model": "mirix", "messages": [{"role": "user", "content": "x"}], "tools": [%s]}'
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        headers = {"Content-Type": "application/json"}
        answer = await client.post(COMPLETIONS, content=raw % nested, headers=headers)
        assert _fault(answer, 400)["param"] == "tools"


async def test_error_is_openais_when_nobody_foresaw_it() -> None:
    """A bug of ours is a server error with its story in the log, under the request's id."""
    async with running() as (gateway, client):
        await client.get("/v1/models")
        gateway.backend.broken = ZeroDivisionError("secret story")
        with structlog.testing.capture_logs() as logs:
            answer = await client.get("/v1/models", headers={"X-Request-ID": "odd-one"})
        fault = _fault(answer, 500)
        assert fault["type"] == "server_error"
        assert "odd-one" in fault["message"]
        assert "secret" not in answer.text
        assert [one["event"] for one in logs if one["log_level"] == "error"] == ["request_failed"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing-here", 404),
        ("GET", "/v1", 404),
        ("POST", "/v1/audio/speech", 404),
        ("GET", COMPLETIONS, 405),
    ],
)
async def test_error_is_openais_when_there_is_no_such_route(
    method: str, path: str, status: int
) -> None:
    """Their clients read it; all else is told as a problem, as before."""
    async with running() as (_, client):
        answer = await client.request(method, path)
        fault = _fault(answer, status)
        assert fault["type"] == "invalid_request_error"
        assert path in fault["message"]
        assert (status == 405) == ("allow" in answer.headers)
        problem(await client.get(f"{V1}/nothing-here"), 404)
        problem(await client.get("/v1elsewhere"), 404)


async def test_person_is_the_same_when_a_header_names_them_in_utf8() -> None:
    """An id in a header means what it means in a body."""
    async with served() as it:
        names = {b"X-User-Id": "安娜".encode(), b"X-Conversation-Id": "été".encode()}
        sending = it.http.post(COMPLETIONS, json=BODY, headers=names)
        answering = asyncio.create_task(sending)
        (message,) = await it.chat.asked()
        await it.chat.finish(message, TEXT)
        assert (await answering).json()["mirix"]["conversation_id"] == "été"
        heard = await it.http.get(f"{V1}/messages", params={"user_id": "安娜"})
        assert [one["conversation_id"] for one in heard.json()] == ["été", "été"]


@pytest.mark.parametrize("name", ["X-User-Id", "X-Conversation-Id"])
async def test_header_is_refused_when_it_is_not_utf8(name: str) -> None:
    """Nobody can say whom Latin-1 would mean."""
    async with running() as (gateway, client):
        events = gateway.events
        answer = await client.post(COMPLETIONS, json=BODY, headers={name.encode(): b"\xe9t\xe9"})
        fault = _fault(answer, 400)
        assert fault["param"] == f"header.{name}"
        assert "UTF-8" in fault["message"]
        assert gateway.events == events


async def test_request_is_at_fault_when_its_key_is_too_long() -> None:
    """Two keys that differ behind the bound would otherwise be one."""
    async with running() as (gateway, client):
        events = gateway.events
        headers = {"Idempotency-Key": "k" * 257}
        fault = _fault(await client.post(COMPLETIONS, json=BODY, headers=headers), 400)
        assert fault["param"] == "header.Idempotency-Key"
        assert gateway.events == events
