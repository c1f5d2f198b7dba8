"""An event for people to read: plain JSON values, never a secret.

Bytes (vectors, sealed secrets, the secret inside a client's request) are shown by their length, and
of a text of any length only the beginning: what is shown is bounded, and so is the work for it.
Secrets in what people wrote are blotted out as the retrieval index does it. Where they stand is
said by the event itself for a message; a memory that was drawn from it may name one more
(`MemoryRecorded.secret_span`), which whoever has that event at hand passes on as `hidden`. All
other texts are shown to the rules that find secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from actors.extraction import find_secrets
from actors.past.queries import EventView
from events.catalogue import MemoryRecorded, MessageReceived
from events.envelope import Event
from projections.retrieval.passage import blotted

Spans = tuple[tuple[int, int], ...]

#: Of a text, so many characters are shown.
TEXT_CHARS_MAX = 20_000
#: A secret that begins in what is shown is looked for this far behind its end.
_BEHIND_CHARS = 1_000


def view_of(event: Event, *, hidden: Spans = ()) -> EventView:
    """Return an event for people to read.

    `hidden` are the places of secrets in a message that the message itself does not name.
    """
    envelope = event.envelope
    return EventView(
        event_id=envelope.event_id,
        type=envelope.type,
        version=envelope.version,
        shard=envelope.shard,
        position=event.position,
        tenant=envelope.tenant,
        user=envelope.user,
        entity=envelope.entity,
        recorded_at=envelope.recorded_at,
        causation_id=envelope.causation_id,
        correlation_id=envelope.correlation_id,
        producer=envelope.producer,
        payload=plain_payload(event, hidden=hidden),
    )


def plain_payload(event: Event, *, hidden: Spans = ()) -> dict[str, Any]:
    """Return an event's payload as plain JSON values, without secrets."""
    payload = event.payload
    if isinstance(payload, MessageReceived):
        content = blotted(payload.content, (*payload.secret_spans, *hidden))
        payload = msgspec.structs.replace(payload, content=content)
    shown: dict[str, Any] = _readable(msgspec.to_builtins(payload, builtin_types=(bytes,)))
    return shown


def found_secrets(message: MessageReceived, reactions: Iterable[Event]) -> Spans:
    """Return the places of secrets that memories drawn from a message name in it."""
    return tuple(
        event.payload.secret_span
        for event in reactions
        if isinstance(event.payload, MemoryRecorded)
        and message.message_id in event.payload.memory.provenance.message_ids[:1]
    )


def _readable(value: Any) -> Any:
    match value:
        case bytes():
            return f"<{len(value)} bytes>"
        case str():
            return _without_secrets(value)
        case dict():
            return {key: _readable(item) for key, item in value.items()}
        case list() | tuple():
            return [_readable(item) for item in value]
        case _:
            return value


def _without_secrets(text: str) -> str:
    """Return the beginning of a text without its secrets; ids and codes, one word each, stay."""
    if not any(map(str.isspace, text[:TEXT_CHARS_MAX])) and text.isascii():
        return text[:TEXT_CHARS_MAX]
    looked_at = text[: TEXT_CHARS_MAX + _BEHIND_CHARS]
    shown = blotted(looked_at, find_secrets(looked_at))[:TEXT_CHARS_MAX]
    more = len(text) - len(shown)
    return f"{shown}… ({more} characters more)" if more > 0 else shown
