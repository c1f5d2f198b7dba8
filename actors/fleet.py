"""Starts and stops the actors of a system, and asks all of them how they are: from the driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
import structlog

from actors.host import AgentActor, EmbedderActor, PastActor
from actors.names import AGENTS
from actors.remote import EMBEDDER, NAMESPACE, agent_name, past_name
from actors.settings import ActorSettings
from events.errors import Misconfigured

#: Calls to one actor at a time; waiting for a position holds one.
CONCURRENCY_MAX = 1000

log = structlog.get_logger(__name__)


def _remote(kind: Any) -> Any:
    """Name what `ray.remote` makes of a class: it has no type of its own."""
    return kind


def start_agents(
    settings: ActorSettings,
    tell: Callable[[Sequence[str], int, int], None] = lambda names, done, total: None,
) -> None:
    """Start the embedder, and of each shard the nine agents and the historian, side by side.

    Returns when all answer.

    Args:
        settings: what the actors are made with.
        tell: hears the names of those that came up just now, how many are up, how many there are.

    Raises:
        Misconfigured: they did not come up in `start_timeout_s`.
    """
    options: dict[str, Any] = {
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_concurrency": CONCURRENCY_MAX,
    }
    shards = range(settings.log.shards)
    waiting: dict[Any, str] = {}
    if not settings.embedding_model:
        embedder = _remote(EmbedderActor).options(name=EMBEDDER, **options).remote(settings)
        waiting[embedder.ready.remote()] = "embedder"
    for shard in shards:
        for agent in AGENTS:
            handle = _remote(AgentActor).options(name=agent_name(shard, agent), **options)
            shown = f"{agent} of shard {shard}" if len(shards) > 1 else agent
            waiting[handle.remote(settings, shard, agent).ready.remote()] = shown
        past = _remote(PastActor).options(name=past_name(shard), **options)
        shown = f"past of shard {shard}" if len(shards) > 1 else "past"
        waiting[past.remote(settings, shard).ready.remote()] = shown
    _await_all(waiting, settings.start_timeout_s, tell)


def _await_all(
    waiting: dict[Any, str], timeout_s: float, tell: Callable[[Sequence[str], int, int], None]
) -> None:
    """Return when all are ready, telling of them as they come."""
    give_up_at_s = time.monotonic() + timeout_s
    late = list(waiting)
    while late:
        left_s = max(0.0, give_up_at_s - time.monotonic())
        first, _ = ray.wait(late, num_returns=1, timeout=left_s)
        if not first:
            names = ", ".join(waiting[one] for one in late)
            raise Misconfigured(
                f"{len(late)} of {len(waiting)} actors did not start within {timeout_s:g} s"
                f" ({names}); see their logs in Ray's session directory"
            )
        ready, late = ray.wait(late, num_returns=len(late), timeout=0)
        ray.get(ready)
        tell([waiting[one] for one in ready], len(waiting) - len(late), len(waiting))


def stop_agents(shards: int, timeout_s: float = 20) -> None:
    """Stop agents and historians gracefully, then end their actors."""
    names = [agent_name(shard, agent) for shard in range(shards) for agent in AGENTS]
    handles: list[Any] = []
    names += [past_name(shard) for shard in range(shards)]
    for name in (*names, EMBEDDER):
        try:
            handles.append(ray.get_actor(name, namespace=NAMESPACE))
        except ValueError:
            log.info("actor_gone_already", actor=name)
    stopping = [handle.stop.remote() for handle in handles if hasattr(handle, "stop")]
    ray.wait(stopping, num_returns=len(stopping), timeout=timeout_s)
    for handle in handles:
        ray.kill(handle)
