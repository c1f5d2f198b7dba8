"""From a request to the effects that answer it: at once by rules, or after a model was asked."""

from __future__ import annotations

import msgspec

from actors.consolidation.asking import proposed, question
from actors.consolidation.limits import ConsolidationLimits, limits_of
from actors.consolidation.passes import Pass, concerned, consolidated
from actors.consolidation.steps import Step, effect_of, told
from actors.effects import Append, Effect, Generate
from events.catalogue import (
    ConsolidationRequested,
    GenerationCompleted,
    GenerationFailed,
    MemoryConsolidated,
)
from events.memory import Tier
from projections.tiers import Shelf


def begin(tier: Tier, shelf: Shelf, request: ConsolidationRequested, *, asks: bool) -> list[Effect]:
    """Return what follows from a request; with `asks`, first what to ask a language model."""
    limits = limits_of(request.limits)
    found = consolidated(tier, shelf, request.at, limits)
    if asks and len(found.steps) < limits.steps_max:
        asked = question(tier, shelf, _concerned(found.steps), limits.looked_at_max)
        if asked is not None:
            return [asked]
    return _effects(tier, request, found)


def go_on(
    tier: Tier,
    shelf: Shelf,
    request: ConsolidationRequested,
    asked: Generate,
    answer: GenerationCompleted | GenerationFailed,
) -> list[Effect]:
    """Return what follows now that a model was asked; without a usable answer, the rules' steps."""
    limits = limits_of(request.limits)
    found = consolidated(tier, shelf, request.at, limits)
    return _effects(tier, request, _with_proposals(shelf, found, limits, asked, answer))


def _with_proposals(
    shelf: Shelf,
    found: Pass,
    limits: ConsolidationLimits,
    asked: Generate,
    answer: GenerationCompleted | GenerationFailed,
) -> Pass:
    if isinstance(answer, GenerationFailed):
        return found
    try:
        more = proposed(shelf, asked.about, answer.output, _concerned(found.steps))
    except msgspec.MsgspecError:
        return found  # the generation is in the log as it is; the rules' steps hold without it
    steps = (*found.steps, *more)[: limits.steps_max]
    return Pass(looked_at=found.looked_at, steps=steps)


def _concerned(steps: tuple[Step, ...]) -> frozenset[str]:
    """Return all memories that steps are about: no other step of this pass touches them."""
    return frozenset(id_ for step in steps for id_ in concerned(step))


def _effects(tier: Tier, request: ConsolidationRequested, found: Pass) -> list[Effect]:
    """Return the effects of all steps, none on a dry run, and the report that closes them."""
    report = MemoryConsolidated(
        consolidation_id=request.consolidation_id,
        tier=tier,
        dry_run=request.dry_run,
        looked_at=found.looked_at,
        steps=tuple(told(step) for step in found.steps),
    )
    done = [] if request.dry_run else [effect_of(step, tier) for step in found.steps]
    return [*done, Append(payload=report)]
