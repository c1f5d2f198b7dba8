"""Health, metrics, and the interface's description of itself."""

from __future__ import annotations

from typing import Any

import pytest

from events.catalogue import SearchHit, SearchPerformed
from events.envelope import NewEvent
from events.errors import Misconfigured
from serve.identity import Identities
from serve.routes_feedback import EXAMPLE
from serve.settings import INNER_PORTS, ServeSettings
from tests.unit.fakes.gateway import V1, Gateway, problem, running


async def test_gateway_is_ready_when_all_agents_are_near_the_end() -> None:
    """A dead agent, a late one or a backend that is away: not ready, but alive."""
    settings = ServeSettings(status_age_s_max=0, ready_lag_events_max=1)
    async with running(settings) as (gateway, client):
        assert (await client.get("/ready")).status_code == 200
        gateway.backend.dead.add("chat")
        assert "chat of shard 0" in problem(await client.get("/ready"), 503)["detail"]
        gateway.backend.dead.clear()
        await client.post(f"{V1}/messages", json={"messages": [{"role": "user", "content": "x"}]})
        gateway.backend.stalled = True
        assert "behind" in problem(await client.get("/ready"), 503)["detail"]
        gateway.backend.down = True
        problem(await client.get("/ready"), 503)
        assert (await client.get("/health")).json() == {"status": "ok"}


async def test_status_shows_positions_when_asked_by_an_operator() -> None:
    """Every agent of every shard, and the ends of the logs."""
    async with running(shards=2) as (_, client):
        shown = (await client.get(f"{V1}/status")).json()
        assert shown["shards"] == 2
        assert len(shown["agents"]) == 18
        assert shown["last_positions"] == {"0": 1, "1": 0}


async def test_metrics_count_by_route_when_requests_come() -> None:
    """Templates, never paths; lags; and no failure when the backend is away."""
    async with running() as (gateway, client):
        await client.get(f"{V1}/memory/semantic/mem_secret")
        await client.get("/nowhere-at-all")
        await client.post(f"{V1}/messages", json={"messages": [{"role": "user", "content": "x"}]})
        text = (await client.get("/metrics")).text
        assert 'route="/api/v1/memory/{tier}/{memory_id}",status="404"} 1.0' in text
        assert 'mirix_events_appended_total{type="MessageReceived"} 1.0' in text
        assert 'mirix_agent_lag_events{agent="chat",shard="0"} 0.0' in text
        assert "mem_secret" not in text
        assert "nowhere-at-all" not in text
        gateway.backend.down = True
        away = await client.get("/metrics")
        assert away.status_code == 200
        assert "mirix_agent_lag_events{" not in away.text


def test_settings_are_refused_when_nothing_can_work_with_them() -> None:
    """A port out of range and bounds that are not positive."""
    for bad in ({"port": 0}, {"port": 70_000}, {"messages_max": 5_000}, {"body_bytes_max": 0}):
        with pytest.raises(Misconfigured):
            ServeSettings(**bad)


def test_ports_differ_when_systems_stand_side_by_side() -> None:
    """Serve's own ports lie in the row that each system is given."""
    one, other = (ServeSettings().environment(first) for first in (20_000, 20_000 + INNER_PORTS))
    ports = [name for name in one if name.endswith("PORT")]
    assert len(ports) == 5
    assert not {one[name] for name in ports} & {other[name] for name in ports}


async def _document() -> dict[str, Any]:
    async with running() as (_, client):
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        return document


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for inner in node.values() for ref in _references(inner)]
    if isinstance(node, list):
        return [ref for inner in node for ref in _references(inner)]
    return []


async def test_description_is_whole_when_read() -> None:
    """Every operation has a summary, an id, problems and (where protected) its security."""
    document = await _document()
    assert document["openapi"].startswith("3.1")
    operations = _operations(document)
    assert len(operations) == 47
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(set(ids)) == len(ids)
    for method, path, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        # OpenAI's clients read errors of another shape.
        errors = "application/json" if path.startswith("/v1") else "application/problem+json"
        assert errors in operation["responses"]["default"]["content"], path
        assert bool(operation.get("security")) == path.startswith((V1, "/v1")), path
        # To take something back, or to put it in order, nothing needs to be said.
        bare = path.endswith(("/undo", "/restore", "/auto_dream"))
        assert bare or ("requestBody" in operation) == (method in ("post", "put", "patch")), path


async def test_references_lead_somewhere_when_followed() -> None:
    """Every schema that is named is there."""
    document = await _document()
    schemas = document["components"]["schemas"]
    names = {reference.removeprefix("#/components/schemas/") for reference in _references(document)}
    assert names <= set(schemas)
    assert "secret" not in schemas["KnowledgeVaultMemory"]["properties"]
    assert "secret" in schemas["KnowledgeVaultMemoryForm"]["properties"]


async def _searched(gateway: Gateway) -> str:
    """Put the search into the log that the example of feedback judges; return its id."""
    user = str(EXAMPLE["user_id"])
    alice = Identities.of(gateway.keystore, gateway.backend.shards).person("default", user)
    hits = tuple(SearchHit(id=id_, tier="semantic", score=1.0) for id_ in EXAMPLE["judgements"])
    searched = SearchPerformed(search_id="search_1", query="q", method="hybrid", hits=hits)
    event = NewEvent(
        event_id="search_1", payload=searched, tenant="default", user=alice.id, producer="search"
    )
    await gateway.backend.append(alice.shard, [event])
    return "search_1"


async def test_examples_work_when_sent() -> None:
    """What the documentation shows is what the gateway takes."""
    async with running() as (gateway, client):
        document = (await client.get("/openapi.json")).json()
        agent = (await client.post(f"{V1}/agents/", json={"name": "n"})).json()["id"]
        made = {"name": "n", "summary": "s"}
        memory = (await client.post(f"{V1}/memory/semantic", json=made)).json()["id"]
        vault = {"entry_type": "password", "caption": "c", "secret": "s"}
        secret = (await client.post(f"{V1}/memory/knowledge_vault", json=vault)).json()["id"]
        names = {"tier": "semantic", "agent_id": agent, "name": "echo", "memory_id": memory}
        names |= {"search_id": await _searched(gateway)}
        for method, path, operation in _operations(document):
            if "requestBody" not in operation:
                continue
            own = {"memory_id": secret} if "reveal" in path else {}
            own |= {"name": "semantic"} if "projections" in path else {}
            at = path.format(**{**names, **own})
            example = operation["requestBody"]["content"]["application/json"]["example"]
            answer = await client.request(method, at, json=example)
            assert answer.is_success, (path, answer.text)
