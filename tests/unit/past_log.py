"""A log of hand-made events, and what is found in it: for tests of the past."""

from __future__ import annotations

from contextlib import aclosing

from events.catalogue import Payload
from events.codec import Codec
from events.envelope import NewEvent
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.log_index import LogIndex
from tests.unit.builders import NOON

ANN = "usr_ann"


class HandMade:
    """Appends one event after another; ids are `evt_<name>`."""

    def __init__(self) -> None:
        self.keystore = MemoryKeyStore(b"m" * 32)
        self.journal = Journal(MemoryLog(0), Codec(KeyRing(self.keystore)), clock=lambda: NOON)

    async def add(
        self,
        name: str,
        payload: Payload,
        *,
        cause: str = "",
        user: str = ANN,
        tenant: str = "org",
        producer: str = "gateway",
        correlation: str = "cor_1",
    ) -> int:
        """Append an event that `cause` (a name) brought about; return its position."""
        event = NewEvent(
            event_id=f"evt_{name}",
            payload=payload,
            tenant=tenant,
            user=user,
            causation_id=f"evt_{cause}" if cause else "",
            correlation_id=correlation,
            producer=producer,
        )
        (position,) = await self.journal.append([event])
        return position

    async def index(self) -> LogIndex:
        """Return an index of all that is there."""
        return await indexed(self.journal)

    def erase(self, user: str) -> None:
        """Destroy a user's key."""
        self.keystore.destroy(user)
        self.journal.codec.keys.forget(user)


async def indexed(journal: Journal) -> LogIndex:
    """Return an index of a log."""
    index = LogIndex()
    async with aclosing(journal.envelopes()) as envelopes:
        async for position, envelope in envelopes:
            index.add(position, envelope)
    return index
