"""The clear part of every event, and the event as the rest of the system sees it.

An envelope holds no personal data: ids are opaque, and what a person said is in the sealed payload.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from events.catalogue import Payload

#: The user field of events that belong to no person (access, agents' bookkeeping).
NOBODY = "system"


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who, what, when and why of one event; written in this order, new fields go at the end.

    `causation_id` is the event that this one is a reaction to, `correlation_id` the event that
    started the whole chain. `sealed` says that the payload is encrypted with the user's data key.
    """

    event_id: str
    type: str
    version: int
    shard: int
    tenant: str
    user: str
    entity: str
    recorded_at: datetime
    causation_id: str
    correlation_id: str
    producer: str
    sealed: bool


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the log; the journal fills in shard and time."""

    event_id: str
    payload: Payload
    tenant: str
    user: str = NOBODY
    entity: str = ""
    causation_id: str = ""
    correlation_id: str = ""
    producer: str


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact in the log: its envelope, its decoded payload and its position in the shard."""

    envelope: Envelope
    payload: Payload
    position: int

    @property
    def id(self) -> str:
        """The event's id."""
        return self.envelope.event_id

    @property
    def user(self) -> str:
        """The opaque id of the person it is about."""
        return self.envelope.user
