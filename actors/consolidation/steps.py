"""One step of a consolidation: what is recorded of it, and the effects that carry it out."""

from __future__ import annotations

from datetime import datetime

from actors.effects import Append, Effect, Revise
from events.catalogue import (
    ConsolidationStep,
    MemoryForgotten,
    MemoryMerged,
    MemorySuperseded,
    Payload,
)
from events.memory import Content, Provenance, Tier, Value


class Merge(Value, frozen=True, kw_only=True):
    """A memory says no more than another, which takes its sources over."""

    memory_id: str
    into: str
    provenance: Provenance
    reason: str


class Supersede(Value, frozen=True, kw_only=True):
    """A memory stopped holding when another on the same matter began to."""

    memory_id: str
    by: str
    valid_to: datetime
    reason: str


class Fade(Value, frozen=True, kw_only=True):
    """A memory is out of sight from now on."""

    memory_id: str
    reason: str


class Enrich(Value, frozen=True, kw_only=True):
    """A memory takes over what those merged into it say besides."""

    memory_id: str
    content: Content
    tags: tuple[str, ...]
    reason: str


Step = Merge | Supersede | Fade | Enrich


def told(step: Step) -> ConsolidationStep:
    """Return a step as it is recorded."""
    match step:
        case Merge(memory_id=id_, into=into, reason=reason):
            return ConsolidationStep(change="merge", memory_ids=(id_,), into=into, reason=reason)
        case Supersede(memory_id=id_, by=by, reason=reason):
            return ConsolidationStep(change="supersede", memory_ids=(id_,), into=by, reason=reason)
        case Fade(memory_id=id_, reason=reason):
            return ConsolidationStep(change="forget", memory_ids=(id_,), reason=reason)
        case Enrich(memory_id=id_, reason=reason):
            return ConsolidationStep(change="revise", memory_ids=(id_,), reason=reason)


def effect_of(step: Step, tier: Tier) -> Effect:
    """Return what carries a step out."""
    if isinstance(step, Enrich):
        return Revise(
            tier=tier,
            memory_id=step.memory_id,
            content=step.content,
            tags=step.tags,
            reason=step.reason,
        )
    return Append(payload=_payload_of(step, tier))


def _payload_of(step: Merge | Supersede | Fade, tier: Tier) -> Payload:
    match step:
        case Merge():
            return MemoryMerged(
                tier=tier,
                memory_id=step.memory_id,
                into=step.into,
                reason=step.reason,
                provenance=step.provenance,
            )
        case Supersede():
            return MemorySuperseded(
                tier=tier,
                memory_id=step.memory_id,
                superseded_by=step.by,
                valid_to=step.valid_to,
                reason=step.reason,
            )
        case Fade():
            return MemoryForgotten(
                tier=tier, memory_id=step.memory_id, reason=step.reason, restorable=True
            )
