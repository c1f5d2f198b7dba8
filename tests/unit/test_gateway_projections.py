"""Swapping a projection's state over HTTP: by whom, of which, where."""

from __future__ import annotations

from typing import Any

import pytest

from actors.queries import AdoptState, Query, RollBackState, StateView
from events.catalogue import ServiceKeyIssued
from events.envelope import NewEvent
from events.errors import NotFound
from serve.access import digest_of, pepper_of
from tests.unit.fakes.gateway import V1, Gateway, problem, running

STATE = StateView(projection="semantic", version=1, position=9, state_hash="ab", pid=7)


def answering(gateway: Gateway) -> list[tuple[int, str, Query]]:
    """Let the agents answer these requests; return what they are asked."""
    asked: list[tuple[int, str, Query]] = []

    async def ask(shard: int, agent: Any, query: Query, **_: Any) -> StateView:
        asked.append((shard, agent, query))
        if isinstance(query, RollBackState) and agent == "chat":
            raise NotFound("conversations has no state to go back to: none was replaced")
        return STATE

    async def last_position(shard: int) -> int:
        return STATE.position

    gateway.backend.ask = ask  # type: ignore[method-assign]
    gateway.backend.last_position = last_position  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize("name", ["semantic", "semantic_memory"])
async def test_agent_is_asked_when_its_projection_is_named(name: str) -> None:
    """By the projection's name or its agent's; the answer is the state that is live then."""
    async with running(shards=2) as (gateway, client):
        asked = answering(gateway)
        swapped = await client.post(
            f"{V1}/projections/{name}/swap", json={"shard": 1, "position": 9}
        )
        assert swapped.status_code == 200, swapped.text
        assert swapped.json()["state_hash"] == "ab"
        back = await client.post(f"{V1}/projections/{name}/roll-back")
        assert back.status_code == 200
    assert asked == [
        (1, "semantic_memory", AdoptState(position=9)),
        (0, "semantic_memory", RollBackState()),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("attic/swap", {"position": 1}, 404, "attic is no projection"),
        ("semantic/swap", {"position": 1, "shard": 1}, 404, "no shard 1"),
        ("semantic/swap", {"position": 0}, 422, "position"),
        ("semantic/swap", {"position": 10}, 422, "beyond the end"),
        ("semantic/swap", {"shard": 0}, 422, "position"),
        ("semantic/swap", {"position": 1, "shard": -1}, 422, "shard"),
        ("chat/roll-back", {}, 404, "none was replaced"),
    ],
)
async def test_request_is_refused_when_nothing_is_there_to_swap(
    path: str, body: dict[str, Any], status: int, told: str
) -> None:
    """One clear line for each."""
    async with running() as (gateway, client):
        answering(gateway)
        answer = await client.post(f"{V1}/projections/{path}", json=body)
        assert told in problem(answer, status)["detail"]


async def test_only_the_operators_tenant_may_swap() -> None:
    """A projection is everybody's: another tenant's key does not do."""
    key = "a-key-of-another-tenant"
    async with running() as (gateway, _):
        asked = answering(gateway)
        digest = digest_of(key, pepper_of(gateway.keystore))
        issued = ServiceKeyIssued(key_id="key_x", digest=digest)
        event = NewEvent(event_id="evt_x", payload=issued, tenant="other", producer="test")
        await gateway.backend.append(0, [event])
        async with gateway.client(key) as stranger:
            for action in ("swap", "roll-back"):
                path = f"{V1}/projections/semantic/{action}"
                problem(
                    await stranger.post(path, json={"position": 1} if action == "swap" else {}), 403
                )
    assert asked == []
