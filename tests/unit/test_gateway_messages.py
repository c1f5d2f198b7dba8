"""Messages and documents in: positions, idempotency, waiting, and what never enters an envelope."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from events.catalogue import DocumentReceived, MessageReceived, UserRegistered
from serve.observing import in_front_of_serve
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1, problem, running

ONE = {"role": "user", "content": "hello world"}


async def test_messages_are_accepted_with_position_when_posted() -> None:
    """One request is one batch: the person, then the messages, and the last position."""
    async with running() as (gateway, client):
        answer = await client.post(f"{V1}/messages", json={"messages": [ONE, ONE]})
        assert answer.status_code == 202
        assert answer.json()["position"] == 4  # service key, person, two messages
        assert answer.headers["X-Event-Seq"] == "4"
        assert len(set(answer.json()["message_ids"])) == 2
        batch = [type(event.payload) for event in gateway.backend.batches[-1]]
        assert batch == [UserRegistered, MessageReceived, MessageReceived]


async def test_person_is_registered_once_when_they_come_again() -> None:
    """A replica that has not seen a person yet asks the log."""
    async with running() as (gateway, client):
        for _ in range(2):
            await client.post(f"{V1}/messages", json={"messages": [ONE], "user_id": "alice"})
        assert [p.external_id for p in gateway.backend.payloads(UserRegistered)] == ["alice"]


async def test_message_keeps_its_id_when_sent_again() -> None:
    """The same external id in the same conversation of the same person is the same message."""
    body = {"messages": [{**ONE, "external_id": "m1"}], "user_id": "alice"}
    async with running() as (gateway, client):
        first = await client.post(f"{V1}/messages", json=body)
        events = gateway.events
        again = await client.post(f"{V1}/messages", json=body)
        other = await client.post(f"{V1}/messages", json={**body, "user_id": "bob"})
        assert (first.json()["new"], again.json()["new"]) == (1, 0)
        assert {**again.json(), "new": 1} == first.json()
        assert gateway.events == events + 2  # only Bob and his message
        assert other.json()["message_ids"] != first.json()["message_ids"]


async def test_message_is_one_when_it_comes_twice_in_a_request() -> None:
    """A repeated message is collapsed; two different ones under one id are refused."""
    twice = [{**ONE, "external_id": "m1"}] * 2
    differing = [twice[0], {**ONE, "content": "other", "external_id": "m1"}]
    async with running() as (gateway, client):
        answer = await client.post(f"{V1}/messages", json={"messages": twice})
        first, second = answer.json()["message_ids"]
        assert first == second
        assert len(gateway.backend.payloads(MessageReceived)) == 1
        refused = await client.post(f"{V1}/messages", json={"messages": differing})
        told = problem(refused, 422)
        assert told["errors"][0]["location"] == "body.messages[1].external_id"


async def test_envelope_holds_no_client_chosen_name_when_recorded() -> None:
    """Users, conversations, external ids and request ids are opaque outside of payloads."""
    names = ("alice@example.org", "about my divorce", "mail-17", "ticket of alice")
    body = {
        "user_id": names[0],
        "conversation_id": names[1],
        "messages": [{**ONE, "external_id": names[2]}],
    }
    async with running() as (gateway, client):
        headers = {"X-Request-ID": "ticket-of-alice"}
        answer = await client.post(f"{V1}/messages", json=body, headers=headers)
        assert answer.headers["X-Request-ID"] == "ticket-of-alice"
        for event in gateway.backend.batches[-1]:
            clear = msgspec.json.encode(
                [event.event_id, event.user, event.entity, event.correlation_id, event.tenant]
            ).decode()
            assert not any(name.split()[-1] in clear for name in names)
            assert event.user.startswith("usr_")
        message = gateway.backend.payloads(MessageReceived)[0]
        assert message.conversation == names[1]


async def test_request_id_becomes_correlation_id_when_opaque() -> None:
    """A UUID names nobody, so operators find it again as it was sent."""
    request_id = "0d9c9f3c-6a52-4c3f-9a51-6f6f2f0f7a11"
    async with running() as (gateway, client):
        await client.post(
            f"{V1}/messages", json={"messages": [ONE]}, headers={"X-Request-ID": request_id}
        )
        assert {event.correlation_id for event in gateway.backend.batches[-1]} == {request_id}


async def test_answer_is_200_when_waited_for() -> None:
    """`wait=true` answers once every agent has handled the messages."""
    async with running() as (_, client):
        answer = await client.post(f"{V1}/messages?wait=true", json={"messages": [ONE]})
        assert answer.status_code == 200


async def test_answer_tells_that_the_write_is_safe_when_waiting_takes_too_long() -> None:
    """A deadline is no lost write: the problem says where the messages are."""
    async with running() as (gateway, client):
        gateway.backend.stalled = True
        answer = await client.post(f"{V1}/messages?wait=true", json={"messages": [ONE]})
        told = problem(answer, 504)
        assert "position 3" in told["detail"]
        assert answer.headers["Retry-After"]
        assert answer.headers["X-Event-Seq"] == "3"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2026-01-07T10:00:00+01:00", "2026-01-07T09:00:00+00:00"),
        ("2026-01-07T09:00:00", "2026-01-07T09:00:00+00:00"),
        ("2026-01-07", "2026-01-07T00:00:00+00:00"),
        (None, "2026-01-07T09:00:00+00:00"),
    ],
)
async def test_message_is_said_in_utc_when_dated(given: str | None, told: str) -> None:
    """Without a zone a date is UTC; without a date it is now."""
    async with running() as (gateway, client):
        message = {**ONE, "created_at": given}
        assert (
            await client.post(f"{V1}/messages", json={"messages": [message]})
        ).status_code == 202
        assert gateway.backend.payloads(MessageReceived)[0].said_at.isoformat() == told


async def test_message_is_accepted_when_exactly_as_long_as_the_limit() -> None:
    """100,000 characters go in, one more does not, and the limit is named."""
    async with running() as (gateway, client):
        fits = {"messages": [{**ONE, "content": "字" * 100_000}]}
        assert (await client.post(f"{V1}/messages", json=fits)).status_code == 202
        events = gateway.events
        longer = {"messages": [ONE, {**ONE, "content": "x" * 100_001}]}
        told = problem(await client.post(f"{V1}/messages", json=longer), 422)
        assert "100000" in told["detail"]
        assert told["errors"][0]["location"] == "body.messages[1].content"
        assert gateway.events == events


async def test_request_is_refused_when_it_holds_too_many_messages() -> None:
    """The bound on messages is a setting, and nothing of the request is written."""
    async with running(ServeSettings(messages_max=2)) as (gateway, client):
        events = gateway.events
        problem(await client.post(f"{V1}/messages", json={"messages": [ONE] * 3}), 422)
        assert gateway.events == events


async def test_document_is_accepted_when_posted() -> None:
    """A document goes in as text, waited for or not."""
    body = {"title": "Handbook", "text": "Hold the button.", "uri": "https://example.org/h"}
    async with running() as (gateway, client):
        answer = await client.post(f"{V1}/documents", json=body)
        assert answer.status_code == 202
        assert answer.headers["X-Event-Seq"] == str(answer.json()["position"])
        assert (await client.post(f"{V1}/documents?wait=true", json=body)).status_code == 200
        assert gateway.backend.payloads(DocumentReceived)[0].title == "Handbook"
        problem(await client.post(f"{V1}/documents", json={**body, "text": " "}), 422)


async def test_person_lives_in_one_shard_when_there_are_many() -> None:
    """All of a person's events go to one shard, and different people to different ones."""
    async with running(shards=4) as (gateway, client):
        posts = [
            client.post(f"{V1}/messages", json={"messages": [ONE], "user_id": f"user {i}"})
            for i in range(16)
        ]
        await asyncio.gather(*posts)
        shards = [{e.user for e in log if e.user != "system"} for log in gateway.backend.logs]
        assert sum(map(len, shards)) == len(set.union(*shards)) == 16
        assert sum(1 for users in shards if users) > 1


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["ticket-7"], True),
        ([], False),
        (["folded <b>"], False),
        (["a", "b"], False),
        (["x" * 129], False),
        (["caf\xe9"], False),
    ],
)
async def test_request_id_is_settled_before_a_server_shows_it(asked: list[str], kept: bool) -> None:
    """A server in front puts on answers what it reads: a harmless id, or one of ours."""
    read: list[str] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        read.extend(Headers(scope=scope).getlist("X-Request-ID"))

    async def nothing(*_: object) -> Message:
        raise AssertionError("nothing is received or sent")

    (wrapped,) = in_front_of_serve()
    headers = [(b"x-request-id", one.encode("latin-1")) for one in asked]
    await wrapped.cls(server)({"type": "http", "headers": headers}, nothing, nothing)
    (shown,) = read
    assert shown == asked[0] if kept else shown.startswith("req_")
