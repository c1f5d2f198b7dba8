"""A client's change of one memory: made, or rejected with the reason.

The owner of the tier carries it out in its turn (`actors.deciders.memory`). Pure: a shelf and a
request in, effects out.
"""

from __future__ import annotations

from actors.effects import Append, Effect, Keep, Revise
from events.catalogue import (
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryForgotten,
    MemoryRestored,
)
from events.envelope import Event
from events.memory import Content, MemoryDraft, Provenance, VaultContent
from projections.tiers import Shelf


def change(shelf: Shelf, event: Event, request: MemoryChangeRequested) -> list[Effect]:
    """Return the effects of a client's request on a user's shelf."""
    held = shelf.memories.get(request.memory_id)
    content = request.content
    match request.change:
        case "record" if held is None and content is not None:
            content, secret = _without_secret(content)
            draft = MemoryDraft(
                id=request.memory_id,
                content=content,
                tags=request.tags or (),
                provenance=Provenance(extractor="client"),
            )
            return [Keep(draft=draft, secret=secret)]
        case "revise" | "restore" if held is not None and request.expected_revision not in (
            0,
            held.revision,
        ):
            return [_rejection(event, request, f"the memory is at revision {held.revision}")]
        case "revise" if held is not None and content is not None:
            content, secret = _without_secret(content)
            return [
                Revise(
                    tier=request.tier,
                    memory_id=held.id,
                    content=_with_old_secret(content, held.content),
                    tags=request.tags,
                    secret=secret,
                    reason=request.reason,
                )
            ]
        case "forget" if held is not None:
            forgotten = MemoryForgotten(tier=request.tier, memory_id=held.id, reason=request.reason)
            return [Append(payload=forgotten)]
        case "restore" if held is not None and held.status != "active":
            restored = MemoryRestored(tier=request.tier, memory_id=held.id, reason=request.reason)
            return [Append(payload=restored)]
        case "restore" if held is None:
            why = "it is not there; what was forgotten for good is only in the log"
            return [_rejection(event, request, why)]
        case "restore":
            return [_rejection(event, request, "the memory holds")]
        case _:
            state = "there already" if held else "not there"
            return [_rejection(event, request, f"the memory is {state}")]


def _rejection(event: Event, request: MemoryChangeRequested, why: str) -> Append:
    return Append(
        payload=MemoryChangeRejected(
            tier=request.tier,
            memory_id=request.memory_id,
            request_id=event.id,
            reason=f"cannot {request.change}: {why}",
        )
    )


def _without_secret(content: Content) -> tuple[Content, str]:
    """Part a vault entry as a client wrote it (inside a sealed payload) from its secret."""
    if not isinstance(content, VaultContent):
        return content, ""
    bare = VaultContent(
        entry_type=content.entry_type,
        source=content.source,
        sensitivity=content.sensitivity,
        caption=content.caption,
    )
    return bare, content.secret.decode()


def _with_old_secret(content: Content, old: Content) -> Content:
    if not (isinstance(content, VaultContent) and isinstance(old, VaultContent)):
        return content
    return VaultContent(
        entry_type=content.entry_type,
        source=content.source,
        sensitivity=content.sensitivity,
        caption=content.caption,
        secret=old.secret,
        secret_fingerprint=old.secret_fingerprint,
    )
