"""Every projection of a shard made anew, and compared with what the agents hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from actors.deciders.table import decider_of
from actors.names import AGENTS, Agent
from actors.queries import StateView
from events.journal import Journal
from events.memory import Value
from projections.base import Projection, state_hash
from projections.rebuild import rebuild


class Comparison(Value, frozen=True, kw_only=True):
    """A projection as an agent holds it and as the log gives it, at the same position."""

    shard: int
    agent: str
    projection: str
    position: int
    live_hash: str
    rebuilt_hash: str
    events: int

    @property
    def is_equal(self) -> bool:
        """Whether the live state is the one that the log gives."""
        return self.live_hash == self.rebuilt_hash


def empty_projection(agent: Agent, journal: Journal) -> Projection:
    """Return the projection of an agent as it is before the first event."""
    return decider_of(agent, journal.codec.keys.fingerprint).projection


def agents_of(projection: str | None) -> tuple[Agent, ...]:
    """Return the agents whose projection has this name (or whose own name it is); None: all."""
    if projection is None:
        return AGENTS
    return tuple(
        agent
        for agent in AGENTS
        if projection in (agent, decider_of(agent, lambda user, secret: "").projection.name)
    )


async def compare(
    journal: Journal,
    live: Iterable[tuple[Agent, StateView]],
    progress: Callable[[Agent, int], None] = lambda agent, position: None,
) -> list[Comparison]:
    """Rebuild each projection up to where its agent is, and compare the hashes.

    Args:
        journal: the log of the shard.
        live: agents with their states.
        progress: told the agent and the position reached, now and then.
    """
    found = []
    for agent, state in live:
        fresh = empty_projection(agent, journal)
        count = await rebuild(fresh, journal, state.position, partial(progress, agent))
        found.append(
            Comparison(
                shard=journal.shard,
                agent=agent,
                projection=fresh.name,
                position=state.position,
                live_hash=state.state_hash,
                rebuilt_hash=state_hash(fresh),
                events=count,
            )
        )
    return found
