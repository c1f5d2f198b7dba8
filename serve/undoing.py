"""Undo a consolidation: for each of its steps the change that takes it back, where that still fits.

Each is an ordinary request to the owner of the tier, in the log like any other. A memory that was
changed since is left alone, and the answer says so.
"""

from __future__ import annotations

import msgspec

from actors.names import OWNER_OF
from actors.past.queries import Consolidation, Rewording
from actors.queries import GetMemory, MemoryView
from events.catalogue import ConsolidationStep, MemoryChangeRequested
from events.errors import CommandRejected, NotFound
from events.memory import Tier, Value, VaultContent
from serve.consolidation_forms import UndoneShown, UndoShown
from serve.context import Caller, GatewayContext, new_event
from serve.identity import Person

#: Requests of one batch.
REQUESTS_MAX = 400
#: How a memory stands after a step.
_STANDS = {"merge": "merged", "supersede": "superseded", "forget": "forgotten"}


class _Undoing(Value, frozen=True, kw_only=True):
    """A step for one memory, and the request that takes it back, or why there is none."""

    tier: Tier
    memory_id: str
    change: str
    request: MemoryChangeRequested | None = None
    why: str = ""


async def undo(
    context: GatewayContext, caller: Caller, person: Person, found: Consolidation
) -> UndoShown:
    """Take back what still stands as a consolidation left it, and wait until that is done.

    Raises:
        CommandRejected: it was a dry run.
        NotHandledYet: the owners are not done in time; they go on.
    """
    if found.dry_run:
        raise CommandRejected(
            f"{found.consolidation_id} was a dry run: it changed nothing that could be undone"
        )
    planned = await _planned(context, person, found)
    position = reached = found.position
    requests = [one.request for one in planned if one.request is not None]
    for start in range(0, len(requests), REQUESTS_MAX):
        events = [
            new_event(caller, person, request, entity=request.memory_id)
            for request in requests[start : start + REQUESTS_MAX]
        ]
        positions = await context.record_each(caller, person, events)
        position = positions[-1]
        reached = await context.handled(person, position, first=positions[0])
    steps = tuple([await _outcome(context, person, one, reached) for one in planned])
    undone = sum(1 for step in steps if step.undone)
    return UndoShown(
        consolidation_id=found.consolidation_id,
        position=position,
        undone=undone,
        left=len(steps) - undone,
        steps=steps,
    )


async def _planned(context: GatewayContext, person: Person, found: Consolidation) -> list[_Undoing]:
    """Return how each step is taken back: the last first."""
    before = {one.memory_id: one for one in found.rewordings}
    planned: list[_Undoing] = []
    for one in reversed(found.reports):
        for step in reversed(one.report.steps):
            for id_ in step.memory_ids:
                view = await _view(context, person, one.report.tier, id_, one.position)
                undoing = _undoing(
                    found.consolidation_id, one.report.tier, step, id_, view, before.get(id_)
                )
                planned.append(undoing)
    return planned


def _undoing(
    consolidation_id: str,
    tier: Tier,
    step: ConsolidationStep,
    memory_id: str,
    view: MemoryView | None,
    before: Rewording | None,
) -> _Undoing:
    """Return the request that takes a step back, or why it stays."""
    left = _Undoing(tier=tier, memory_id=memory_id, change=step.change)
    why = _why_not(step, view, before)
    if view is None or why:
        return msgspec.structs.replace(left, why=why)
    content = tags = None
    if step.change == "revise" and before is not None:
        content, tags = before.content, before.tags
        if isinstance(content, VaultContent):
            # A request carries secrets in clear; without one the owner keeps the secret as it is.
            content = msgspec.structs.replace(content, secret=b"")
    request = MemoryChangeRequested(
        tier=tier,
        change="revise" if step.change == "revise" else "restore",
        memory_id=memory_id,
        content=content,
        tags=tags,
        reason=f"undo of consolidation {consolidation_id}",
        expected_revision=view.revision,
    )
    return msgspec.structs.replace(left, request=request)


def _why_not(step: ConsolidationStep, view: MemoryView | None, before: Rewording | None) -> str:
    """Return why a step cannot be taken back; empty when it can."""
    if view is None:
        return "it was forgotten for good since, and is only in the log"
    if step.change == "revise":
        if before is None:
            return "how it read before is not in the log"
        if view.revision != before.revision or view.status != "active":
            return "it was changed since"
        return ""
    if view.status == "active":
        return "it holds already"
    if view.status != _STANDS[step.change] or view.superseded_by != step.into:
        return f"it was changed since: it is {view.status} now"
    return ""


async def _outcome(
    context: GatewayContext, person: Person, one: _Undoing, reached: int
) -> UndoneShown:
    why = one.why
    if one.request is not None:
        view = await _view(context, person, one.tier, one.memory_id, reached)
        if (
            view is None
            or view.status != "active"
            or view.revision <= one.request.expected_revision
        ):
            why = "it was changed by somebody else at this moment"
    return UndoneShown(
        tier=one.tier,
        memory_id=one.memory_id,
        change=one.change,
        undone=not why,
        why=why,
    )


async def _view(
    context: GatewayContext, person: Person, tier: Tier, memory_id: str, min_position: int
) -> MemoryView | None:
    try:
        view: MemoryView = await context.backend.ask(
            person.shard,
            OWNER_OF[tier],
            GetMemory(user=person.id, memory_id=memory_id),
            min_position=min_position,
            timeout_s=context.settings.read_timeout_s,
        )
    except NotFound:
        return None
    return view
