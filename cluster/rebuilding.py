"""Rebuild projections from the log alone, beside the running system, and compare state hashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from actors.names import Agent
from actors.queries import StateView
from actors.rebuilding import Comparison, agents_of, compare
from cluster import wiring
from cluster.data_dir import DataDir, SystemRecord
from events.codec import Codec
from events.connection import connect
from events.errors import CommandRejected
from events.journal import Journal
from events.sealing import KeyRing

#: The live states of a shard's agents, as `GET /status?hashes=true` tells them.
LiveStates: TypeAlias = Mapping[int, list[tuple[Agent, StateView]]]


def live_states(status: Mapping[str, Any], projection: str | None = None) -> LiveStates:
    """Return the states in an answer of `GET /status?hashes=true`, by shard.

    Raises:
        CommandRejected: there is no such projection, or the gateway tells no hashes.
    """
    wanted = agents_of(projection)
    if not wanted:
        raise CommandRejected(f"there is no projection {projection}")
    found: dict[int, list[tuple[Agent, StateView]]] = {}
    for agent in status.get("agents", ()):
        if agent["agent"] in wanted and agent.get("state"):
            state = msgspec.convert(agent["state"], StateView)
            found.setdefault(agent["shard"], []).append((agent["agent"], state))
    if not found:
        raise CommandRejected("the gateway tells no state hashes; is it of the same version?")
    return found


async def rebuild_and_compare(
    directory: DataDir,
    record: SystemRecord,
    live: LiveStates,
    on_progress: Callable[[Agent, int], None] = lambda agent, position: None,
) -> list[Comparison]:
    """Fold the log into fresh projections up to where each live one stood, and compare hashes.

    Raises:
        CorruptLog: the log has lost or altered something.
    """
    keystore = wiring.keystore(directory)
    found: list[Comparison] = []
    async with connect(wiring.log_settings(record)) as connection:
        codec = Codec(KeyRing(keystore))
        for shard, states in sorted(live.items()):
            journal = Journal(connection.log(shard), codec)
            found += await compare(journal, states, on_progress)
    return found
