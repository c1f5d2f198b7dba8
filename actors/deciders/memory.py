"""The owner of a tier: extracts from what was said, reconciles, and carries out clients' changes.

The owner is the only writer of its tier. A client's edit is a request in the log, and the owner
answers it in its turn: so edits and conclusions have one order, and neither overwrites the other.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.deciders.base import Holder
from actors.deciders.settings import DeciderSettings
from actors.effects import Append, Effect, Keep, Revise
from actors.extraction.extractor import Extractor, RuleExtractor
from actors.extraction.finding import Finding, Utterance
from actors.extraction.language import language_of
from actors.names import OWNER_OF, Agent
from actors.reconcile import Source, reconcile
from events.catalogue import (
    DocumentReceived,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryForgotten,
    MessageReceived,
)
from events.envelope import Event
from events.memory import (
    Content,
    MemoryDraft,
    Provenance,
    Tier,
    VaultContent,
)
from projections.tiers import Shelf, TierProjection, evolve

#: Keyed hash of a user's secret: (user, secret) -> hex.
UserFingerprint = Callable[[str, str], str]


class MemoryDecider(Holder[TierProjection]):
    """Decides for one tier."""

    causes = frozenset(
        kind.__name__ for kind in (MessageReceived, DocumentReceived, MemoryChangeRequested)
    )

    def __init__(
        self,
        tier: Tier,
        fingerprint: UserFingerprint,
        extractor: Extractor | None = None,
        settings: DeciderSettings | None = None,
    ) -> None:
        self.tier: Tier = tier
        self.agent: Agent = OWNER_OF[tier]
        self.projection = TierProjection(tier)
        self.settings = settings or DeciderSettings()
        self._extractor = extractor or RuleExtractor()
        self._fingerprint = fingerprint
        self._ahead: dict[str, Shelf] = {}

    def decide(self, event: Event) -> list[Effect]:
        """Return what to keep, revise, supersede, forget or reject because of `event`."""
        match event.payload:
            case MessageReceived(role="user") as said:
                return self._from_message(event, said)
            case DocumentReceived() as document:
                return self._from_document(event, document)
            case MemoryChangeRequested() as request if request.tier == self.tier:
                return change(self.shelf(event.user), event, request)
            case _:
                return []

    def conclude(self, event: Event) -> None:
        """Fold an own conclusion into a layer over the user's shelf."""
        if event.user not in self._ahead:
            self._ahead[event.user] = self.projection.shelf(event.user).layered()
        evolve(self._ahead[event.user], event)

    def settle(self) -> None:
        """Drop the layers."""
        self._ahead = {}

    def shelf(self, user: str) -> Shelf:
        """Return the user's memories, own conclusions included."""
        return self._ahead.get(user) or self.projection.shelf(user)

    def _from_message(self, event: Event, said: MessageReceived) -> list[Effect]:
        utterance = Utterance(
            text=said.content, said_at=said.said_at, speaker=said.name or "user", role=said.role
        )
        provenance = Provenance(
            message_ids=(said.message_id,),
            external_ids=(said.external_id,) if said.external_id else (),
            extractor=self._extractor.name,
        )
        findings = self._extractor.from_message(self.tier, utterance)
        return self._reconciled(event, said.content, provenance, said.tags, findings)

    def _from_document(self, event: Event, document: DocumentReceived) -> list[Effect]:
        findings = self._extractor.from_document(
            self.tier, document.title, document.text, document.said_at, document.uri
        )
        provenance = Provenance(document_id=document.document_id, extractor=self._extractor.name)
        return self._reconciled(event, document.text, provenance, document.tags, findings)

    def _reconciled(
        self,
        event: Event,
        text: str,
        provenance: Provenance,
        tags: tuple[str, ...],
        findings: tuple[Finding, ...],
    ) -> list[Effect]:
        wanted = tuple(
            finding for finding in findings if finding.importance >= self.settings.importance_min
        )[: self.settings.findings_max]
        if not wanted:
            return []
        source = Source(provenance=provenance, language=language_of(text), tags=tags)
        return reconcile(
            self.agent,
            event,
            source,
            wanted,
            self.shelf(event.user),
            fingerprint=lambda secret: self._fingerprint(event.user, secret),
        )


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
        case "revise" if held is not None and request.expected_revision not in (0, held.revision):
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
