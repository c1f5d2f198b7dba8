"""What clients get of the past: events, histories, explanations, differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, get_args

import msgspec

from actors.names import OWNER_OF
from actors.past.queries import (
    Change,
    ChangeKind,
    Difference,
    EventNode,
    EventView,
    Explanation,
    ForkReport,
    HistoryEntry,
)
from events.catalogue import ServiceKeyIssued
from events.memory import TIERS, Tier
from serve.answers import Answer
from serve.memory_forms import MemoryShown, shown

#: The secret of a vault memory comes out nowhere, and neither does what it is recognised by.
_NEVER_SHOWN = frozenset({"secret", "secret_fingerprint"})


class EventShown(Answer, frozen=True, kw_only=True):
    """An event. `user` and `entity` are opaque ids; no secret is in `payload`."""

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

    @classmethod
    def of(cls, view: EventView) -> EventShown:
        """Show an event."""
        payload = _without_secrets(view.payload)
        if view.type == ServiceKeyIssued.__name__:
            del payload["digest"]  # what the key is recognised by
        return cls(**{**msgspec.structs.asdict(view), "payload": payload})


class EventsShown(Answer, frozen=True, kw_only=True):
    """A page of events; `next_cursor` is empty on the last one."""

    items: tuple[EventShown, ...]
    next_cursor: str


class EventNodeShown(Answer, frozen=True, kw_only=True):
    """An event and what followed from it, in log order."""

    event: EventShown
    children: tuple[EventNodeShown, ...]

    @classmethod
    def of(cls, node: EventNode) -> EventNodeShown:
        """Show a tree."""
        return cls(event=EventShown.of(node.event), children=tuple(map(cls.of, node.children)))


class CorrelationShown(Answer, frozen=True, kw_only=True):
    """Everything that came of one request, as trees."""

    correlation_id: str
    trees: tuple[EventNodeShown, ...]

    @classmethod
    def of(cls, correlation_id: str, nodes: Iterable[EventNode]) -> CorrelationShown:
        """Show a correlation."""
        return cls(correlation_id=correlation_id, trees=tuple(map(EventNodeShown.of, nodes)))


class HistoryEntryShown(Answer, frozen=True, kw_only=True):
    """Something that happened to a memory; `memory` is as it was right after a change.

    `kind` is requested, rejected, recorded, revised, superseded, merged, forgotten, restored,
    left_block, found, cited or revealed.
    """

    kind: str
    event: EventShown
    memory: MemoryShown | None

    @classmethod
    def of(cls, entry: HistoryEntry) -> HistoryEntryShown:
        """Show an entry."""
        memory = None if entry.memory is None else shown(entry.memory)
        return cls(kind=entry.kind, event=EventShown.of(entry.event), memory=memory)


class HistoryShown(Answer, frozen=True, kw_only=True):
    """Everything that happened to a memory, in the order of the log."""

    id: str
    tier: str
    entries: tuple[HistoryEntryShown, ...]

    @classmethod
    def of(cls, memory_id: str, tier: Tier, entries: Iterable[HistoryEntry]) -> HistoryShown:
        """Show a history."""
        return cls(id=memory_id, tier=tier, entries=tuple(map(HistoryEntryShown.of, entries)))


class WhyShown(Answer, frozen=True, kw_only=True):
    """Why a memory reads as it does.

    `memory` is as it stands, or as it last stood; `status` is active, superseded, merged or
    forgotten. `producer` is the agent that recorded it, `extractor` what drew it from its source:
    `rules`, `client` or `model:NAME`; `generation` is the model call behind it. Each of `causes` is
    a first cause and what followed from it; `sources` are the messages or documents that it was
    drawn from; `superseded` are the memories whose place it took; `read_by` are those who read it
    since.
    """

    memory: MemoryShown
    status: str
    producer: str
    extractor: str
    generation: EventShown | None
    causes: tuple[EventNodeShown, ...]
    sources: tuple[EventShown, ...]
    superseded: tuple[str, ...]
    read_by: tuple[HistoryEntryShown, ...]

    @classmethod
    def of(cls, found: Explanation) -> WhyShown:
        """Show an explanation."""
        return cls(
            memory=shown(found.memory),
            status=found.status,
            producer=found.producer,
            extractor=found.extractor,
            generation=None if found.generation is None else EventShown.of(found.generation),
            causes=tuple(map(EventNodeShown.of, found.causes)),
            sources=tuple(map(EventShown.of, found.sources)),
            superseded=found.superseded,
            read_by=tuple(map(HistoryEntryShown.of, found.read_by)),
        )


class ChangeShown(Answer, frozen=True, kw_only=True):
    """A memory that differs between two moments.

    `kind` is added, changed, superseded, merged, forgotten or restored. `fields` are the names of
    what differs. That the secret of a vault memory differs is told by the name
    `secret_fingerprint`, without a value.
    """

    tier: str
    id: str
    kind: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fields: tuple[str, ...]

    @classmethod
    def of(cls, change: Change) -> ChangeShown:
        """Show a change."""
        return cls(
            tier=change.tier,
            id=change.id,
            kind=change.kind,
            before=_without_secrets(change.before),
            after=_without_secrets(change.after),
            fields=change.fields,
        )


class DifferenceShown(Answer, frozen=True, kw_only=True):
    """What changed between positions `start` and `end` of a shard; `counts` by tier and kind."""

    shard: int
    start: int
    end: int
    counts: dict[str, dict[str, int]]
    changes: tuple[ChangeShown, ...]

    @classmethod
    def of(cls, found: Difference, tiers: Sequence[Tier]) -> DifferenceShown:
        """Show a difference; `tiers` are those that were asked for, empty: all."""
        kinds: tuple[str, ...] = get_args(ChangeKind)
        counts: dict[str, dict[str, int]] = {
            tier: dict.fromkeys(kinds, 0) for tier in tiers or TIERS
        }
        for change in found.changes:
            counts[change.tier][change.kind] += 1
        return cls(
            shard=found.shard,
            start=found.start,
            end=found.end,
            counts=counts,
            changes=tuple(map(ChangeShown.of, found.changes)),
        )


class ForkShown(Answer, frozen=True, kw_only=True):
    """What a fork made of the same past: `causes` decisions, `parked` of them failed."""

    extractor: str
    agents: tuple[str, ...]
    causes: int
    parked: int
    failure: str
    memories: int
    difference: DifferenceShown

    @classmethod
    def of(cls, report: ForkReport) -> ForkShown:
        """Show a fork."""
        tiers = tuple(tier for tier in TIERS if OWNER_OF[tier] in report.agents)
        return cls(
            extractor=report.extractor,
            agents=report.agents,
            causes=report.causes,
            parked=report.parked,
            failure=report.failure,
            memories=report.memories,
            difference=DifferenceShown.of(report.difference, tiers),
        )


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            kept = ((name, inner) for name, inner in value.items() if name not in _NEVER_SHOWN)
            return {name: _without_secrets(inner) for name, inner in kept}
        case list() | tuple():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value
