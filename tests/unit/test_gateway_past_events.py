"""Events over HTTP: listed by pages, one by one, and as trees of what came of a request."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from events.ids import shard_of
from tests.unit.fakes.gateway import V1, problem, running
from tests.unit.fakes.past_gateway import OTHER_KEY, PastGateway, remembering

EVENTS = f"{V1}/events"
ONE = {"messages": [{"role": "user", "content": "hello"}]}


async def _pages(client: httpx2.AsyncClient, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Return the events of all pages, checking that each is as full as it may be."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await client.get(EVENTS, params={"limit": limit, "cursor": cursor, **query})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return found
        assert len(page["items"]) == limit


def _places(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(event["shard"], event["position"]) for event in events]


async def _fill(gateway: PastGateway, client: httpx2.AsyncClient) -> None:
    for user in ("alice", "bob", "carol", "dave"):
        await gateway.say(client, user, f"My name is {user.title()}.", "I like tea.")


@pytest.mark.parametrize("shards", [1, 3])
async def test_events_are_all_there_once_when_paged(shards: int) -> None:
    """Every page size leads through every shard, oldest or newest first."""
    async with remembering(shards) as (gateway, client):
        await _fill(gateway, client)
        ends = [await gateway.end(shard) for shard in range(shards)]
        every = [(shard, at) for shard, end in enumerate(ends) for at in range(1, end + 1)]
        newest = [(shard, at) for shard, end in enumerate(ends) for at in range(end, 0, -1)]
        key_of_another = (0, 2)
        for limit in (7, 50, 200):
            for order, wanted in (("asc", every), ("desc", newest)):
                found = _places(await _pages(client, limit, order=order))
                known = [(shard, at) for shard, at in found if at <= ends[shard]]
                assert known == [at for at in wanted if at != key_of_another]


async def test_events_are_only_those_wanted_when_filtered() -> None:
    """By type, user, producer, request and time, and all of them at once."""
    async with remembering(2) as (gateway, client):
        await _fill(gateway, client)
        gateway.clock.advance(60)
        since = gateway.clock().isoformat()
        answer = await client.post(
            f"{V1}/messages?wait=true",
            json={**ONE, "user_id": "alice"},
            headers={"X-Request-ID": "my-request"},
        )
        assert answer.status_code == 200
        until = gateway.clock().isoformat()
        said = await _pages(client, 200, type="MessageReceived")
        assert {event["type"] for event in said} == {"MessageReceived"}
        assert len(said) == 9
        alice = await _pages(client, 200, user_id="alice")
        (user,) = {event["user"] for event in alice}
        assert user.startswith("usr_")
        assert {event["shard"] for event in alice} == {shard_of(user, 2)}
        assert {
            e["payload"].get("external_id") for e in alice if e["type"] == "UserRegistered"
        } == {"alice"}
        search = await _pages(client, 200, agent="search")
        assert {event["producer"] for event in search} == {"search"}
        late = await _pages(client, 200, since=since)
        assert 0 < len(late) < len(await _pages(client, 200))
        assert await _pages(client, 200, since=since, until=until) == late
        assert await _pages(client, 200, until="2000-01-01") == []
        asked = await _pages(client, 200, correlation_id="my-request")
        assert {event["correlation_id"] for event in asked} == {asked[0]["correlation_id"]}
        by_id = await _pages(client, 200, correlation_id=asked[0]["correlation_id"])
        assert by_id == asked
        both = await _pages(client, 200, type="MessageReceived", user_id="alice", since=since)
        (one,) = both
        assert one["payload"]["content"] == "hello"
        assert one["position"] == answer.json()["position"]
        assert await _pages(client, 200, user_id="nobody") == []


async def test_nearest_name_is_told_when_a_name_is_not_known() -> None:
    """A type or an agent that is none is 422 with the one that was meant, or all there are."""
    async with running() as (_, client):
        for name, meant in (
            ("MemoryRecorde", "MemoryRecorded"),
            ("messagereceived", "MessageReceived"),
            ("Supersede", "MemorySuperseded"),
        ):
            for path in (EVENTS, f"{EVENTS}/stream"):
                told = problem(await client.get(path, params={"type": name}), 422)
                assert told["errors"][0]["location"] == "query.type"
                assert f"did you mean {meant}?" in told["detail"]
        told = problem(await client.get(EVENTS, params={"agent": "core"}), 422)
        assert "core_memory" in told["detail"]
        told = problem(await client.get(EVENTS, params={"agent": "xyzzy"}), 422)
        assert "knowledge_vault" in told["detail"]


async def test_page_is_refused_when_its_cursor_is_of_another_shard() -> None:
    """A user's events are in one shard: a cursor into another one is not of that list."""
    async with running(shards=2) as (gateway, client):
        await client.post(f"{V1}/messages", json={**ONE, "user_id": "alice"})
        home = next(shard for shard, log in enumerate(gateway.backend.logs) if len(log) > 1)
        other = 1 - home
        params = {"user_id": "alice", "cursor": f"{home}:0"}
        assert (await client.get(EVENTS, params=params)).status_code == 200
        for cursor in (f"{other}:0", "2:0", "0", "0:-1", ":", "٣:1"):
            told = problem(await client.get(EVENTS, params={**params, "cursor": cursor}), 422)
            assert told["errors"][0]["location"] == "query.cursor"


async def test_tenants_see_their_own_events_when_they_ask() -> None:
    """Nothing of another organisation, in no way; bookkeeping is for the default tenant alone."""
    async with remembering() as (gateway, client), gateway.client(OTHER_KEY) as stranger:
        await gateway.say(client, "alice", "I live in Lisbon.")
        await gateway.say(stranger, "alice", "I live in Rome.")
        ours, theirs = await _pages(client, 200), await _pages(stranger, 200)
        assert {event["tenant"] for event in ours} == {"default", ""}
        assert {event["tenant"] for event in theirs} == {"other"}
        assert "Rome" not in str(ours)
        assert "Lisbon" not in str(theirs)
        issued = [event for event in theirs if event["type"] == "ServiceKeyIssued"]
        assert [event["payload"] for event in issued] == [{"key_id": "key_other"}]
        assert len(ours) + len(theirs) == await gateway.end()
        for event in theirs:
            if event["payload"].get("content") == "I live in Rome.":
                problem(await client.get(f"{EVENTS}/{event['event_id']}"), 404)
                query = {"correlation_id": event["correlation_id"]}
                listed = await _pages(client, 200, **query)
                tree = await client.get(f"{V1}/correlations/{event['correlation_id']}")
                shown = [node["event"] for node in tree.json()["trees"]]
                # Which agents have handled it is bookkeeping; what was said is not there.
                assert {one["type"] for one in (*listed, *shown)} == {"CauseHandled"}
        marker = next(event for event in ours if event["type"] == "CauseHandled")
        problem(await stranger.get(f"{EVENTS}/{marker['event_id']}"), 404)


async def test_event_is_shown_when_asked_by_its_id() -> None:
    """In whichever shard it is; an id that is none is 404."""
    async with remembering(3) as (gateway, client):
        await _fill(gateway, client)
        for event in await _pages(client, 200, type="MessageReceived"):
            shown = await client.get(f"{EVENTS}/{event['event_id']}")
            assert shown.json() == event
        told = problem(await client.get(f"{EVENTS}/evt_none"), 404)
        assert "evt_none" in told["detail"]


async def test_tree_shows_what_came_of_a_request_when_asked() -> None:
    """By the id that events carry, or the request id that the client sent."""
    async with remembering(3) as (_, client):
        await client.post(
            f"{V1}/messages?wait=true",
            json={"messages": [{"role": "user", "content": "I live in Lisbon."}]},
            headers={"X-Request-ID": "my-request"},
        )
        tree = (await client.get(f"{V1}/correlations/my-request")).json()
        same = await client.get(f"{V1}/correlations/{tree['correlation_id']}")
        assert same.json() == tree
        roots = {node["event"]["type"]: node for node in tree["trees"]}
        assert set(roots) == {"UserRegistered", "MessageReceived"}
        message = roots["MessageReceived"]
        caused = {node["event"]["type"] for node in message["children"]}
        assert {"MemoryRecorded", "MessageEmbedded"} <= caused
        for node in message["children"]:
            assert node["event"]["causation_id"] == message["event"]["event_id"]
        # A profile is written to every shard: one request, and a tree in each.
        made = {"name": "Helper"}
        headers = {"X-Request-ID": "another"}
        await client.post(f"{V1}/agents/", json=made, headers=headers)
        spread = (await client.get(f"{V1}/correlations/another")).json()["trees"]
        assert [node["event"]["shard"] for node in spread] == [0, 1, 2]
        told = problem(await client.get(f"{V1}/correlations/none"), 404)
        assert "none" in told["detail"]


@pytest.mark.parametrize("path", ["events", "events/evt_1", "correlations/x", "events/stream"])
async def test_events_are_a_problem_when_nobody_can_answer(path: str) -> None:
    """Away is 503, and without a key it is 401."""
    async with running() as (gateway, client):
        await client.get(f"{V1}/agents/")  # the key is known from here on
        async with gateway.client("wrong") as stranger:
            problem(await stranger.get(f"{V1}/{path}"), 401)
        gateway.backend.down = True
        problem(await client.get(f"{V1}/{path}"), 503)


async def test_requests_are_counted_by_route_when_the_past_is_asked() -> None:
    """Templates, never ids."""
    async with running() as (_, client):
        await client.get(f"{EVENTS}/evt_secret")
        await client.get(f"{V1}/memory/core/mem_secret/why")
        text = (await client.get("/metrics")).text
        assert 'route="/api/v1/events/{event_id}",status="404"} 1.0' in text
        assert 'route="/api/v1/memory/{tier}/{memory_id}/why",status="404"} 1.0' in text
        assert "_secret" not in text
