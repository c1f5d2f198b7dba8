"""The log as a list, one event of it, and a correlation as a tree.

The index says where the events are that are asked for; only those are then read and opened. Events
of erased users are left out by the reader: a page may hold less than was asked for, and its cursor
goes on all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from actors.past.queries import (
    EventNode,
    EventPage,
    EventView,
    GetCorrelation,
    GetEvent,
    ListEvents,
)
from actors.past.showing import Spans, found_secrets, view_of
from events.catalogue import MemoryRecorded, MessageReceived
from events.envelope import Event
from events.errors import CommandRejected, NotFound
from events.journal import EventReader
from projections.log_index import LogIndex, sees

#: Events of one page, and of one tree.
PAGE_EVENTS_MAX = 1000
TREE_EVENTS_MAX = 10_000
#: Events that are held undone from showing at once: each may be as large as a document.
_READ_AT_ONCE = 64


async def list_events(reader: EventReader, index: LogIndex, query: ListEvents) -> EventPage:
    """Return a page of the events that pass the filters of a query.

    Raises:
        CommandRejected: the page is asked for too large, or without events.
    """
    if not 0 < query.limit <= PAGE_EVENTS_MAX:
        raise CommandRejected(
            f"a page of {query.limit} events cannot be; ask for 1 to {PAGE_EVENTS_MAX}"
        )
    positions = index.select(
        tenant=query.tenant,
        user=query.user,
        kind=query.kind,
        producer=query.producer,
        correlation=query.correlation,
        since=query.since,
        until=query.until,
        after=query.after,
        limit=query.limit + 1,
        newest_first=query.newest_first,
    )
    page = positions[: query.limit]
    views = [
        view
        for view in await _views_at(reader, index, page)
        if sees(query.tenant, view.tenant)
        and query.user in ("", view.user)
        and query.correlation in ("", view.correlation_id)
    ]
    more = len(positions) > len(page)
    return EventPage(events=tuple(views), next_after=page[-1] if more else None)


async def get_event(reader: EventReader, index: LogIndex, query: GetEvent) -> EventView:
    """Return an event by its id.

    Raises:
        NotFound: there is none, or not for this tenant.
    """
    for view in await _views_at(reader, index, index.positions_of(query.event_id)):
        if view.event_id == query.event_id and sees(query.tenant, view.tenant):
            return view
    raise NotFound(f"there is no event {query.event_id[:100]!r}")


async def get_correlation(
    reader: EventReader, index: LogIndex, query: GetCorrelation
) -> tuple[EventNode, ...]:
    """Return the events of a correlation as trees: each below the one that caused it.

    The roots are events whose cause is not of the correlation. An event without a correlation of
    its own begins the one that has its id.

    Raises:
        NotFound: there is no such event, or not for this tenant.
        CommandRejected: there are more than a tree may hold.
    """
    name = query.correlation_id
    positions = index.select(tenant=query.tenant, correlation=name, limit=TREE_EVENTS_MAX + 1)
    if len(positions) > TREE_EVENTS_MAX:
        raise CommandRejected(
            f"correlation {name[:100]!r} has more than the {TREE_EVENTS_MAX} events that a tree "
            "may hold; list its events by pages instead"
        )
    positions = sorted({*positions, *index.positions_of(name)})
    views = [
        view
        for view in await _views_at(reader, index, positions)
        if sees(query.tenant, view.tenant)
        and (view.correlation_id == name or (view.event_id == name and not view.correlation_id))
    ]
    if not views:
        raise NotFound(f"there are no events of correlation {name[:100]!r}")
    return trees(views)


def trees(events: Sequence[EventView]) -> tuple[EventNode, ...]:
    """Put events, given in log order, below those among them that caused them."""
    place = {event.event_id: event.position for event in reversed(events)}
    below: dict[str, list[EventNode]] = defaultdict(list)
    roots: list[EventNode] = []
    # From the last: what an event caused comes after it, and is complete when it is reached.
    for event in reversed(events):
        children = tuple(reversed(below.pop(event.event_id, [])))
        node = EventNode(event=event, children=children)
        known = place.get(event.causation_id, event.position) < event.position
        (below[event.causation_id] if known else roots).append(node)
    return tuple(reversed(roots))


async def _views_at(
    reader: EventReader, index: LogIndex, positions: Sequence[int]
) -> list[EventView]:
    """Return the events at these positions as they are shown, in the order given."""
    views: list[EventView] = []
    for start in range(0, len(positions), _READ_AT_ONCE):
        events = await reader.at(positions[start : start + _READ_AT_ONCE])
        hidden = await _hidden(reader, index, events)
        views += [view_of(event, hidden=hidden.get(event.id, ())) for event in events]
    return views


async def _hidden(
    reader: EventReader, index: LogIndex, events: Sequence[Event]
) -> dict[str, Spans]:
    """Return by event id the places of secrets that the vault found in messages later."""
    said = {one.id: one.payload for one in events if isinstance(one.payload, MessageReceived)}
    drawn = index.reactions(said, MemoryRecorded.__name__, "knowledge_vault") if said else []
    found: dict[str, Spans] = {}
    for start in range(0, len(drawn), _READ_AT_ONCE):
        for reaction in await reader.at(drawn[start : start + _READ_AT_ONCE]):
            cause = reaction.envelope.causation_id
            if cause in said:  # else it has the hash of one of them
                spans = found_secrets(said[cause], (reaction,))
                found[cause] = (*found.get(cause, ()), *spans)
    return found
