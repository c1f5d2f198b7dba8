"""The API client: one key, retries where repeating is safe, one clear line for every error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest
import stamina

from cluster.api_client import ApiClient, NewMessage, Retryable
from events.errors import (
    CommandRejected,
    MirixError,
    NotFound,
    Unauthenticated,
    Unavailable,
)

Handler = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry at once, three times at most."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def client_of(handler: Handler) -> ApiClient:
    transport = httpx2.MockTransport(handler)
    return ApiClient("http://gateway.test/", "k-1", transport=transport)


def problem(status: int, detail: str, **headers: str) -> httpx2.Response:
    body = {"type": "about:blank", "title": "T", "status": status, "detail": detail}
    kind = {"Content-Type": "application/problem+json"}
    return httpx2.Response(status, content=json.dumps(body), headers=kind | headers)


async def test_messages_are_sent_with_the_key_when_added() -> None:
    """The key is in its header, empty fields are left out, the answer is typed."""
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(202, json={"position": 7, "message_ids": ["m"], "new": 1})

    async with client_of(handle) as client:
        accepted = await client.add_messages(
            [NewMessage(content="hi", external_id="e")], user_id="ann", conversation_id="c"
        )

    assert (accepted.position, accepted.message_ids) == (7, ("m",))
    assert seen[0].headers["X-API-Key"] == "k-1"
    assert str(seen[0].url) == "http://gateway.test/api/v1/messages?wait=false"
    message = {"role": "user", "content": "hi", "external_id": "e"}
    sent = {"user_id": "ann", "conversation_id": "c", "messages": [message]}
    assert json.loads(seen[0].content) == sent


@pytest.mark.parametrize("status", [429, 503, 504])
async def test_request_is_repeated_when_the_server_asks_to_come_back(status: int) -> None:
    """Too many requests, unavailable and not done yet pass by themselves."""
    answers = iter(
        [problem(status, "later", **{"Retry-After": "1"}), httpx2.Response(200, json={})]
    )

    async with client_of(lambda request: next(answers)) as client:
        assert await client.status() == {}


async def test_request_is_repeated_when_the_connection_is_lost() -> None:
    """A lost connection is tried again, and told with the address when it stays lost."""
    tries = 0

    def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal tries
        tries += 1
        raise httpx2.ConnectError("refused")

    async with client_of(handle) as client:
        with pytest.raises(Unavailable, match=r"cannot reach http://gateway\.test \(refused\)"):
            await client.search("q", user_id="ann")

    assert tries == 3


async def test_chat_is_not_repeated_when_it_fails() -> None:
    """Saying something twice would be another message."""
    tries = 0

    def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal tries
        tries += 1
        return problem(503, "busy")

    async with client_of(handle) as client:
        with pytest.raises(Retryable, match=r"busy \(HTTP 503\)"):
            await client.chat("agt", "hi", user_id="ann")

    assert tries == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthenticated),
        (404, NotFound),
        (422, CommandRejected),
        (400, CommandRejected),
        (500, Unavailable),
    ],
)
async def test_error_has_its_kind_when_a_problem_is_answered(
    status: int, kind: type[MirixError]
) -> None:
    """Each status says who must act; the detail is the line that is shown."""
    async with client_of(lambda request: problem(status, "what happened")) as client:
        with pytest.raises(kind) as failure:
            await client.status()

    assert failure.value.message == f"what happened (HTTP {status})"


async def test_error_is_clear_when_the_answer_is_not_ours() -> None:
    """Another server on the port is found out."""
    async with client_of(lambda request: httpx2.Response(200, text="<html>")) as client:
        with pytest.raises(Unavailable, match="is this the gateway"):
            await client.status()
    async with client_of(lambda request: httpx2.Response(404, text="nope")) as client:
        with pytest.raises(NotFound, match="Not Found"):
            await client.status()


async def test_memories_come_page_by_page_when_there_are_many() -> None:
    """The cursor of one page opens the next."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        page = request.url.params.get("cursor", "")
        following = "" if page else "c1"
        return httpx2.Response(200, json={"items": [{"id": page}], "next_cursor": following})

    async with client_of(handle) as client:
        found = [item["id"] async for item in client.list_memories("core", user_id="ann")]

    assert found == ["", "c1"]
