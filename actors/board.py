"""What the gateway knows of the agents: their progress as they tell it, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from actors.names import AGENTS, OWNER_OF, Agent
from actors.progress import HEARTBEAT_S, AgentStatus, Progress, decode_progress
from events.errors import DeadlineExceeded
from events.signals import Signals

#: An agent that was not heard of for so many heartbeats counts as gone.
SILENT_HEARTBEATS_MAX = 5


class ProgressBoard:
    """The last word of each agent of each shard."""

    def __init__(
        self, signals: Signals, shards: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._signals = signals
        self._shards = shards
        self._now_s = now_s
        self._heard: dict[tuple[int, str], tuple[Progress, float]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        async with self._signals.subscribe("signals.progress.>") as told:
            async for _, body in told:
                self.hear(decode_progress(body))

    def hear(self, progress: Progress) -> None:
        """Note an agent's progress and wake those who wait."""
        self._heard[progress.shard, progress.agent] = (progress, self._now_s())
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_handled(
        self, shard: int, position: int, timeout_s: float, *, user: str = "", first: int = 0
    ) -> int:
        """Wait until all nine agents have handled `position` and all that came of it.

        What others than `user` said before may still be in the works, and so may an answer to what
        was said before `first`: a model takes its time.

        Returns:
            The position that all of them have reached.

        Raises:
            DeadlineExceeded: they did not get there in `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_through(shard, position, (user, first))
                # What they wrote for it lies after it; the index must have that as well.
                written = max(self._heard[shard, agent][0].wrote for agent in AGENTS)
                await self._wait_through(shard, max(written, position))
        except TimeoutError:
            late = [
                agent for agent in AGENTS if not self._has(shard, agent, position, (user, first))
            ]
            raise DeadlineExceeded(
                f"position {position} of shard {shard} was not handled within {timeout_s:g} s by"
                f" {', '.join(late) or 'the index'}; the message is safe and the work goes on"
            ) from None
        return min(self._through(shard, agent) for agent in AGENTS)

    async def _wait_through(
        self, shard: int, position: int, of: tuple[str, int] | None = None
    ) -> None:
        while not all(self._has(shard, agent, position, of) for agent in AGENTS):
            await self._changed.wait()

    def _has(self, shard: int, agent: str, position: int, of: tuple[str, int] | None) -> bool:
        """Whether an agent is at `position`, with nothing open up to there that is waited for."""
        heard = self._heard.get((shard, agent))
        if heard is None or heard[0].through < position:
            return False
        if of is None:
            return True
        user, first = of
        # What a person says is handled in order by those who remember it, by the others is not.
        since = 0 if agent in OWNER_OF.values() else first
        return not any(
            since <= at <= position and user in ("", whose) for at, whose in heard[0].open
        )

    def _through(self, shard: int, agent: str) -> int:
        heard = self._heard.get((shard, agent))
        return heard[0].through if heard else -1

    def status(self) -> tuple[AgentStatus, ...]:
        """Return the nine agents of each shard."""
        return tuple(
            self._status(shard, agent) for shard in range(self._shards) for agent in AGENTS
        )

    def _status(self, shard: int, agent: Agent) -> AgentStatus:
        heard = self._heard.get((shard, agent))
        if heard is None:
            return AgentStatus(shard=shard, agent=agent, through=0, alive=False)
        progress, heard_at_s = heard
        return AgentStatus(
            shard=shard,
            agent=agent,
            through=progress.through,
            wrote=progress.wrote,
            open=len(progress.open),
            pid=progress.pid,
            parked=progress.parked,
            alive=self._now_s() - heard_at_s < SILENT_HEARTBEATS_MAX * HEARTBEAT_S,
        )
