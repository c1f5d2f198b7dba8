"""Starts and stops the actors of a system, and asks all of them how they are: from the driver."""

from __future__ import annotations

from typing import Any

import ray
import structlog

from actors.host import AgentActor, EmbedderActor
from actors.names import AGENTS
from actors.remote import EMBEDDER, NAMESPACE, agent_name
from actors.settings import ActorSettings
from events.errors import Misconfigured

#: Calls to one actor at a time; waiting for a position holds one.
CONCURRENCY_MAX = 1000

log = structlog.get_logger(__name__)


def _remote(kind: Any) -> Any:
    """Name what `ray.remote` makes of a class: it has no type of its own."""
    return kind


def start_agents(settings: ActorSettings) -> None:
    """Start the embedder and the nine agents of each shard; return when all answer.

    Raises:
        Misconfigured: they did not come up in `start_timeout_s`.
    """
    options: dict[str, Any] = {
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_concurrency": CONCURRENCY_MAX,
    }
    handles = [_remote(EmbedderActor).options(name=EMBEDDER, **options).remote(settings)]
    handles += [
        _remote(AgentActor)
        .options(name=agent_name(shard, agent), **options)
        .remote(settings, shard, agent)
        for shard in range(settings.log.shards)
        for agent in AGENTS
    ]
    waiting = [handle.ready.remote() for handle in handles]
    started, late = ray.wait(waiting, num_returns=len(waiting), timeout=settings.start_timeout_s)
    if late:
        raise Misconfigured(
            f"{len(late)} of {len(waiting)} actors did not start within"
            f" {settings.start_timeout_s:g} s; see their logs in Ray's session directory"
        )
    ray.get(started)


def stop_agents(shards: int, timeout_s: float = 20) -> None:
    """Stop the agents gracefully, then end their actors."""
    names = [agent_name(shard, agent) for shard in range(shards) for agent in AGENTS]
    handles: list[Any] = []
    for name in (*names, EMBEDDER):
        try:
            handles.append(ray.get_actor(name, namespace=NAMESPACE))
        except ValueError:
            log.info("actor_gone_already", actor=name)
    stopping = [handle.stop.remote() for handle in handles if hasattr(handle, "stop")]
    ray.wait(stopping, num_returns=len(stopping), timeout=timeout_s)
    for handle in handles:
        ray.kill(handle)
