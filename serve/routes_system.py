"""Health, readiness, metrics: for probes and scrapers, without a key; they tell of nobody.

The metrics hold route templates, counts and lags only. Whoever opens the gateway's port to
strangers closes these paths in the proxy in front of it.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from actors.names import AGENTS
from actors.progress import AgentStatus
from actors.queries import GetState, StateView
from events.errors import Unavailable
from serve.answers import AgentPosition, HealthShown, StatusShown
from serve.context import GatewayContext, context_of
from serve.edge import Json, protected_router
from serve.metrics import CONTENT_TYPE
from serve.openapi import gives, problem

open_router = APIRouter(tags=["system"])
router = protected_router("system")


@open_router.get(
    "/health",
    response_class=Json,
    summary="Say that the gateway lives",
    responses={200: gives(HealthShown, "It does."), "default": problem("Any error.")},
)
async def health() -> Response:
    """Answer at once, whatever the state of log and agents."""
    return Json(HealthShown(status="ok"))


@open_router.get(
    "/ready",
    response_class=Json,
    summary="Say whether the system can work",
    responses={
        200: gives(HealthShown, "All agents of all shards are alive and near the end of the log."),
        503: problem("Some are not; `detail` says which."),
        "default": problem("Any other error."),
    },
)
async def ready(request: Request) -> Response:
    """Look at all agents of all shards."""
    context = context_of(request)
    missing = await _missing(context)
    if missing:
        raise Unavailable(f"not ready: {', '.join(missing)}")
    return Json(HealthShown(status="ready"))


async def _missing(context: GatewayContext) -> list[str]:
    agents, ends = await context.agents()
    seen = {(agent.shard, agent.agent): agent for agent in agents}
    missing = []
    for shard in range(context.backend.shards):
        for name in AGENTS:
            agent = seen.get((shard, name))
            if agent is None or not agent.alive:
                missing.append(f"{name} of shard {shard} is not alive")
            elif ends[shard] - agent.through > context.settings.ready_lag_events_max:
                missing.append(f"{name} of shard {shard} is {ends[shard] - agent.through} behind")
    return missing


@open_router.get(
    "/metrics",
    response_class=Response,
    summary="Show counters for Prometheus",
    responses={
        200: {
            "description": "The text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        "default": problem("Any error."),
    },
)
async def metrics(request: Request) -> Response:
    """Show the counters of this replica, and how far the agents are."""
    context = context_of(request)
    try:
        context.metrics.show_agents(*await context.agents())
    except Unavailable:
        # A scrape must not fail with what it is there to show: the counters tell of the 503s.
        context.metrics.forget_agents()
    return Response(context.metrics.exposition(), media_type=CONTENT_TYPE)


@router.get(
    "/status",
    response_class=Json,
    summary="Show how far each agent is",
    responses={200: gives(StatusShown, "All agents of all shards.")},
)
async def status(request: Request, hashes: bool = False) -> Response:
    """Show the position of every agent and the end of every shard's log.

    With `hashes`, each agent's projection is hashed where it is: that reads its whole state.
    """
    context = context_of(request)
    agents, ends = await context.agents()
    states = await _states(context, agents) if hashes else {}
    shown = tuple(
        AgentPosition(
            shard=agent.shard,
            agent=agent.agent,
            alive=agent.alive,
            through=agent.through,
            lag=max(0, ends[agent.shard] - agent.through),
            open=agent.open,
            parked=agent.parked,
            pid=agent.pid,
            state=states.get((agent.shard, agent.agent)),
        )
        for agent in agents
    )
    positions = {str(shard): end for shard, end in ends.items()}
    return Json(StatusShown(shards=context.backend.shards, last_positions=positions, agents=shown))


async def _states(
    context: GatewayContext, agents: tuple[AgentStatus, ...]
) -> dict[tuple[int, str], StateView]:
    timeout_s = context.settings.wait_timeout_s
    found = await asyncio.gather(
        *(
            context.backend.ask(one.shard, one.agent, GetState(), timeout_s=timeout_s)
            for one in agents
        )
    )
    return {(one.shard, one.agent): state for one, state in zip(agents, found, strict=True)}
