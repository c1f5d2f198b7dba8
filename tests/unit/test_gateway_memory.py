"""Tiers, secrets, search and tools over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from actors.queries import SearchMemories
from events.catalogue import MemoryChangeRequested, SecretRevealed
from events.memory import TIERS
from tests.life import system_in_one_process
from tests.unit.fakes.gateway import V1, problem, running

MADE: dict[str, dict[str, Any]] = {
    "core": {"text": "Likes tea.", "block": "human"},
    "episodic": {"event_type": "travel", "summary": "Flew home.", "occurred_at": "2026-01-05"},
    "semantic": {"name": "Lisbon", "summary": "A city."},
    "procedural": {"description": "Make tea", "steps": ["Boil", "Pour"]},
    "resource": {"title": "Handbook", "summary": "Of a router.", "resource_type": "document"},
    "knowledge_vault": {"entry_type": "password", "caption": "Router", "secret": "hunter2"},
}
CHANGED: dict[str, dict[str, Any]] = {
    "core": {"text": "Likes coffee."},
    "episodic": {"details": "By night."},
    "semantic": {"summary": "A capital."},
    "procedural": {"steps": ["Boil", "Wait", "Pour"]},
    "resource": {"summary": "Of a switch."},
    "knowledge_vault": {"caption": "Old router"},
}


@pytest.mark.parametrize("tier", TIERS)
async def test_memory_lives_and_dies_when_a_client_makes_it(tier: str) -> None:
    """Make, show, list, change, forget: the same in every tier."""
    at = f"{V1}/memory/{tier}"
    async with running() as (_, client):
        answer = await client.post(at, json={**MADE[tier], "tags": ["t"], "user_id": "alice"})
        assert answer.status_code == 201
        assert answer.headers["X-Event-Seq"]
        made = answer.json()
        shown_fields = {k: v for k, v in MADE[tier].items() if k != "secret"}
        assert {name: made[name] for name in shown_fields} == shown_fields
        assert made["tier"] == tier
        assert made["tags"] == ["t"]
        alice = {"user_id": "alice"}
        one = f"{at}/{made['id']}"
        assert (await client.get(one, params=alice)).json() == made
        assert (await client.get(at, params=alice)).json() == {"items": [made], "next_cursor": ""}
        changed = await client.patch(one, json=CHANGED[tier], params=alice)
        assert changed.status_code == 200
        assert {k: changed.json()[k] for k in CHANGED[tier]} == CHANGED[tier]
        assert changed.json()["revision"] == 2
        assert changed.json()["tags"] == ["t"]
        for stranger in ({}, {"user_id": "bob"}):
            problem(await client.get(one, params=stranger), 404)
            problem(await client.patch(one, json=CHANGED[tier], params=stranger), 404)
            problem(await client.delete(one, params=stranger), 404)
        assert (await client.delete(one, params=alice)).status_code == 204
        problem(await client.get(one, params=alice), 404)
        problem(await client.delete(one, params=alice), 404)


@pytest.mark.parametrize("tier", TIERS)
async def test_memory_is_refused_when_fields_are_not_its_own(tier: str) -> None:
    """Unknown fields, other tiers' fields, missing and blank ones: 422, and nothing is written."""
    at = f"{V1}/memory/{tier}"
    required = next(iter(MADE[tier]))
    bad = [
        {},
        {**MADE[tier], "colour": "red"},
        {**MADE[tier], required: " "},
        {**MADE[tier], required: 5},
        {**MADE[tier], "secret_fingerprint": "f"},
        {**MADE[tier], "id": "mem_mine"},
    ]
    async with running() as (gateway, client):
        made = (await client.post(at, json=MADE[tier])).json()
        events = gateway.events
        for body in bad:
            problem(await client.post(at, json=body), 422)
        for patch in ({"colour": "red"}, {"id": "x"}, {"text": 5}, {"user_id": "bob"}):
            problem(await client.patch(f"{at}/{made['id']}", json=patch), 422)
        assert gateway.events == events


async def test_date_is_refused_when_a_memory_says_no_date() -> None:
    """A memory's own dates are ISO 8601 too."""
    async with running() as (_, client):
        body = {**MADE["episodic"], "occurred_at": "last week"}
        told = problem(await client.post(f"{V1}/memory/episodic", json=body), 422)
        assert told["errors"][0]["location"] == "body.occurred_at"


async def test_tier_is_unknown_when_it_is_none_of_the_six() -> None:
    """A tier that is not there is 404, and the six are named."""
    async with running() as (_, client):
        told = problem(await client.get(f"{V1}/memory/dreams"), 404)
        assert "episodic" in told["detail"]
        problem(await client.post(f"{V1}/memory/dreams", json={}), 404)
        problem(await client.get(f"{V1}/memory/semantic/mem_none"), 404)


async def test_request_is_refused_when_the_owner_rejects_it() -> None:
    """The owner decides; what it did not do is not told as done."""
    async with running() as (gateway, client):
        at = f"{V1}/memory/semantic"
        made = (await client.post(at, json=MADE["semantic"])).json()
        gateway.backend.stubborn = True
        for answer in (
            await client.post(at, json=MADE["semantic"]),
            await client.patch(f"{at}/{made['id']}", json={"summary": "x"}),
            await client.delete(f"{at}/{made['id']}"),
        ):
            assert problem(answer, 422)["detail"].endswith(": cannot: they are stubborn")


async def test_reason_is_the_owners_own_when_it_rejects_a_memory() -> None:
    """What the decider put into the log is what the client reads."""
    async with system_in_one_process() as life:
        body = {"text": "Likes tea. " * 100, "block": "human"}
        told = problem(await life.http.post(f"{V1}/memory/core", json=body), 422)
        assert "a core line has at most 1000 characters" in told["detail"]


async def test_memories_are_paged_when_there_are_more() -> None:
    """Cursors lead through all of them, once."""
    async with running() as (_, client):
        at = f"{V1}/memory/semantic"
        for number in range(5):
            await client.post(at, json={"name": f"n{number}", "summary": "s"})
        names, cursor = [], ""
        while True:
            page = (await client.get(at, params={"limit": 2, "cursor": cursor})).json()
            names += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
        assert names == [f"n{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("made", "change", "where"),
    [
        ({"occurred_at": "2026-01-05", "occurred_until": "2026-01-04"}, {}, "occurred_until"),
        (
            {"occurred_at": "2026-01-05T10:00Z", "occurred_until": "2026-01-05T10:30+01:00"},
            {},
            "occurred_until",
        ),
        ({"occurred_at": "2026-01-05"}, {"occurred_until": "2026-01-04T23:00"}, "occurred_until"),
        (
            {"occurred_at": "2026-01-05", "occurred_until": "2026-01-06"},
            {"occurred_at": "2026-01-07"},
            "occurred_at",
        ),
        # Without a time of day the whole day is meant, where the beginning is.
        ({"occurred_at": "2026-01-05T23:00-05:00", "occurred_until": "2026-01-05"}, {}, ""),
        ({"occurred_at": "2026-01-05", "occurred_until": "2026-01-05"}, {"details": "x"}, ""),
    ],
)
async def test_episode_is_refused_when_it_ends_before_it_begins(
    made: dict[str, str], change: dict[str, str], where: str
) -> None:
    """Time goes forward, in what is made and in what a change makes of it."""
    async with running() as (_, client):
        at = f"{V1}/memory/episodic"
        episode = {"event_type": "travel", "summary": "Flew home.", **made}
        answer = await client.post(at, json=episode)
        if change:
            answer = await client.patch(f"{at}/{answer.json()['id']}", json=change)
        if not where:
            assert answer.is_success, answer.text
            return
        (fault,) = problem(answer, 422)["errors"]
        assert fault["location"] == f"body.{where}"


async def test_memory_is_refused_when_nothing_of_it_can_be_seen() -> None:
    """Characters without a width are no text."""
    async with running() as (_, client):
        body = {"text": "\u200b\u2060 \ufeff", "block": "human"}
        (fault,) = problem(await client.post(f"{V1}/memory/core", json=body), 422)["errors"]
        assert fault == {"location": "body.text", "detail": "is empty"}


async def test_secret_shows_nowhere_when_not_revealed() -> None:
    """Neither clear nor sealed: only a reveal answers it, after it was recorded."""
    at = f"{V1}/memory/knowledge_vault"
    async with running() as (gateway, client):
        made = await client.post(at, json=MADE["knowledge_vault"])
        one = f"{at}/{made.json()['id']}"
        patched = await client.patch(one, json={"caption": "Old router"})
        for answer in (made, patched, await client.get(one), await client.get(at)):
            assert "hunter2" not in answer.text
            assert "secret" not in answer.text
        assert not gateway.backend.payloads(SecretRevealed)
        revealed = await client.post(f"{one}/reveal", json={"reason": "asked for"})
        assert revealed.json()["secret"] == "hunter2"
        assert revealed.headers["Cache-Control"] == "no-store"
        (record,) = gateway.backend.payloads(SecretRevealed)
        assert record.reason == "asked for"
        assert record.key_id.startswith("key_")
        assert (await client.post(f"{one}/reveal")).status_code == 200
        problem(await client.post(f"{at}/mem_none/reveal", json={}), 404)
        assert len(gateway.backend.payloads(SecretRevealed)) == 2


async def test_sealed_secret_is_never_sent_back_when_a_vault_memory_changes() -> None:
    """A change without a secret says nothing of it; the owner keeps what it has."""
    at = f"{V1}/memory/knowledge_vault"
    async with running() as (gateway, client):
        made = (await client.post(at, json=MADE["knowledge_vault"])).json()
        await client.patch(f"{at}/{made['id']}", json={"caption": "Old router"})
        await client.patch(f"{at}/{made['id']}", json={"secret": "hunter3"})
        secrets = [r.content.secret for r in gateway.backend.payloads(MemoryChangeRequested)]
        assert secrets == [b"hunter2", b"", b"hunter3"]
        revealed = await client.post(f"{at}/{made['id']}/reveal")
        assert revealed.json()["secret"] == "hunter3"


async def test_nothing_is_recorded_as_revealed_when_there_is_no_secret() -> None:
    """An entry without a secret is 404 before anything says that somebody read it."""
    at = f"{V1}/memory/knowledge_vault"
    async with running() as (gateway, client):
        entry = {"entry_type": "password", "caption": "Router"}
        made = (await client.post(at, json=entry)).json()
        events = gateway.events
        problem(await client.post(f"{at}/{made['id']}/reveal"), 404)
        assert gateway.events == events


async def test_secret_is_refused_when_a_change_leaves_it_empty() -> None:
    """An empty secret would change nothing: the client is told so."""
    at = f"{V1}/memory/knowledge_vault"
    async with running() as (gateway, client):
        made = (await client.post(at, json=MADE["knowledge_vault"])).json()
        events = gateway.events
        told = problem(await client.patch(f"{at}/{made['id']}", json={"secret": ""}), 422)
        assert told["errors"][0]["location"] == "body.secret"
        assert gateway.events == events


async def test_blocks_are_shown_when_core_memory_has_lines() -> None:
    """The blocks are told apart from a memory called `blocks`."""
    async with running() as (_, client):
        await client.post(f"{V1}/memory/core", json=MADE["core"])
        blocks = (await client.get(f"{V1}/memory/core/blocks")).json()["blocks"]
        assert {block["block"]: block["value"] for block in blocks} == {
            "persona": "",
            "human": "Likes tea.",
        }


async def test_search_finds_what_was_said_when_asked() -> None:
    """A hit knows the message it came from; signals only on demand."""
    said = {"messages": [{"role": "user", "content": "tea is good", "external_id": "m1"}]}
    async with running() as (_, client):
        position = (await client.post(f"{V1}/messages", json=said)).json()["position"]
        body = {"query": "tea", "min_position": position}
        answer = await client.post(f"{V1}/memory/search", json=body)
        assert answer.status_code == 200
        found = answer.json()
        assert found["position"] >= position
        assert found["search_id"]
        (hit,) = found["results"]
        assert hit["tier"] == "conversation"
        assert hit["source"]["external_ids"] == ["m1"]
        assert hit["occurred_at"] is None
        assert hit["said_at"]
        assert "explain" not in hit
        explained = await client.post(f"{V1}/memory/search", json={**body, "explain": True})
        assert explained.json()["results"][0]["explain"] == {
            "words": {"value": 1.0, "rank": 1, "weight": 0.3}
        }


async def test_search_passes_everything_on_when_asked_in_full() -> None:
    """All the options reach the search agent, dates in UTC, and the largest position wins."""
    body = {
        "query": "tea",
        "user_id": "alice",
        "tiers": ["semantic", "conversation"],
        "limit": 3,
        "search_method": "bm25",
        "threshold": 0.25,
        "filters": {"tags": ["a"], "since": "2026-01-01", "until": "2026-01-02T00:00:00+01:00"},
        "min_position": 1,
    }
    async with running() as (gateway, client):
        answer = await client.post(f"{V1}/memory/search", json=body, headers={"X-Event-Seq": "0"})
        assert answer.status_code == 200
        _, agent, query, min_position = gateway.backend.asked[-1]
        assert isinstance(query, SearchMemories)
        assert (agent, min_position) == ("search", 1)
        assert query.tiers == ("semantic", "conversation")
        assert (query.method, query.limit, query.threshold) == ("bm25", 3, 0.25)
        assert str(query.until) == "2026-01-01 23:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "body"),
        ({"query": ""}, "body.query"),
        ({"query": "  "}, "body.query"),
        ({"query": "\u200b \ufeff"}, "body.query"),
        ({"query": "x", "limit": 0}, "body.limit"),
        ({"query": "x", "limit": 101}, "body.limit"),
        ({"query": "x", "limit": "10"}, "body.limit"),
        ({"query": "x", "tiers": ["dreams"]}, "body.tiers[0]"),
        ({"query": "x", "search_method": "magic"}, "body.search_method"),
        ({"query": "x", "filters": {"colour": "red"}}, "body.filters"),
        ({"query": "x", "filters": {"since": "now"}}, "body.filters.since"),
        (
            {"query": "x", "filters": {"since": "2026-02-01", "until": "2026-01-01"}},
            "body.filters.since",
        ),
        ({"query": "x", "min_position": -1}, "body.min_position"),
        ({"query": "x", "as_of": "last week"}, "body.as_of"),
        ({"query": "x", "as_of": -1}, "body.as_of"),
        ({"query": "x", "as_of": 1.5}, "body.as_of"),
        ({"query": "x", "as_of": 1_000}, "body.as_of"),
    ],
)
async def test_search_is_refused_when_it_has_the_wrong_shape(
    body: dict[str, Any], location: str
) -> None:
    """Bounds and names are checked, and so is the moment."""
    async with running() as (_, client):
        told = problem(await client.post(f"{V1}/memory/search", json=body), 422)
        assert told["errors"][0]["location"] == location


async def test_tool_answers_when_called() -> None:
    """A call is recorded, waited for, and told with its result or its failure."""
    async with running() as (_, client):
        tools = (await client.get(f"{V1}/tools")).json()["tools"]
        assert [tool["name"] for tool in tools] == ["echo", "broken"]
        answer = await client.post(f"{V1}/tools/echo/call", json={"arguments": {"a": 1}})
        assert answer.status_code == 200
        assert answer.headers["X-Event-Seq"]
        assert (answer.json()["status"], answer.json()["result"]) == ("returned", {"a": 1})
        failed = await client.post(f"{V1}/tools/broken/call", json={})
        assert (failed.json()["status"], failed.json()["error"]) == ("failed", "it is broken")
        problem(await client.post(f"{V1}/tools/none/call", json={}), 404)
        problem(await client.post(f"{V1}/tools/echo/call", json={"arguments": []}), 422)
