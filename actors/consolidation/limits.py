"""What bounds a consolidation: how much it looks at, how alike is the same, what fades when."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from events.errors import CommandRejected
from events.memory import Tier, Value

#: Who somebody is, and what was given to be kept, does not fade, whatever is configured.
NEVER_FADES: frozenset[Tier] = frozenset({"core", "knowledge_vault"})


class ConsolidationLimits(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one consolidation of one tier.

    A memory fades when `importance * 0.5 ** (age / half_life_days)` is below `fade_below`; its age
    counts from when it, or one merged into it, was recorded. With the defaults one of importance
    0.5 fades after 598 days, one of 0.9 after 751. Younger ones than `fade_age_min_days`, and the
    tiers in `never_fade` (core and vault always), do not fade. `likeness_min` is the least share
    of words in common of two memories that say the same (`likeness`). Of a larger tier the latest
    `looked_at_max` are compared and the oldest `looked_at_max` may fade. One pass takes at most
    `steps_max` steps; the next one goes on.
    """

    half_life_days: Annotated[float, Meta(ge=1, le=36_500)] = 180.0
    fade_below: Annotated[float, Meta(ge=0, le=1)] = 0.05
    fade_age_min_days: Annotated[float, Meta(ge=0, le=36_500)] = 90.0
    never_fade: tuple[Tier, ...] = ()
    likeness_min: Annotated[float, Meta(ge=0.5, le=1)] = 0.75
    looked_at_max: Annotated[int, Meta(ge=2, le=5_000)] = 2000
    steps_max: Annotated[int, Meta(ge=1, le=400)] = 200

    def fades(self, tier: Tier) -> bool:
        """Say whether memories of a tier fade at all."""
        return tier not in NEVER_FADES and tier not in self.never_fade


def limits_of(values: dict[str, Any]) -> ConsolidationLimits:
    """Return the limits that an event carries.

    Raises:
        CommandRejected: a value is out of its bounds, or not one of the limits.
    """
    try:
        return msgspec.convert(values, ConsolidationLimits)
    except msgspec.ValidationError as error:
        raise CommandRejected(f"the limits of a consolidation are wrong: {error}") from error
