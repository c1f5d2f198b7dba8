"""An agent that starts again: what it says while its state is being built."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from events.journal import Batch, Journal
from projections.base import state_hash
from projections.snapshots import NoSnapshots
from tests.unit.test_shell import WORDS, new_journal, new_shell, running, say
from tests.unit.test_swapping import DEADLINE_S, Agents, rebuilt


class Held(Journal):
    """Gives one event after another, each when it is let through."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal._log, journal.codec)
        self.passed = asyncio.Semaphore(0)
        self.waits = asyncio.Event()

    async def batches(
        self, after: int = 0, until: int | None = None, kinds: frozenset[str] | None = None
    ) -> AsyncGenerator[Batch, None]:
        """Yield what there is, one event at a time."""
        async for batch in super().batches(after, until, kinds):
            for event in batch.events:
                self.waits.set()
                await self.passed.acquire()
                yield Batch(events=(event,), through=event.position)
            yield Batch(events=(), through=batch.through)


async def test_state_that_is_being_recovered_is_told_with_its_own_position() -> None:
    """Asked in the middle, an agent never says of half a state that it is of the beginning."""
    journal = new_journal()
    position = await say(journal, *WORDS[:5])
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(position, DEADLINE_S)
    held = Held(journal)
    again = Agents(held, NoSnapshots())
    async with running(again.shell):
        for _ in range(9):  # five messages, then what was concluded from them
            async with asyncio.timeout(DEADLINE_S):
                await held.waits.wait()
            held.waits.clear()
            live = await again.shell.state()
            assert live.state_hash == state_hash(await rebuilt(journal, live.position))
            held.passed.release()
        assert live.position > position
