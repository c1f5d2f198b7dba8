"""What goes into the retrieval index and what comes out.

On the message path between the events (folded into passages by `retrieval_projection`) and the
answer to a search.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from events.memory import SearchTier
from projections.retrieval.explained import SignalValue

Method = Literal["hybrid", "bm25", "embedding", "string_match"]
Vector = npt.NDArray[np.float32]

CONVERSATION: SearchTier = "conversation"
_MASKED_RUN = re.compile("•+")


# Nothing in a passage refers to anything that could refer to it: no matter for the collector.
class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A text that can be found: a message, or one chunk of a memory.

    `id` is the message's or memory's, `ordinal` counts a memory's chunks from 0. `position` is the
    log position, `said_at` when it was said or recorded, `occurred_at` the ISO date that the text
    speaks of. `message_ids` are the messages it was drawn from (of a message: itself),
    `external_ids` their ids at the client, `event_id` the event that recorded it. `ended_at` is set
    when another memory took its place, or it was merged into it: `superseded_by` is that one's id.
    What was merged, or faded, is `resting`: no search finds it until it is restored.
    """

    id: str
    ordinal: int = 0
    tier: SearchTier
    user: str
    text: str
    speaker: str = ""
    conversation: str = ""
    assistant: str = ""
    position: int
    occurred_at: str = ""
    recorded_at: datetime
    said_at: datetime
    message_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ended_at: datetime | None = None
    superseded_by: str = ""
    event_id: str = ""
    resting: bool = False

    def without(self, spans: tuple[tuple[int, int], ...]) -> Passage:
        """Return the passage with these character ranges blotted out."""
        return msgspec.structs.replace(self, text=blotted(self.text, spans))


def blotted(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    """Return a text with these character ranges blotted out, one `•` a character.

    The length stays, so that ranges found in the original text fit it later as well.
    """
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))
        if start < end:
            parts += (text[at:start], "•" * (end - start))
            at = end
    return "".join((*parts, text[at:]))


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for, and where.

    `vector` is the embedding of `RetrievalIndex.bare_question(user, query)`; without it words alone
    decide. `threshold` is the lowest score returned (of `embedding`: the cosine). `since` and
    `until` bound `said_at`, `occurred_since` and `occurred_until` the day that a passage speaks of
    (where it names none, the day it was said), all inclusive. `assistant` is the profile that it
    was said to. `explain` adds each signal's value to the hits. What is in `exclude`, by id, is not
    looked for. Up to `exact_max` passages every score is computed (None: up to the usual number).
    """

    user: str
    query: str
    vector: Vector | None = None
    tiers: tuple[SearchTier, ...] | None = None
    limit: int = 10
    method: Method = "hybrid"
    threshold: float | None = None
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    occurred_since: date | None = None
    occurred_until: date | None = None
    assistant: str = ""
    include_ended: bool = False
    explain: bool = False
    exclude: tuple[str, ...] = ()
    exact_max: int | None = None


class Hit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One passage found, best first; `signals` holds what made its score when explained.

    `relevance`, between 0 and 1, tells how far it is about the question at all. `superseded` marks
    a message that tells, on what was asked, only what no longer holds. `title` is that of the
    document whose chunk it is.
    """

    id: str
    ordinal: int
    tier: SearchTier
    text: str
    score: float
    speaker: str
    conversation: str
    position: int
    occurred_at: str
    recorded_at: datetime
    said_at: datetime
    message_ids: tuple[str, ...]
    external_ids: tuple[str, ...]
    tags: tuple[str, ...]
    relevance: float = 0.0
    superseded: bool = False
    title: str = ""
    event_id: str = ""
    signals: dict[str, SignalValue] | None = None


def hit_of(
    passage: Passage,
    score: float,
    signals: dict[str, SignalValue] | None,
    *,
    relevance: float,
    superseded: bool,
    title: str,
) -> Hit:
    """Return the passage as a hit; what is blotted out shows as four dots, whatever its length."""
    return Hit(
        id=passage.id,
        ordinal=passage.ordinal,
        tier=passage.tier,
        text=_MASKED_RUN.sub("••••", passage.text),
        score=score,
        speaker=passage.speaker,
        conversation=passage.conversation,
        position=passage.position,
        occurred_at=passage.occurred_at,
        recorded_at=passage.recorded_at,
        said_at=passage.said_at,
        message_ids=passage.message_ids,
        external_ids=passage.external_ids,
        tags=passage.tags,
        relevance=relevance,
        superseded=superseded,
        title=title,
        event_id=passage.event_id,
        signals=signals,
    )
