"""Consolidation: put a person's memories in order, see what came of it, undo it."""

from __future__ import annotations

from datetime import datetime

import msgspec
from fastapi import Request, Response

from actors.consolidation.limits import ConsolidationLimits
from actors.past.queries import Consolidation, GetConsolidation
from events.catalogue import ConsolidationRequested
from events.ids import random_id
from events.memory import TIERS, Tier
from serve.consolidation_forms import (
    AutoDreamForm,
    ConsolidateForm,
    ConsolidationAccepted,
    ConsolidationShown,
    UndoShown,
)
from serve.context import caller_of, context_of, new_event
from serve.edge import AskedPerson, Json, person_named, protected_router, read_json, written
from serve.identity import Person
from serve.openapi import BODY_PROBLEMS, MISSING, gives, takes
from serve.reading import ask_past
from serve.undoing import undo

router = protected_router("memory")

CONSOLIDATE_EXAMPLE = {"user_id": "alice", "tiers": ["semantic"], "dry_run": True}


@router.post(
    "/memory/consolidate",
    response_class=Json,
    summary="Put memories in order",
    openapi_extra=takes(ConsolidateForm, CONSOLIDATE_EXAMPLE),
    responses={
        200: gives(ConsolidationShown, "With `wait`: what was done in each tier."),
        202: gives(ConsolidationAccepted, "Without: it is in the log, and will be done."),
        **BODY_PROBLEMS,
    },
)
async def consolidate(request: Request) -> Response:
    """Merge what is said twice, end what is contradicted, let fade what nobody came back to."""
    form = await read_json(request, ConsolidateForm)
    person = person_named(request, form.user_id)
    tiers = TIERS if form.tiers is None else tuple(dict.fromkeys(form.tiers))
    return await _consolidate(request, person, tiers, form.dry_run, form.limits, form.wait)


@router.post(
    "/memory/auto_dream",
    response_class=Json,
    summary="Put memories in order, as clients of MIRIX ask for it",
    openapi_extra=takes(AutoDreamForm, {"dry_run": True}),
    responses={
        200: gives(ConsolidationShown, "What was done in each tier."),
        **BODY_PROBLEMS,
    },
)
async def auto_dream(request: Request, person: AskedPerson) -> Response:
    """Consolidate all tiers of a person, and wait for it."""
    form = await read_json(request, AutoDreamForm, empty=AutoDreamForm())
    return await _consolidate(request, person, TIERS, form.dry_run, ConsolidationLimits(), True)


@router.get(
    "/memory/consolidate/{consolidation_id}",
    response_class=Json,
    summary="Show a consolidation",
    responses={200: gives(ConsolidationShown, "What was done in each tier."), **MISSING},
)
async def show_consolidation(
    request: Request, consolidation_id: str, person: AskedPerson
) -> Response:
    """Show what a consolidation did, as far as it is done."""
    return Json(ConsolidationShown.of(await _found(request, person, consolidation_id)))


@router.post(
    "/memory/consolidate/{consolidation_id}/undo",
    response_class=Json,
    summary="Undo a consolidation",
    responses={200: gives(UndoShown, "What became of each step."), **MISSING},
)
async def undo_consolidation(
    request: Request, consolidation_id: str, person: AskedPerson
) -> Response:
    """Ask the owners to take back each step that still stands; what was changed since stays."""
    found = await _found(request, person, consolidation_id)
    undone = await undo(context_of(request), caller_of(request), person, found)
    return written(undone, undone.position)


async def _consolidate(
    request: Request,
    person: Person,
    tiers: tuple[Tier, ...],
    dry_run: bool,
    limits: ConsolidationLimits,
    wait: bool,
) -> Response:
    """Record the request; with `wait`, answer once all owners have reported."""
    context, caller = context_of(request), caller_of(request)
    wanted = requested(random_id("con"), tiers, context.clock(), dry_run, limits)
    event = new_event(caller, person, wanted, entity=wanted.consolidation_id)
    position = await context.record(caller, person, [event])
    if not wait:
        accepted = ConsolidationAccepted(
            consolidation_id=wanted.consolidation_id, position=position
        )
        return written(accepted, position, 202)
    await context.handled(person, position)
    found = await _found(request, person, wanted.consolidation_id)
    return written(ConsolidationShown.of(found), position)


def requested(
    consolidation_id: str,
    tiers: tuple[Tier, ...],
    at: datetime,
    dry_run: bool,
    limits: ConsolidationLimits,
) -> ConsolidationRequested:
    """Return the request as it is recorded; limits that are the usual ones are left out."""
    return ConsolidationRequested(
        consolidation_id=consolidation_id,
        tiers=tiers,
        at=at,
        dry_run=dry_run,
        limits=msgspec.to_builtins(limits),
    )


async def _found(request: Request, person: Person, consolidation_id: str) -> Consolidation:
    query = GetConsolidation(user=person.id, consolidation_id=consolidation_id)
    found: Consolidation = await ask_past(context_of(request), person.shard, query)
    return found
