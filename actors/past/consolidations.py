"""One consolidation as the log tells it: what its owners reported, and how memories read before.

For whoever wants to see what a pass has done, and to undo it.
"""

from __future__ import annotations

from contextlib import aclosing

from actors.past.queries import Consolidation, GetConsolidation, Rewording, TierConsolidated
from events.catalogue import (
    ConsolidationRequested,
    MemoryConsolidated,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
)
from events.envelope import Event
from events.errors import NotFound
from events.journal import EventReader

_REPORTS = frozenset(kind.__name__ for kind in (ConsolidationRequested, MemoryConsolidated))
_WORDINGS = frozenset(kind.__name__ for kind in (MemoryRecorded, MemoryRevised, MemoryRestored))


async def consolidation(reader: EventReader, query: GetConsolidation) -> Consolidation:
    """Return a consolidation of a user, with the reports that are in the log by now.

    Raises:
        NotFound: none of this id was ever asked for.
    """
    requests: list[Event] = []
    reports: list[TierConsolidated] = []
    async with aclosing(reader.read(kinds=_REPORTS, user=query.user)) as events:
        async for event in events:
            match event.payload:
                case ConsolidationRequested(consolidation_id=query.consolidation_id):
                    requests.append(event)
                case MemoryConsolidated(consolidation_id=query.consolidation_id) as report:
                    reports.append(TierConsolidated(position=event.position, report=report))
    if not requests:
        raise NotFound(f"there is no consolidation {query.consolidation_id[:100]!r} of this user")
    request = requests[0].payload
    assert isinstance(request, ConsolidationRequested)  # nothing else was put there
    reworded = {
        id_
        for one in reports
        for step in one.report.steps
        if step.change == "revise" and not one.report.dry_run
        for id_ in step.memory_ids
    }
    return Consolidation(
        consolidation_id=query.consolidation_id,
        position=requests[0].position,
        dry_run=request.dry_run,
        tiers=request.tiers,
        reports=tuple(reports),
        rewordings=await _rewordings(reader, query.user, requests, reworded) if reworded else (),
    )


async def _rewordings(
    reader: EventReader, user: str, requests: list[Event], reworded: set[str]
) -> tuple[Rewording, ...]:
    """Return how each memory that these requests put otherwise read before."""
    causes = {request.id for request in requests}
    latest: dict[str, Rewording] = {}
    found: list[Rewording] = []
    async with aclosing(reader.read(kinds=_WORDINGS, user=user)) as events:
        async for event in events:
            match event.payload:
                case MemoryRecorded(memory=draft) if draft.id in reworded:
                    latest.setdefault(
                        draft.id,
                        Rewording(
                            memory_id=draft.id, content=draft.content, tags=draft.tags, revision=1
                        ),
                    )
                case MemoryRevised(memory_id=id_) as revised if id_ in latest:
                    before = latest[id_]
                    if event.envelope.causation_id in causes:
                        found.append(_after(before, revision=before.revision + 1))
                    latest[id_] = Rewording(
                        memory_id=id_,
                        content=revised.content,
                        tags=before.tags if revised.tags is None else revised.tags,
                        revision=before.revision + 1,
                    )
                case MemoryRestored(memory_id=id_) if id_ in latest:
                    latest[id_] = _after(latest[id_], revision=latest[id_].revision + 1)
    return tuple(found)


def _after(wording: Rewording, *, revision: int) -> Rewording:
    return Rewording(
        memory_id=wording.memory_id,
        content=wording.content,
        tags=wording.tags,
        revision=revision,
    )
