"""A state that was built beside the live one takes its place, and one step back.

The new state was built from the log by somebody else and lies as a `rebuilt` snapshot beside the
others. Here it is loaded on another thread, the shell folds in what it lacks and exchanges the two
between two batches; questions are answered all the time. Killed at any moment, the agent starts
again from a snapshot that is whole: the old state until the new one has been saved, and the rebuilt
one stays until then, so that the same request can be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from actors.queries import StateView
from actors.shell import Shell
from events.errors import NotFound
from projections.base import Projection
from projections.snapshots import SnapshotStore

log = structlog.get_logger(__name__)


class Swapping:
    """Replaces the state of one agent."""

    def __init__(
        self, shell: Shell, snapshots: SnapshotStore, new_projection: Callable[[], Projection]
    ) -> None:
        self._shell = shell
        self._snapshots = snapshots
        self._new_projection = new_projection
        self._one_at_a_time = asyncio.Lock()
        self._adopted = 0

    async def adopt(self, position: int, timeout_s: float) -> StateView:
        """Put the rebuilt state of `position` in the place of the live one, which is kept.

        Asked again for the same position, nothing more is done: a caller who heard no answer may
        repeat the request.

        Raises:
            NotFound: no such state was built, or it is damaged.
            DeadlineExceeded: the agent itself is not at `position` yet.
        """
        async with self._one_at_a_time:
            await self._shell.wait_for(position, timeout_s)
            fresh = self._new_projection()
            try:
                await asyncio.to_thread(self._snapshots.load_rebuilt, fresh, position)
            except NotFound:
                # Done before, by this process or, where a state was replaced at or behind that
                # position, by one that was killed before it could answer; the file is gone since.
                if position != self._adopted and position > await self._replaced_at():
                    raise
                return await self._shell.state()
            old, at = await self._shell.replace(fresh, position)
            if at:
                await asyncio.to_thread(self._snapshots.keep_previous, old, at)
            await self._shell.save()
            self._adopted = position
            await asyncio.to_thread(self._snapshots.discard_rebuilt, fresh)
            log.info("state_adopted", agent=self._shell.agent, rebuilt=position, position=at)
            return await self._shell.state()

    async def _replaced_at(self) -> int:
        """Return the position of the state that was replaced last, or 0."""
        return await asyncio.to_thread(self._snapshots.load_previous, self._new_projection())

    async def roll_back(self, timeout_s: float) -> StateView:
        """Put back the state that was replaced last. The one that it replaces is not kept.

        Raises:
            NotFound: none was replaced.
            DeadlineExceeded: started anew, the agent is not back where it was replaced.
        """
        async with self._one_at_a_time:
            fresh = self._new_projection()
            position = await asyncio.to_thread(self._snapshots.load_previous, fresh)
            if not position:
                raise NotFound(f"{fresh.name} has no state to go back to: none was replaced")
            # An agent behind the state would fold what it has a second time.
            await self._shell.wait_for(position, timeout_s)
            _, at = await self._shell.replace(fresh, position)
            await self._shell.save()
            self._adopted = 0
            log.info("state_rolled_back", agent=self._shell.agent, kept=position, position=at)
            return await self._shell.state()
