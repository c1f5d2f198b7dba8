"""What happened to a memory, why it reads as it does, and what changed between two moments."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from events.memory import TIERS
from tests.unit.fakes.gateway import V1, problem, running
from tests.unit.fakes.past_gateway import OTHER_KEY, PastGateway, remembering

ALICE = {"user_id": "alice"}
SEMANTIC = f"{V1}/memory/semantic"
VAULT = f"{V1}/memory/knowledge_vault"
DIFF = f"{V1}/timeline/diff"


async def _items(client: httpx2.AsyncClient, tier: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{V1}/memory/{tier}", params={**ALICE, **query})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def _told(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(path, params=ALICE)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _recorded_searches(gateway: PastGateway, client: httpx2.AsyncClient, count: int) -> None:
    """Wait until searches are on the record; they are recorded behind their answers."""
    end = await gateway.end()
    async for batch in gateway.backend.follow(0, after=0):
        kinds = [event.envelope.type for event in batch.events]
        count -= kinds.count("SearchPerformed")
        if count <= 0:
            return
    raise AssertionError(f"{count} searches are not in the log at {end}")


async def test_history_tells_everything_when_a_memory_lived_and_died() -> None:
    """Asked for, recorded, changed, found, forgotten: with the memory as it was each time."""
    async with remembering() as (gateway, client):
        made = {"name": "Lisbon", "summary": "Alice lives there.", **ALICE}
        memory = (await client.post(SEMANTIC, json=made)).json()
        at = f"{SEMANTIC}/{memory['id']}"
        await client.patch(at, params=ALICE, json={"summary": "Alice lived there."})
        await client.post(f"{V1}/memory/search", json={"query": "Lisbon", **ALICE})
        await _recorded_searches(gateway, client, 1)
        await client.delete(at, params=ALICE)
        history = await _told(client, f"{at}/history")
        assert (history["id"], history["tier"]) == (memory["id"], "semantic")
        kinds = [entry["kind"] for entry in history["entries"]]
        assert kinds == [
            *("requested", "recorded"),
            *("requested", "revised"),
            "found",
            *("requested", "forgotten"),
        ]
        positions = [entry["event"]["position"] for entry in history["entries"]]
        assert positions == sorted(positions)
        by_kind = {entry["kind"]: entry for entry in history["entries"]}
        assert by_kind["recorded"]["memory"] == memory
        assert by_kind["revised"]["memory"]["summary"] == "Alice lived there."
        assert by_kind["forgotten"]["memory"]["status"] == "forgotten"
        assert by_kind["found"]["event"]["payload"]["query"] == "Lisbon"
        assert by_kind["recorded"]["event"]["producer"] == "semantic_memory"
        why = await _told(client, f"{at}/why")
        assert (why["status"], why["extractor"]) == ("forgotten", "client")
        assert why["memory"]["summary"] == "Alice lived there."
        assert [entry["kind"] for entry in why["read_by"]] == ["found"]


async def test_why_leads_to_the_message_when_a_memory_was_drawn_from_one() -> None:
    """The chain of causes begins with what was said; what it replaced is named."""
    async with remembering() as (gateway, client):
        await gateway.say(client, "alice", "I live in Lisbon.")
        (old,) = await _items(client, "core")
        await gateway.say(client, "alice", "I moved to Porto.")
        (new,) = await _items(client, "core")
        why = await _told(client, f"{V1}/memory/core/{new['id']}/why")
        assert why["memory"] == new
        assert (why["status"], why["producer"]) == ("active", "core_memory")
        assert why["extractor"] == "rules"
        assert why["generation"] is None
        assert why["superseded"] == [old["id"]]
        (source,) = why["sources"]
        assert source["payload"]["content"] == "I moved to Porto."
        assert source["payload"]["message_id"] == new["provenance"]["message_ids"][0]
        (tree,) = why["causes"]
        assert tree["event"] == source
        recorded = [child["event"] for child in tree["children"]]
        assert "MemoryRecorded" in {event["type"] for event in recorded}
        assert {event["causation_id"] for event in recorded} == {source["event_id"]}
        past = await _told(client, f"{V1}/memory/core/{old['id']}/why")
        assert past["status"] == "superseded"
        assert past["memory"]["superseded_by"] == new["id"]


async def test_memory_has_no_past_when_it_is_not_there_for_the_caller() -> None:
    """Another tier, user or organisation, an id that is none: 404 for both questions."""
    async with remembering() as (gateway, client), gateway.client(OTHER_KEY) as stranger:
        memory = (await client.post(SEMANTIC, json={"name": "n", "summary": "s", **ALICE})).json()
        for question in ("history", "why"):
            at = f"{SEMANTIC}/{memory['id']}/{question}"
            assert (await client.get(at, params=ALICE)).status_code == 200
            problem(await client.get(at), 404)
            problem(await stranger.get(at, params=ALICE), 404)
            problem(await client.get(at.replace("semantic", "core"), params=ALICE), 404)
            problem(await client.get(at.replace("semantic", "dreams"), params=ALICE), 404)
            problem(await client.get(f"{SEMANTIC}/mem_none/{question}", params=ALICE), 404)


async def test_secret_shows_nowhere_when_the_past_is_told() -> None:
    """Neither a secret nor what it is recognised by: not in histories, events or differences."""
    entry = {"entry_type": "password", "caption": "Router", "secret": "hunter2", **ALICE}
    async with remembering() as (gateway, client):
        made = (await client.post(VAULT, json=entry)).json()
        at = f"{VAULT}/{made['id']}"
        await client.patch(at, params=ALICE, json={"secret": "hunter3"})
        await client.post(f"{at}/reveal", params=ALICE, json={"reason": "asked"})
        await gateway.say(client, "alice", "My wifi password is sunshine42.")
        paths = [f"{at}/history", f"{at}/why", f"{V1}/events"]
        paths += [f"{VAULT}?as_of={await gateway.end()}"]
        for item in await _items(client, "knowledge_vault"):
            paths += [f"{VAULT}/{item['id']}/history", f"{VAULT}/{item['id']}/why"]
        for path in paths:
            answer = await client.get(path, params={**ALICE, "limit": 200})
            assert answer.status_code == 200, answer.text
            for secret in ("hunter2", "hunter3", "sunshine42", "fingerprint"):
                assert secret not in answer.text, path
        differs = await client.get(DIFF, params={**ALICE, "from": "0"})
        assert "hunter" not in differs.text
        assert "sunshine42" not in differs.text
        for change in differs.json()["changes"]:
            assert "secret_fingerprint" not in str(change["after"])
        kinds = [entry["kind"] for entry in (await _told(client, f"{at}/history"))["entries"]]
        assert "revealed" in kinds


async def test_difference_tells_each_change_when_a_memory_moves_on() -> None:
    """Added, changed, superseded, forgotten: counted by tier, shown as before and after."""
    async with remembering() as (gateway, client):
        kept = {"name": "kept", "summary": "s", **ALICE}
        one = (await client.post(SEMANTIC, json=kept)).json()
        two = (await client.post(SEMANTIC, json={**kept, "name": "gone"})).json()
        await gateway.say(client, "alice", "I live in Lisbon.")
        start, time = await gateway.end(), gateway.clock().isoformat()
        gateway.clock.advance(60)
        await client.patch(f"{SEMANTIC}/{one['id']}", params=ALICE, json={"summary": "t"})
        await client.delete(f"{SEMANTIC}/{two['id']}", params=ALICE)
        await gateway.say(client, "alice", "I moved to Porto.")
        await gateway.say(client, "bob", "I live in Rome.")
        for from_ in (str(start), time):
            found = (await client.get(DIFF, params={**ALICE, "from": from_})).json()
            assert (found["shard"], found["start"]) == (0, start)
            assert found["end"] >= start
            assert set(found["counts"]) == set(TIERS)
            assert found["counts"]["semantic"]["changed"] == 1
            assert found["counts"]["semantic"]["forgotten"] == 1
            assert found["counts"]["core"]["superseded"] == 1
            assert found["counts"]["core"]["added"] == 1
            changes = {(change["id"], change["kind"]): change for change in found["changes"]}
            changed = changes[one["id"], "changed"]
            assert changed["tier"] == "semantic"
            assert changed["before"]["content"]["summary"] == "s"
            assert changed["after"]["content"]["summary"] == "t"
            assert any("summary" in name for name in changed["fields"])
            assert changes[two["id"], "forgotten"]["after"] is None
            assert "Rome" not in str(found)
        only = {**ALICE, "from": start, "tier": ["core", "episodic"]}
        narrowed = (await client.get(DIFF, params=only)).json()
        assert set(narrowed["counts"]) == {"core", "episodic"}
        assert {change["tier"] for change in narrowed["changes"]} <= {"core", "episodic"}
        same = (await client.get(DIFF, params={**ALICE, "from": start, "to": start})).json()
        assert same["changes"] == []
        assert (same["start"], same["end"]) == (start, start)
        nobody = (await client.get(DIFF, params={"from": 0, "user_id": "nobody"})).json()
        assert nobody["changes"] == []


async def test_difference_is_refused_when_it_would_go_backwards() -> None:
    """Also where one moment is a position and the other a time, which only the log can compare."""
    async with remembering() as (gateway, client):
        await gateway.say(client, "alice", "I live in Lisbon.")
        end = await gateway.end()
        backwards = {**ALICE, "from": end, "to": "2000-01-01"}
        problem(await client.get(DIFF, params=backwards), 422)
        forwards = await client.get(DIFF, params={**ALICE, "from": "2000-01-01", "to": end})
        assert forwards.json()["start"] == 0


@pytest.mark.parametrize(
    "path", ["memory/core/mem_1/history", "memory/core/mem_1/why", "timeline/diff?from=0"]
)
async def test_question_about_the_past_is_a_problem_when_nobody_can_answer(path: str) -> None:
    """Away is 503, and without a key it is 401."""
    async with running() as (gateway, client):
        await client.get(f"{V1}/agents/")  # the key is known from here on
        async with gateway.client("wrong") as stranger:
            problem(await stranger.get(f"{V1}/{path}"), 401)
        gateway.backend.down = True
        problem(await client.get(f"{V1}/{path}"), 503)


FORK = f"{V1}/timeline/fork"


async def test_fork_tells_what_would_be_remembered_otherwise() -> None:
    """The same rules change nothing; without findings, what was drawn from messages is missing."""
    async with remembering() as (_, client):
        said = [{"role": "user", "content": text} for text in ("I live in Rome.", "I like figs.")]
        told = {"messages": said, **ALICE}
        await client.post(f"{V1}/messages", params={"wait": "true"}, json=told)
        body = {"at": 0, **ALICE}
        same = (await client.post(FORK, json=body)).json()
        assert same["difference"]["changes"] == []
        assert same["causes"] > 0
        none = (await client.post(FORK, json={**body, "extractor": "none"})).json()
        assert {change["kind"] for change in none["difference"]["changes"]} == {"forgotten"}
        one = {**body, "extractor": "none", "agents": ["core_memory"]}
        core = (await client.post(FORK, json=one)).json()
        assert core["agents"] == ["core_memory"]
        assert list(core["difference"]["counts"]) == ["core"]
        again = (await client.post(FORK, json={**one, "agents": ["core_memory"] * 3})).json()
        assert again == core


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body"),
        ({"at": "soon"}, "body.at"),
        ({"at": 10**6}, "body.at"),
        ({"at": 0, "until": 10**6}, "body.until"),
        ({"at": 2, "until": 1}, "body.at"),
        ({"at": 0, "agents": ["chat"]}, "body.agents[0]"),
        ({"at": 0, "extractor": "os:system"}, "body.extractor"),
        ({"at": 0, "settings": {"importance": 1}}, "body.settings"),
        ({"at": 0, "settings": {"importance_min": 2}}, "body.settings.importance_min"),
    ],
)
async def test_fork_refuses_what_it_cannot_do(body: dict[str, Any], where: str) -> None:
    """Each wrong field is named, and nothing is appended."""
    async with remembering() as (gateway, client):
        before = await gateway.end()
        answer = await client.post(FORK, json={**body, **ALICE})
        told = problem(answer, 422)
        assert told["errors"][0]["location"] == where, told
        assert await gateway.end() == before
