"""The events themselves: listed, one by one, as trees of what came of a request, and as they come.

A service key sees the events of its own tenant. The agents' bookkeeping belongs to no tenant and
is shown to the default one alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Literal

import msgspec
import structlog
from fastapi import Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from actors.past.queries import (
    EventNode,
    EventPage,
    EventView,
    GetCorrelation,
    GetEvent,
    ListEvents,
)
from actors.past.showing import view_of
from events.envelope import Event
from events.errors import MirixError, NotFound
from serve.context import GatewayContext, caller_of, context_of
from serve.edge import Json, Limit, protected_router
from serve.event_filters import AskedEvents, EventFilter, correlation_named
from serve.openapi import MISSING, gives
from serve.past_answers import CorrelationShown, EventShown, EventsShown
from serve.problems import invalid, slug
from serve.reading import ask_past
from serve.tail import Tail, places_named, tailing

log = structlog.get_logger(__name__)
router = protected_router("past")

#: An empty line to the client this often, with the place that the stream has reached.
HEARTBEAT_S = 15
#: A client that takes nothing for so long is gone.
SEND_TIMEOUT_S = 30
#: How long a client waits before it comes back, in milliseconds.
RETRY_MS = 1_000

#: A shard and the position behind which the page begins; without one, at the shard's beginning.
_CURSOR = re.compile(r"([0-9]{1,4}):([0-9]{1,19})?", re.ASCII)

Order = Literal["asc", "desc"]


@router.get(
    "/events",
    response_class=Json,
    summary="List events",
    responses={200: gives(EventsShown, "Oldest first, or newest first; shard after shard.")},
)
async def list_events(
    request: Request,
    wanted: AskedEvents,
    limit: Limit = 50,
    cursor: Annotated[
        str, Query(max_length=32, description="`next_cursor` of the page before.")
    ] = "",
    order: Annotated[Order, Query(description="Oldest or newest first.")] = "asc",
) -> Response:
    """List the events that the caller's tenant may see, a page at a time."""
    context, tenant = context_of(request), caller_of(request).tenant
    shards = wanted.shards(context.backend.shards)
    at, after = _place(cursor, shards)
    found: list[EventView] = []
    for shard in shards[shards.index(at) :]:
        if len(found) == limit:
            return Json(_page(found, f"{shard}:"))
        query = ListEvents(
            tenant=tenant,
            user=wanted.user,
            kind=wanted.kind,
            producer=wanted.producer,
            correlation=wanted.correlation,
            since=wanted.since,
            until=wanted.until,
            after=after,
            limit=limit - len(found),
            newest_first=order == "desc",
        )
        page: EventPage = await ask_past(context, shard, query)
        found += page.events
        if page.next_after is not None:
            return Json(_page(found, f"{shard}:{page.next_after}"))
        after = None
    return Json(_page(found, ""))


def _page(found: list[EventView], next_cursor: str) -> EventsShown:
    return EventsShown(items=tuple(map(EventShown.of, found)), next_cursor=next_cursor)


def _place(cursor: str, shards: tuple[int, ...]) -> tuple[int, int | None]:
    if not cursor:
        return shards[0], None
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) not in shards:
        raise invalid("query.cursor", f"{cursor!r} is not one of this list; start without it")
    return int(found[1]), None if found[2] is None else int(found[2])


# Before the single event, or "stream" would be taken for the id of one.
@router.get(
    "/events/stream",
    response_class=EventSourceResponse,
    summary="Follow events as they come",
    responses={
        200: {
            "description": (
                "Server-sent events: `event` is the type, `data` the event as JSON, `id` the place "
                "in the stream. It ends after an hour by default; `event: error` says why it broke "
                "off. Come back with the last `id`."
            ),
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(
    request: Request,
    wanted: AskedEvents,
    after: Annotated[
        str,
        Query(
            max_length=4096,
            description="Begin behind this `id` (or position). Left out: with what comes from now.",
            examples=["0-120"],
        ),
    ] = "",
    last_event_id: Annotated[
        str,
        Header(alias="Last-Event-ID", max_length=4096, description="The same, and comes first."),
    ] = "",
) -> Response:
    """Follow the events that the caller's tenant may see: first those behind `after`, then live.

    Whoever comes back with the last `id` misses nothing and gets nothing twice.
    """
    context, tenant = context_of(request), caller_of(request).tenant
    shards = wanted.shards(context.backend.shards)
    text, where = (
        (last_event_id, "header.Last-Event-ID") if last_event_id else (after, "query.after")
    )
    places = await places_named(context.backend, shards, text, where)
    async with AsyncExitStack() as stack:
        stack.enter_context(context.event_streams.place())
        tail = await stack.enter_async_context(tailing(context.backend, places))
        told = _told(tail, wanted, tenant, context.settings.event_stream_s_max)
        return _EventStream(told, tail, stack.pop_all())


class _EventStream(EventSourceResponse):
    """Streams events, and stops following the log whatever becomes of the client."""

    def __init__(
        self, told: AsyncIterator[ServerSentEvent], tail: Tail, following: AsyncExitStack
    ) -> None:
        super().__init__(
            told,
            sep="\n",
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: _here(tail),
            send_timeout=SEND_TIMEOUT_S,
        )
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        async with self._following:
            await super().__call__(scope, receive, send)


def _shown(event: Event) -> str:
    return msgspec.json.encode(EventShown.of(view_of(event))).decode()


async def _told(
    tail: Tail, wanted: EventFilter, tenant: str, timeout_s: float
) -> AsyncIterator[ServerSentEvent]:
    yield _here(tail, retry=RETRY_MS)
    try:
        async with aclosing(tail.events(timeout_s)) as events:
            async for event in events:
                if wanted.lets_through(event, tenant):
                    # On another thread: secrets are looked for in what may be a long text.
                    shown = await asyncio.to_thread(_shown, event)
                    kind = event.envelope.type
                    yield ServerSentEvent(shown, event=kind, id=tail.id, sep="\n")
    except MirixError as error:
        # The status has been sent: the problem is told inside the stream.
        yield _broken(slug(type(error)), error.message)
    except Exception:
        # The status has been sent here, too: the client hears that it failed, the log hears why.
        log.exception("event_stream_failed", reached=tail.passed)
        yield _broken("urn:mirix:problem:internal-error", "Internal error")


def _here(tail: Tail, *, retry: int | None = None) -> ServerSentEvent:
    """Return a line without an event: it keeps the connection open and the client's place new."""
    return ServerSentEvent(comment="here", id=tail.passed, retry=retry, sep="\n")


def _broken(kind: str, text: str) -> ServerSentEvent:
    told = msgspec.json.encode({"type": kind, "text": text}).decode()
    return ServerSentEvent(told, event="error", sep="\n")


@router.get(
    "/events/{event_id}",
    response_class=Json,
    summary="Show an event",
    responses={200: gives(EventShown, "The event."), **MISSING},
)
async def show_event(request: Request, event_id: str) -> Response:
    """Show one event, in whichever shard it is."""
    context = context_of(request)
    query = GetEvent(tenant=caller_of(request).tenant, event_id=event_id)
    for shard in range(context.backend.shards):
        try:
            view: EventView = await ask_past(context, shard, query)
        except NotFound:
            continue
        return Json(EventShown.of(view))
    raise NotFound(f"there is no event {event_id[:100]!r}")


@router.get(
    "/correlations/{correlation_id}",
    response_class=Json,
    summary="Show what came of a request",
    responses={200: gives(CorrelationShown, "The first causes, with what followed."), **MISSING},
)
async def show_correlation(request: Request, correlation_id: str) -> Response:
    """Show all events of one request as trees; its `X-Request-ID` will do as the id."""
    named = correlation_named(request, correlation_id)
    context = context_of(request)
    nodes = await _all_nodes(context, caller_of(request).tenant, named)
    if not nodes:
        raise NotFound(f"nothing came of {correlation_id[:100]!r}, as far as this key may see")
    return Json(CorrelationShown.of(named, nodes))


async def _all_nodes(context: GatewayContext, tenant: str, correlation: str) -> list[EventNode]:
    nodes: list[EventNode] = []
    for shard in range(context.backend.shards):
        query = GetCorrelation(tenant=tenant, correlation_id=correlation)
        try:
            nodes += await ask_past(context, shard, query)
        except NotFound:
            continue
    return nodes
