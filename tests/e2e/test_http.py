"""The HTTP surface of a running system: answers, and clear words where something is wrong."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import httpx2
import pytest

from tests.system import System

MESSAGE = {"role": "user", "content": "I live in Lisbon."}


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem of this status, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    return found


def last_position(system: System) -> int:
    position: int = system.get("/status")["last_positions"]["0"]
    return position


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"messages": [', 400),
        (b"\xff\xfe not utf-8", 400),
        (b'{"messages": [{"role": "user", "content": "\xc3\x28"}]}', 400),
        (b'{"messages": "no list"}', 422),
        (b'{"messages": []}', 422),
        (b'{"messages": [{"role": "user", "content": ""}]}', 422),
        (b'{"messages": [{"role": "robot", "content": "hi"}]}', 422),
        (b'{"messages": [{"role": "user", "content": 7}]}', 422),
        (b'{"messages": [{"role": "user", "content": "hi"}], "colour": "red"}', 422),
        (b'{"messages": [{"role": "user", "content": "' + b"a" * 100_001 + b'"}]}', 422),
        (b'{"messages": [{"role": "user", "content": "' + b"a" * 10_000_000 + b'"}]}', 413),
        (b'{"messages": [{"content": "ok"}, {"content": ""}]}', 422),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, bytes) else str(value),
)
def test_a_bad_body_is_a_clear_problem_and_writes_nothing(
    system: System, body: bytes, status: int
) -> None:
    """Whatever is wrong with a body, the answer names it, and the log stays as it was."""
    before = last_position(system)
    answer = system.http.post(
        "/messages", content=body, headers={"Content-Type": "application/json"}
    )
    assert problem(answer, status)["detail"]
    assert last_position(system) == before


def test_a_message_of_100_000_characters_is_taken(system: System) -> None:
    """The longest message goes through all nine agents."""
    text = "We visited the lighthouse yesterday. " * 2702
    answer = system.http.post(
        "/messages",
        params={"wait": "true"},
        json={"user_id": "long", "messages": [{"role": "user", "content": text[:100_000]}]},
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer no"}])
def test_nobody_comes_in_without_a_key(system: System, headers: dict[str, str]) -> None:
    """There is no anonymous access, and a wrong key is none."""
    answer = httpx2.post(
        f"{system.url}/api/v1/messages", json={"messages": [MESSAGE]}, headers=headers
    )
    assert problem(answer, 401)
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/agents/agt_nobody", None),
        ("PUT", "/agents/agt_nobody", {"name": "x"}),
        ("DELETE", "/agents/agt_nobody", None),
        ("POST", "/agents/agt_nobody/chat", {"message": "hi"}),
        ("GET", "/memory/semantic/mem_nothing", None),
        ("PATCH", "/memory/semantic/mem_nothing", {"summary": "x"}),
        ("DELETE", "/memory/semantic/mem_nothing", None),
        ("POST", "/memory/knowledge_vault/mem_nothing/reveal", {}),
        ("GET", "/memory/no_such_tier", None),
        ("GET", "/nowhere", None),
    ],
)
def test_an_unknown_thing_is_not_found(
    system: System, method: str, path: str, body: dict[str, str] | None
) -> None:
    """What is not there is 404, or 422 where the path itself cannot be."""
    answer = system.http.request(method, path, json=body)
    assert problem(answer, answer.status_code)
    assert answer.status_code in ({404, 422} if "tier" in path else {404})


def test_a_writer_finds_what_it_wrote_when_it_passes_the_position(system: System) -> None:
    """Reading with a position never misses that write."""
    for number in range(20):
        position = system.say(
            "reader", [{"role": "user", "content": f"The code word is w{number}x."}]
        )
        found = system.post(
            "/memory/search",
            {"user_id": "reader", "query": f"w{number}x", "min_position": position},
        )
        assert any(f"w{number}x" in hit["text"] for hit in found["results"])


def test_nobody_sees_another_users_memory(system: System) -> None:
    """The same words of two people never meet."""
    system.say("ann", [{"role": "user", "content": "My sister Petra breeds alpacas."}], wait=True)
    system.say("ben", [{"role": "user", "content": "I like maps."}], wait=True)
    found = system.post("/memory/search", {"user_id": "ben", "query": "Petra alpacas", "limit": 50})
    assert not [hit for hit in found["results"] if "alpacas" in hit["text"]]
    assert system.memories("ben", "semantic") == []


def test_a_memory_lives_from_making_to_deletion(system: System) -> None:
    """Make, read, change, delete; then it is not found."""
    made = system.http.post(
        "/memory/semantic",
        json={"user_id": "cy", "name": "Oslo", "summary": "Oslo is on a fjord"},
    )
    assert made.status_code == 201, made.text
    path = f"/memory/semantic/{made.json()['id']}"
    changed = system.http.patch(
        path, params={"user_id": "cy"}, json={"summary": "Oslo lies on a fjord"}
    )
    assert changed.status_code == 200, changed.text
    assert system.get(path, user_id="cy")["summary"] == "Oslo lies on a fjord"
    assert problem(system.http.get(path, params={"user_id": "dee"}), 404)
    assert system.http.delete(path, params={"user_id": "cy"}).status_code == 204
    assert problem(system.http.get(path, params={"user_id": "cy"}), 404)


def test_a_secret_is_shown_on_request_only_and_leaves_a_trace(system: System) -> None:
    """The vault shows a caption; the secret comes with an audited reveal."""
    line = {"role": "user", "content": "The wifi password of the cabin is fjord-7731-Lodge"}
    system.say("eve", [line], wait=True)
    (entry,) = system.memories("eve", "knowledge_vault")
    assert "fjord-7731-Lodge" not in json.dumps(entry)
    found = system.post("/memory/search", {"user_id": "eve", "query": "wifi password cabin"})
    assert found["results"]
    assert "fjord-7731-Lodge" not in json.dumps(found)
    shown = system.http.post(
        f"/memory/knowledge_vault/{entry['id']}/reveal",
        params={"user_id": "eve"},
        json={"reason": "connecting"},
    )
    assert shown.status_code == 200, shown.text
    assert shown.json()["secret"] == "fjord-7731-Lodge"


def test_a_chat_answers_with_citations_and_streams_the_same(system: System) -> None:
    """An assistant profile answers from memory, whole and as a stream of the five events."""
    system.say("fay", [{"role": "user", "content": "My sister Zoe lives in Lisbon."}], wait=True)
    profile = system.post("/agents/", {"name": "helper", "system_prompt": "Be brief."})
    assert system.get(f"/agents/{profile['id']}")["name"] == "helper"
    question = {"message": "Where does Zoe live?", "user_id": "fay"}
    answer = system.post(f"/agents/{profile['id']}/chat", question)
    assert "Lisbon" in answer["response"]
    assert answer["citations"][0]["message_ids"]
    assert answer["model"] == "extractive"
    with system.http.stream("POST", f"/agents/{profile['id']}/stream-chat", json=question) as sent:
        assert sent.status_code == 200
        lines = [line[6:] for line in sent.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    parts = [json.loads(line) for line in lines[:-1]]
    assert [part["event"] for part in parts[:2]] == ["start", "thinking"]
    pieces = "".join(part["data"]["text"] for part in parts if part["event"] == "content")
    assert parts[-1]["event"] == "complete"
    assert parts[-1]["data"]["response"] == pieces
    assert "Lisbon" in pieces
    said = system.get(f"/agents/{profile['id']}/messages", user_id="fay")
    assert [one["role"] for one in said] == ["user", "assistant"] * 2


def test_health_metrics_and_documentation_are_there(system: System) -> None:
    """An operator finds what every service has."""
    for path in ("/health", "/ready", "/metrics", "/docs", "/openapi.json"):
        assert httpx2.get(f"{system.url}{path}").status_code == 200, path


def test_the_documentation_needs_no_network(system: System) -> None:
    """Whatever the page of the documentation loads comes from the system itself."""
    page = httpx2.get(f"{system.url}/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 3
    for address in loaded:
        assert address.startswith("/")
        assert httpx2.get(f"{system.url}{address}").status_code == 200


def _exchange(system: System, request: bytes) -> bytes:
    """Send bytes on a connection of their own; return the head of what comes back."""
    host, port = system.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(65_536)):
            received += piece
    return received


def test_request_id_is_ours_when_the_one_sent_is_folded(system: System) -> None:
    """What HAProxy unfolds is no id: the answer carries another one, once."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\r\n <b>\r\n\r\n"
    (shown,) = re.findall(rb"(?im)^x-request-id: (.*)\r$", _exchange(system, head))
    assert shown.startswith(b"req_")


def test_health_answers_when_hundreds_send_their_bodies_slowly(system: System) -> None:
    """More than a replica serves at once, with a key and without: they hold up nobody."""
    key = system.http.headers["X-API-Key"].encode()
    for sent_key, length in ((b"none", b"9000000"), (key, b"90000")):
        head = b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += b"X-API-Key: " + sent_key + b"\r\nContent-Length: " + length + b"\r\n\r\n{"
        host, port = system.url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(300)]
        try:
            for connection in slow:
                connection.sendall(head)
            for path in ("/health", "/ready"):
                assert httpx2.get(f"{system.url}{path}", timeout=8).status_code == 200
        finally:
            for connection in slow:
                connection.close()
