"""Which events are wanted: the filters of the list and of the stream, read in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from actors.names import AGENTS
from events.catalogue import CATALOGUE
from events.envelope import Event
from events.hints import hint
from events.memory import Value
from projections.log_index import sees
from serve.context import PRODUCER, context_of
from serve.edge import MOMENT_CHARS_MAX, moment, person_asked
from serve.identity import Person
from serve.problems import Invalid, invalid

#: Who appends: the agents, the gateway, and what runs beside them.
PRODUCERS = (*AGENTS, PRODUCER, "bootstrap", "job")
#: An id of a chain of events, as envelopes carry it; anything else is a client's request id.
_OURS = re.compile(r"[a-z]{2,12}_[a-z2-7]{26}", re.ASCII)
_TIME = "ISO 8601, without a zone UTC."


class EventFilter(Value, frozen=True, kw_only=True):
    """What events must be; an empty filter lets everything through. `person` is whose."""

    person: Person | None = None
    kind: str = ""
    producer: str = ""
    correlation: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def user(self) -> str:
        """The opaque id of the person, or nothing."""
        return "" if self.person is None else self.person.id

    def shards(self, count: int) -> tuple[int, ...]:
        """Return the shards, of `count`, in which there may be such events."""
        return tuple(range(count)) if self.person is None else (self.person.shard,)

    def lets_through(self, event: Event, tenant: str) -> bool:
        """Say whether an event is wanted, and `tenant` may see it."""
        envelope = event.envelope
        return (
            sees(tenant, envelope.tenant)
            and self.user in ("", envelope.user)
            and self.kind in ("", envelope.type)
            and self.producer in ("", envelope.producer)
            and self.correlation in ("", envelope.correlation_id)
            and (self.since is None or self.since <= envelope.recorded_at)
            and (self.until is None or envelope.recorded_at <= self.until)
        )


def correlation_named(request: Request, name: str) -> str:
    """Return the correlation id that a client names: as events show it, or its `X-Request-ID`."""
    if not name or _OURS.fullmatch(name):
        return name
    return context_of(request).identities.correlation(name)


async def _filter(
    request: Request,
    type_: Annotated[
        str,
        Query(
            alias="type",
            max_length=64,
            description="Only events of this type.",
            examples=["MemoryRecorded"],
        ),
    ] = "",
    user_id: Annotated[
        str | None, Query(description="Only what is about this user.", examples=["alice"])
    ] = None,
    agent: Annotated[
        str,
        Query(
            max_length=64,
            description=f"Only what this one appended: {', '.join(PRODUCERS)}.",
            examples=["core_memory"],
        ),
    ] = "",
    correlation_id: Annotated[
        str,
        Query(max_length=128, description="Only what came of one request (or its X-Request-ID)."),
    ] = "",
    since: Annotated[
        str | None,
        Query(max_length=MOMENT_CHARS_MAX, description=f"Recorded since. {_TIME}"),
    ] = None,
    until: Annotated[
        str | None, Query(max_length=MOMENT_CHARS_MAX, description=f"Recorded until. {_TIME}")
    ] = None,
) -> EventFilter:
    if type_ and type_ not in CATALOGUE:
        raise _unknown("query.type", type_, CATALOGUE)
    if agent and agent not in PRODUCERS:
        raise _unknown("query.agent", agent, PRODUCERS)
    first = None if since is None else moment(since, "query.since")
    last = None if until is None else moment(until, "query.until")
    if first is not None and last is not None and first > last:
        raise invalid("query.since", "is after until")
    return EventFilter(
        person=None if user_id is None else person_asked(request, user_id),
        kind=type_,
        producer=agent,
        correlation=correlation_named(request, correlation_id),
        since=first,
        until=last,
    )


def _unknown(where: str, name: str, known: Iterable[str]) -> Invalid:
    """Return the error for a name that is none of the known, with the nearest of them."""
    return invalid(where, f"{name!r} is not known; {hint(name, known)}")


#: The filters that the query gives.
AskedEvents = Annotated[EventFilter, Depends(_filter)]
