"""Events for tests: given what matters, the rest is plain."""

from __future__ import annotations

from datetime import UTC, datetime

from events.catalogue import MemoryRecorded, MessageReceived, Payload
from events.envelope import Envelope, Event, NewEvent
from events.memory import Content, MemoryDraft

NOON = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)


def event_of(
    payload: Payload, *, position: int = 1, user: str = "usr_ann", id: str = "", tenant: str = "org"
) -> Event:
    """Return the payload as an event at a position."""
    envelope = Envelope(
        event_id=id or f"evt_{position}",
        type=type(payload).__name__,
        version=payload.version,
        shard=0,
        tenant=tenant,
        user=user,
        entity="",
        recorded_at=NOON,
        causation_id="",
        correlation_id=f"cor_{position}",
        producer="test",
        sealed=payload.personal,
    )
    return Event(envelope=envelope, payload=payload, position=position)


def said(content: str, *, id: str = "msg_1", answer_wanted: bool = False) -> MessageReceived:
    """Return a message of the user."""
    return MessageReceived(
        message_id=id,
        conversation="cnv_1",
        content=content,
        said_at=NOON,
        external_id=f"ext_{id}",
        answer_wanted=answer_wanted,
    )


def new_message(content: str, number: int, *, user: str = "usr_ann", **kind: bool) -> NewEvent:
    """Return a message of the user, ready to be appended."""
    payload = said(content, id=f"msg_{number}", **kind)
    return NewEvent(
        event_id=f"evt_{user}_{number}",
        payload=payload,
        tenant="org",
        user=user,
        correlation_id=f"cor_{number}",
        producer="test",
    )


def recorded(content: Content, *, id: str = "mem_1", key: str = "") -> MemoryRecorded:
    """Return a memory that was recorded."""
    return MemoryRecorded(memory=MemoryDraft(id=id, content=content, key=key))
