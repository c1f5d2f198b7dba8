"""Questions about the past, as values, and what they answer.

A moment (`AsOf`) is a position of the shard's log, or a time: then it is the longest beginning of
the log in which nothing was recorded later than that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

from actors.deciders.settings import DeciderSettings, ExtractorName
from actors.names import Agent, Owner
from actors.queries import MemoryView, Query
from events.catalogue import MemoryConsolidated
from events.memory import Content, Tier, Value
from projections.tiers import Status

AsOf: TypeAlias = int | datetime


class AskPast(Value, frozen=True, kw_only=True):
    """What an agent would have answered to `query` at a moment. Answers `Recalled`.

    `query` is one that reads: listing, getting, core blocks, messages, profiles, search, counts.
    """

    agent: Agent
    query: Query
    as_of: AsOf


class Recalled(Value, frozen=True, kw_only=True):
    """An answer from the past, and the position that the moment stands for."""

    position: int
    answer: Any


class EventView(Value, frozen=True, kw_only=True):
    """An event for people to read.

    `payload` holds plain JSON values: bytes (vectors, sealed secrets) by their length only, the
    places of secrets in a message blotted out.
    """

    event_id: str
    type: str
    version: int
    shard: int
    position: int
    tenant: str
    user: str
    entity: str
    recorded_at: datetime
    causation_id: str
    correlation_id: str
    producer: str
    payload: dict[str, Any]


class EventNode(Value, frozen=True, kw_only=True):
    """An event and what it caused, in log order."""

    event: EventView
    children: tuple[EventNode, ...] = ()


HistoryKind = Literal[
    "requested",
    "rejected",
    "recorded",
    "revised",
    "superseded",
    "merged",
    "forgotten",
    "restored",
    "left_block",
    "found",
    "cited",
    "revealed",
]


class HistoryEntry(Value, frozen=True, kw_only=True):
    """Something that happened to a memory; `memory` is as it was right after a change."""

    kind: HistoryKind
    event: EventView
    memory: MemoryView | None = None


class GetHistory(Value, frozen=True, kw_only=True):
    """Every event that made, changed, ended, restored or read a memory.

    Answers `tuple[HistoryEntry, ...]` in log order, or raises `NotFound`.
    """

    user: str
    tier: Tier
    memory_id: str


class GetWhy(Value, frozen=True, kw_only=True):
    """Why a memory reads as it does. Answers `Explanation`, or raises `NotFound`."""

    user: str
    tier: Tier
    memory_id: str


class Explanation(Value, frozen=True, kw_only=True):
    """A memory, the chains of causes that made it what it is, and who read it since.

    `memory` is as it stands, or as it last stood when it was forgotten. `producer` is the agent
    that recorded it, `extractor` what drew it from its source (`rules`, `client`, `model:NAME`),
    `generation` the model call behind it, if there was one. Each of `causes` is a first cause (a
    message, a document, a client's request) with what followed from it, as far as it bears on this
    memory; `sources` are the messages or documents that it was drawn from. `superseded` are the
    ids of memories whose place it took.
    """

    memory: MemoryView
    status: Status
    producer: str
    extractor: str
    generation: EventView | None = None
    causes: tuple[EventNode, ...] = ()
    sources: tuple[EventView, ...] = ()
    superseded: tuple[str, ...] = ()
    read_by: tuple[HistoryEntry, ...] = ()


ChangeKind = Literal["added", "changed", "superseded", "merged", "forgotten", "restored"]


class Change(Value, frozen=True, kw_only=True):
    """One memory that differs between two states.

    `before` and `after` are its plain fields there (`projections.plain`), `fields` the names of
    those that differ.
    """

    tier: Tier
    id: str
    user: str
    kind: ChangeKind
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    fields: tuple[str, ...] = ()


class Difference(Value, frozen=True, kw_only=True):
    """What differs between two states of the six tiers, at positions `start` and `end`."""

    shard: int
    start: int
    end: int
    changes: tuple[Change, ...]


class GetDiff(Value, frozen=True, kw_only=True):
    """What changed between two moments, for one user. Answers `Difference`.

    `user` empty means everybody of the shard. `end` None means now.
    """

    user: str = ""
    start: AsOf
    end: AsOf | None = None
    tiers: tuple[Tier, ...] = ()


class AskFork(Value, frozen=True, kw_only=True):
    """What would be remembered, had the memory agents decided otherwise. Answers `ForkReport`.

    From the moment `at` on they meet the inputs up to `until` (None: all) again. `agents` empty
    means all six. `extractor` is one of those that need no code from outside.
    """

    user: str
    at: AsOf
    until: AsOf | None = None
    agents: tuple[Owner, ...] = ()
    extractor: ExtractorName = "rules"
    settings: DeciderSettings = DeciderSettings()


class ForkReport(Value, frozen=True, kw_only=True):
    """What came of a fork: `causes` decisions were made again and gave `conclusions` events.

    `parked` decisions failed, the first of them with `failure`: as in a system, nothing follows
    from them. `memories` counts what the fork remembers. In `difference`, `before` is what the log
    made of it and `after` what the fork did; its `start` is where the fork began. Memories that
    differ in id alone count as the same. What a model was asked was answered from the log `reused`
    times, by a model `asked` times, and `unasked` times by nobody.
    """

    shard: int
    extractor: str
    agents: tuple[Owner, ...]
    causes: int
    parked: int
    failure: str = ""
    conclusions: int
    memories: int
    difference: Difference
    reused: int = 0
    asked: int = 0
    unasked: int = 0


class ListEvents(Value, frozen=True, kw_only=True):
    """Events of a shard, oldest first unless `newest_first`. Answers `EventPage`.

    Empty filters let everything through. `tenant` is whose events may be seen (None: all, for the
    operator at the machine); `after` is the cursor, a position that the page begins behind.
    """

    tenant: str | None
    user: str = ""
    kind: str = ""
    producer: str = ""
    correlation: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    limit: int = 50
    newest_first: bool = False


class EventPage(Value, frozen=True, kw_only=True):
    """A page of events; `next_after` is the cursor of the next one, None on the last."""

    events: tuple[EventView, ...]
    next_after: int | None = None


class GetEvent(Value, frozen=True, kw_only=True):
    """One event by its id. Answers `EventView`, or raises `NotFound`."""

    tenant: str | None
    event_id: str


class GetCorrelation(Value, frozen=True, kw_only=True):
    """All events of one correlation, as trees. Answers `tuple[EventNode, ...]`, or `NotFound`."""

    tenant: str | None
    correlation_id: str


class GetConsolidation(Value, frozen=True, kw_only=True):
    """What a consolidation did to a person's memories. Answers `Consolidation`, or `NotFound`."""

    user: str
    consolidation_id: str


class TierConsolidated(Value, frozen=True, kw_only=True):
    """The report of a tier's owner, and where it is in the log."""

    position: int
    report: MemoryConsolidated


class Rewording(Value, frozen=True, kw_only=True):
    """How a memory read before a consolidation; its `revision` right after it."""

    memory_id: str
    content: Content
    tags: tuple[str, ...]
    revision: int


class Consolidation(Value, frozen=True, kw_only=True):
    """A consolidation that was asked for at `position`, and the reports there are by now."""

    consolidation_id: str
    position: int
    dry_run: bool
    tiers: tuple[Tier, ...]
    reports: tuple[TierConsolidated, ...]
    rewordings: tuple[Rewording, ...] = ()


PastQuery = (
    AskPast
    | GetHistory
    | GetWhy
    | GetDiff
    | AskFork
    | ListEvents
    | GetEvent
    | GetCorrelation
    | GetConsolidation
)
