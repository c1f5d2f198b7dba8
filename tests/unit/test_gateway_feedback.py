"""Feedback on a search over HTTP: what is taken, what is refused, and what is in the log then."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.unit.fakes.gateway import V1, problem
from tests.unit.fakes.past_gateway import OTHER_KEY, PastGateway, remembering

ALICE = {"user_id": "alice"}
SAID = ("I moved to Lisbon in May.", "The weather in Lisbon is fine.", "My cat is called Tom.")


async def _search(gateway: PastGateway, client: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """Let Alice say something and search for it; return the search's id and those of its hits."""
    await gateway.say(client, "alice", *SAID)
    body = {"query": "moved to Lisbon", "tiers": ["conversation"], **ALICE}
    found = (await client.post(f"{V1}/memory/search", json=body)).json()
    return found["search_id"], [hit["id"] for hit in found["results"]]


async def _judge(
    client: httpx2.AsyncClient, search_id: str, key: str = "", **body: Any
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"{V1}/memory/search/{search_id}/feedback"
    return await client.post(path, json={**ALICE, **body}, headers=headers)


async def _recorded(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get(f"{V1}/events", params={"type": "SearchFeedback", **ALICE})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_feedback_is_in_the_log_when_it_is_answered() -> None:
    """It stands below the search that it is about, which it may follow at once."""
    async with remembering() as (gateway, client):
        search_id, (first, second, *_) = await _search(gateway, client)
        verdicts = {second: "not_helpful", first: "helpful"}
        answer = await _judge(
            client, search_id, judgements=verdicts, answered_by=[first], note="Found at last."
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["search_id"] == search_id
        (event,) = await _recorded(client)
        assert event["position"] == answer.json()["position"] == int(answer.headers["X-Event-Seq"])
        assert event["payload"] == {
            "search_id": search_id,
            "helpful": [first],
            "not_helpful": [second],
            "answered_by": [first],
            "note": "Found at last.",
        }
        assert (event["causation_id"], event["correlation_id"]) == (search_id, search_id)
        tree = (await client.get(f"{V1}/correlations/{search_id}")).json()
        assert "SearchFeedback" in str(tree)


async def test_feedback_is_one_event_when_it_is_sent_again() -> None:
    """By what it says, or by the client's key; who goes back to the first verdict is heard."""
    async with remembering() as (gateway, client):
        search_id, (first, *_) = await _search(gateway, client)
        good, bad = ({"judgements": {first: one}} for one in ("helpful", "not_helpful"))
        places = [
            (await _judge(client, search_id, **body)).json()["position"]
            for body in (good, good, bad, bad, good)
        ]
        assert places[0] == places[1] < places[2] == places[3] < places[4]
        keyed = [
            (await _judge(client, search_id, "k-1", **good)).json()["position"] for _ in range(2)
        ]
        assert places[4] < keyed[0] == keyed[1]
        problem(await _judge(client, search_id, "k-1", **bad), 409)
        assert len(await _recorded(client)) == 4


async def test_search_is_unknown_when_it_is_none_or_somebody_elses() -> None:
    """Another person, another organisation, another event's id, or none: 404 alike."""
    async with remembering() as (gateway, client):
        search_id, (first, *_) = await _search(gateway, client)
        body = {"judgements": {first: "helpful"}}
        message = (await client.get(f"{V1}/events", params=ALICE)).json()["items"][0]
        for unknown in ("search_none", message["event_id"]):
            problem(await _judge(client, unknown, **body), 404)
        problem(await _judge(client, search_id, **body, user_id="bob"), 404)
        async with gateway.client(OTHER_KEY) as stranger:
            problem(await _judge(stranger, search_id, **body), 404)
        assert not await _recorded(client)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body"),
        ({"note": "Fine."}, "body"),
        ({"judgements": {"mem_other": "helpful"}}, "body.judgements.mem_other"),
        ({"answered_by": ["FIRST", "mem_other"]}, "body.answered_by[1]"),
        ({"judgements": {"FIRST": "splendid"}}, "body.judgements"),
        (
            {"judgements": {"FIRST": "not_helpful"}, "answered_by": ["FIRST"]},
            "body.judgements.FIRST",
        ),
        ({"answered_by": "FIRST"}, "body.answered_by"),
        ({"verdicts": {}}, "body"),
    ],
)
async def test_feedback_is_refused_when_it_does_not_fit_the_search(
    body: dict[str, Any], where: str
) -> None:
    """Each refusal names the place; nothing is recorded."""
    async with remembering() as (gateway, client):
        search_id, (first, *_) = await _search(gateway, client)
        # The hit's id is known only now.
        sent = json.loads(json.dumps(body).replace("FIRST", first))
        told = problem(await _judge(client, search_id, **sent), 422)
        assert told["errors"][0]["location"].startswith(where.replace("FIRST", first))
        assert not await _recorded(client)


async def test_feedback_is_gone_when_the_person_is_erased() -> None:
    """It is sealed with the person's key, and so is the search: neither is there any more."""
    async with remembering() as (gateway, client):
        search_id, (first, *_) = await _search(gateway, client)
        body = {"judgements": {first: "helpful"}, "note": "My private note."}
        assert (await _judge(client, search_id, **body)).is_success
        (event,) = await _recorded(client)
        gateway.erase(event["user"])
        assert not await _recorded(client)
        problem(await _judge(client, search_id, **body), 404)


async def test_feedback_is_refused_when_its_key_is_too_long() -> None:
    """Two keys that differ behind the bound would otherwise be one."""
    async with remembering() as (gateway, client):
        search_id, (first, *_) = await _search(gateway, client)
        answer = await _judge(client, search_id, "k" * 257, answered_by=[first])
        told = problem(answer, 422)
        assert told["errors"][0]["location"] == "header.Idempotency-Key"
        assert await _recorded(client) == []
