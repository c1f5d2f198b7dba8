"""Every projection of a shard made anew, and compared with what the agents hold.

Agents are at different positions, and go on while others are looked at. So their states are asked
for first, and one pass over the log shows each rebuilt projection at the very position of its
agent's answer: there the hashes must be equal. All this is reading; nothing of the agents changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from actors.deciders.table import decider_of
from actors.names import Agent
from actors.queries import StateView
from events.journal import EventReader
from events.memory import Value
from projections.base import Projection, state_hash
from projections.rebuild import View, rebuild_all


class Comparison(Value, frozen=True, kw_only=True):
    """A projection as an agent holds it and as the log gives it, at the same position.

    `version` is this program's. The agent's may be another one: such states cannot be compared.
    """

    shard: int
    agent: Agent
    projection: str
    version: int
    live_version: int
    position: int
    live_hash: str
    rebuilt_hash: str
    events: int

    @property
    def is_comparable(self) -> bool:
        """Whether both are states of one version of the projection."""
        return self.version == self.live_version

    @property
    def is_equal(self) -> bool:
        """Whether the live state is the one that the log gives."""
        return self.is_comparable and self.live_hash == self.rebuilt_hash


#: Sees a rebuilt projection of an agent at the position of its live state, on another thread.
Kept = Callable[[Agent, Projection, int], None]


def empty_projection(agent: Agent) -> Projection:
    """Return the projection of an agent as it is before the first event."""
    return decider_of(agent, lambda user, secret: "").projection


class Rebuilding:
    """One agent's projection on its way through the log, and what is found on it."""

    def __init__(
        self,
        agent: Agent,
        live: StateView | None,
        stops: Iterable[int] = (),
        kept: Kept | None = None,
    ) -> None:
        """Take an agent, its live state, and further positions at which to know the hash."""
        fresh = empty_projection(agent)
        self.agent = agent
        self.live = live
        self.projection, self.version = fresh.name, fresh.version
        #: The state hashes at the stops that were passed.
        self.hashes: dict[int, str] = {}
        self._kept = kept
        at_live = () if live is None else (live.position,)
        self.view = View(fresh, (*at_live, *stops), self._look)

    def comparison(self, shard: int) -> Comparison | None:
        """Return what the pass found; None without a live state, or when it was not reached."""
        if self.live is None or self.live.position not in self.hashes:
            return None
        return Comparison(
            shard=shard,
            agent=self.agent,
            projection=self.projection,
            version=self.version,
            live_version=self.live.version,
            position=self.live.position,
            live_hash=self.live.state_hash,
            rebuilt_hash=self.hashes[self.live.position],
            events=self.view.events,
        )

    async def _look(self, projection: Projection, position: int) -> None:
        # On another thread: the connection to the log must not go silent over a large state.
        self.hashes[position] = await asyncio.to_thread(state_hash, projection)
        if self._kept is not None and self.live is not None and position == self.live.position:
            await asyncio.to_thread(self._kept, self.agent, projection, position)


async def compare(
    reader: EventReader,
    live: Iterable[tuple[Agent, StateView]],
    progress: Callable[[int], None] = lambda position: None,
    kept: Kept | None = None,
) -> list[Comparison]:
    """Rebuild each projection up to where its agent is, in one pass, and compare the hashes.

    Args:
        reader: the log of the shard.
        live: agents with their states.
        progress: told the position reached, now and then.
        kept: sees each rebuilt projection where its agent is, to keep it.

    Raises:
        CorruptLog: the log has lost or altered something.
    """
    found = [Rebuilding(agent, state, kept=kept) for agent, state in live]
    await rebuild_all(reader, [one.view for one in found], progress=progress)
    compared = (one.comparison(reader.shard) for one in found)
    return [one for one in compared if one is not None]
