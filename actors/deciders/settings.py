"""What a decider's judgement can be told: the bounds that a what-if may set otherwise."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from events.memory import Value
from projections.tiers import CORE_BLOCK_CHARS_MAX

#: The extractors that are there without anybody's own code (`actors.extraction.extractor`).
ExtractorName = Literal["rules", "none"]


class DeciderSettings(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the six memory agents' decisions.

    `importance_min` (0 to 1) is the least importance of a finding that is kept; `findings_max` how
    many one message or document may give: beyond it a text is not a message but a flood;
    `core_block_chars` what a core block may hold before it is rewritten.
    """

    importance_min: Annotated[float, Meta(ge=0, le=1)] = 0.0
    findings_max: Annotated[int, Meta(ge=0, le=10_000)] = 200
    core_block_chars: Annotated[int, Meta(ge=100, le=100_000)] = CORE_BLOCK_CHARS_MAX
