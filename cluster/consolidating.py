"""Ask the owners of the tiers to put somebody's memories in order, straight into the log.

For what works on all people of a system: the job `consolidate` and the schedule. A single person's
goes over HTTP like everything that a client asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

import msgspec

from actors.consolidation.limits import ConsolidationLimits
from events.catalogue import ConsolidationRequested, MemoryConsolidated, UserRegistered
from events.envelope import NewEvent
from events.errors import Unavailable
from events.ids import derived_id
from events.journal import EventReader, Journal
from events.memory import TIERS, Tier, Value

PRODUCER = "consolidation"
#: Seconds for one person's tiers, and between two looks at whether they are done.
DONE_S_MAX = 600.0
_LOOK_S = 0.2


class Person(Value, frozen=True, kw_only=True):
    """Somebody with memories here, by the ids of the log."""

    user: str
    tenant: str


async def people_of(reader: EventReader) -> list[Person]:
    """Return who is known in a shard and not erased, in order of their first sight."""
    found: dict[str, Person] = {}
    kinds = frozenset({UserRegistered.__name__})
    async with aclosing(reader.read(kinds=kinds)) as events:
        async for event in events:
            person = Person(user=event.user, tenant=event.envelope.tenant)
            found.setdefault(event.user, person)
    return list(found.values())


def request_for(
    person: Person,
    consolidation_id: str,
    at: datetime,
    *,
    tiers: Sequence[Tier] = TIERS,
    dry_run: bool = False,
    limits: ConsolidationLimits | None = None,
) -> NewEvent:
    """Return the request as it goes into the log: the same id is the same event."""
    payload = ConsolidationRequested(
        consolidation_id=consolidation_id,
        tiers=tuple(tiers),
        at=at,
        dry_run=dry_run,
        limits=msgspec.to_builtins(limits or ConsolidationLimits()),
    )
    return NewEvent(
        event_id=derived_id("evt", ConsolidationRequested.__name__, person.user, consolidation_id),
        payload=payload,
        tenant=person.tenant,
        user=person.user,
        entity=consolidation_id,
        correlation_id=derived_id("cor", consolidation_id, person.user),
        producer=PRODUCER,
    )


async def consolidate(journal: Journal, request: NewEvent) -> list[MemoryConsolidated]:
    """Append a request, and return the reports of all tiers that it names once they are there.

    Raises:
        KeyDestroyed: the person was erased.
        Unavailable: the owners did not report in time; they go on.
    """
    asked = request.payload
    assert isinstance(asked, ConsolidationRequested)  # made by `request_for`
    (position,) = await journal.append([request])
    kinds = frozenset({MemoryConsolidated.__name__})
    try:
        async with asyncio.timeout(DONE_S_MAX):
            while True:
                reports: dict[Tier, MemoryConsolidated] = {}
                found = journal.read(position, None, kinds, user=request.user)
                async with aclosing(found) as events:
                    async for event in events:
                        match event.payload:
                            case MemoryConsolidated(consolidation_id=asked.consolidation_id) as one:
                                reports[one.tier] = one
                if reports.keys() >= set(asked.tiers):
                    return [reports[tier] for tier in asked.tiers]
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise Unavailable(
            f"the owners of the tiers did not report on {asked.consolidation_id} within"
            f" {DONE_S_MAX:g} s; do the agents run? (`mirix status`)"
        ) from None
