"""Keeps the budgets of one process true to the log: what was used today, here and elsewhere."""

from __future__ import annotations

from contextlib import aclosing

from actors.answering import MODEL as EXTRACTIVE_MODEL
from actors.models.budgets import Budgets
from actors.models.tokens import spent
from events.catalogue import GenerationCompleted, GenerationFailed
from events.envelope import Event
from events.journal import Journal

KINDS = frozenset({"GenerationCompleted", "GenerationFailed"})


class UsageFollower:
    """Charges the budgets with what the generations in a shard's log used.

    `own_producer` is the agent whose generations this process charges itself, as it makes them:
    those in the log by now count, later ones are passed over.
    """

    def __init__(self, journal: Journal, budgets: Budgets, own_producer: str) -> None:
        self._journal = journal
        self._budgets = budgets
        self._own_producer = own_producer
        self._through = 0

    async def start(self) -> None:
        """Charge what was used today; call once, before `run`."""
        end = await self._journal.last_position()
        after = await self._end_of_yesterday(end)
        for kind in sorted(KINDS):
            # One kind at a time is read by its subject: quick however much else happened today.
            async with aclosing(self._journal.read(after, end, frozenset({kind}))) as events:
                async for event in events:
                    self._charge(event)
        self._through = end

    async def run(self) -> None:
        """Charge what others use, for ever.

        Raises:
            CorruptLog: the log lost or altered something.
        """
        async with aclosing(self._journal.follow(after=self._through, kinds=KINDS)) as batches:
            async for batch in batches:
                for event in batch.events:
                    if event.envelope.producer != self._own_producer:
                        self._charge(event)

    async def _end_of_yesterday(self, end: int) -> int:
        """Return the last position from before today, by halving: times only grow in a log."""
        today = self._budgets.today()
        low, high = 0, end
        while low < high:
            middle = (low + high + 1) // 2
            async with aclosing(self._journal.envelopes(middle - 1, middle)) as found:
                recorded_at = [envelope.recorded_at async for _, envelope in found]
            if recorded_at[0] < today:
                low = middle
            else:
                high = middle - 1
        return low

    def _charge(self, event: Event) -> None:
        told = event.payload
        if isinstance(told, GenerationCompleted) and told.model == EXTRACTIVE_MODEL:
            return  # Quotations cost nothing.
        if isinstance(told, GenerationCompleted | GenerationFailed):
            self._budgets.charge(event.user, spent(told.usage), event.envelope.recorded_at)
