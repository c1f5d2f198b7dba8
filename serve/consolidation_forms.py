"""Bodies and answers of consolidation."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from actors.consolidation.limits import ConsolidationLimits
from actors.past.queries import Consolidation, TierConsolidated
from events.catalogue import ConsolidationStep
from events.memory import Tier
from serve.answers import Answer
from serve.requests import Body, UserId


class ConsolidateForm(Body, frozen=True, kw_only=True):
    """Which tiers to put in order (left out: all six), within which limits.

    A dry run changes nothing and tells what it would change. With `wait` the answer is what came of
    it, else where the request is in the log.
    """

    user_id: UserId | None = None
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=6)] | None = None
    dry_run: bool = False
    limits: ConsolidationLimits = ConsolidationLimits()
    wait: bool = True


class AutoDreamForm(Body, frozen=True, kw_only=True):
    """The same as clients of MIRIX ask for it; there is one `mode`, whatever it is called."""

    mode: Annotated[str, Meta(max_length=100)] = ""
    dry_run: bool = False


class ConsolidationAccepted(Answer, frozen=True, kw_only=True):
    """The request is in the log; the owners of the tiers will carry it out."""

    consolidation_id: str
    position: int


class StepShown(Answer, frozen=True, kw_only=True):
    """One thing that was done, or on a dry run would be: merge, supersede, forget or revise.

    `into` is the memory that the others were merged into, or that took their place.
    """

    change: str
    memory_ids: tuple[str, ...]
    into: str
    reason: str

    @classmethod
    def of(cls, step: ConsolidationStep) -> StepShown:
        """Show a step."""
        return cls(
            change=step.change, memory_ids=step.memory_ids, into=step.into, reason=step.reason
        )


class TierConsolidatedShown(Answer, frozen=True, kw_only=True):
    """What came of it in one tier, of the `looked_at` memories."""

    tier: str
    looked_at: int
    position: int
    steps: tuple[StepShown, ...]

    @classmethod
    def of(cls, one: TierConsolidated) -> TierConsolidatedShown:
        """Show a tier's report."""
        report = one.report
        return cls(
            tier=report.tier,
            looked_at=report.looked_at,
            position=one.position,
            steps=tuple(map(StepShown.of, report.steps)),
        )


class ConsolidationShown(Answer, frozen=True, kw_only=True):
    """A consolidation and the tiers that have reported; `pending` are those that have not yet."""

    consolidation_id: str
    position: int
    dry_run: bool
    tiers: tuple[TierConsolidatedShown, ...]
    pending: tuple[str, ...]

    @classmethod
    def of(cls, found: Consolidation) -> ConsolidationShown:
        """Show a consolidation."""
        there = {one.report.tier for one in found.reports}
        return cls(
            consolidation_id=found.consolidation_id,
            position=found.position,
            dry_run=found.dry_run,
            tiers=tuple(map(TierConsolidatedShown.of, found.reports)),
            pending=tuple(tier for tier in found.tiers if tier not in there),
        )


class UndoneShown(Answer, frozen=True, kw_only=True):
    """What became of one step: `undone`, or why it was left as it is."""

    tier: str
    memory_id: str
    change: str
    undone: bool
    why: str


class UndoShown(Answer, frozen=True, kw_only=True):
    """What became of each step of a consolidation; `position` is that of the last change."""

    consolidation_id: str
    position: int
    undone: int
    left: int
    steps: tuple[UndoneShown, ...]
