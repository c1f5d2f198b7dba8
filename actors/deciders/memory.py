"""The owner of a tier: extracts from what was said, reconciles, and carries out clients' changes.

The owner is the only writer of its tier. A client's edit is a request in the log, and the owner
answers it in its turn: so edits and conclusions have one order, and neither overwrites the other.
What extracts are the rules, at once, or a language model: then a cause is answered with a
`Generate` first, and what follows from it is decided in `resume`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors.consolidation import answering as consolidation
from actors.deciders.base import Holder
from actors.deciders.changes import change
from actors.deciders.settings import DeciderSettings
from actors.effects import Effect, Generate
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import Extractor, RuleExtractor
from actors.extraction.finding import Proposal
from actors.extraction.material import Material, material_of
from actors.names import OWNER_OF, Agent
from actors.reconcile import Source, reconcile
from events.catalogue import (
    ConsolidationRequested,
    DocumentReceived,
    GenerationCompleted,
    GenerationFailed,
    MemoryChangeRequested,
    MessageReceived,
)
from events.envelope import Event
from events.memory import Tier
from projections.tiers import Shelf, TierProjection, evolve

#: Keyed hash of a user's secret: (user, secret) -> hex.
UserFingerprint = Callable[[str, str], str]


class MemoryDecider(Holder[TierProjection]):
    """Decides for one tier."""

    causes = frozenset(
        kind.__name__
        for kind in (
            MessageReceived,
            DocumentReceived,
            MemoryChangeRequested,
            ConsolidationRequested,
        )
    )

    def __init__(
        self,
        tier: Tier,
        fingerprint: UserFingerprint,
        extractor: Extractor | ModelExtractor | None = None,
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
            case MemoryChangeRequested() as request if request.tier == self.tier:
                return change(self.shelf(event.user), event, request)
            case ConsolidationRequested() as request if self.tier in request.tiers:
                asks = isinstance(self._extractor, ModelExtractor)
                return consolidation.begin(self.tier, self.shelf(event.user), request, asks=asks)
            case _:
                material = material_of(event)
                return [] if material is None else self._read(event, material)

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        """Return what a model's words come to, or what to ask it next."""
        if isinstance(event.payload, ConsolidationRequested):
            shelf = self.shelf(event.user)
            return consolidation.go_on(self.tier, shelf, event.payload, asked, told)
        material = material_of(event)
        if material is None or not isinstance(self._extractor, ModelExtractor):
            return super().resume(event, asked, told)
        shelf = self.shelf(event.user)
        following = self._extractor.following(self.tier, material, shelf, asked, told)
        return self._following(event, material, following)

    def conclude(self, event: Event) -> None:
        """Fold an own conclusion into a layer over the user's shelf."""
        if event.user not in self._ahead:
            self._ahead[event.user] = self.projection.shelf(event.user).layered()
        evolve(self._ahead[event.user], event)

    def settle(self, user: str) -> None:
        """Drop the layer over a user's shelf."""
        self._ahead.pop(user, None)

    def shelf(self, user: str) -> Shelf:
        """Return the user's memories, own conclusions included."""
        return self._ahead.get(user) or self.projection.shelf(user)

    def _read(self, event: Event, material: Material) -> list[Effect]:
        extractor = self._extractor
        if isinstance(extractor, ModelExtractor):
            following = extractor.first(self.tier, material, self.shelf(event.user))
            return self._following(event, material, following)
        findings = (
            extractor.from_document(
                self.tier, material.title, material.text, material.said_at, material.uri
            )
            if material.document
            else extractor.from_message(self.tier, material.utterance)
        )
        found = (Proposal(finding=finding, extractor=extractor.name) for finding in findings)
        return self._reconciled(event, material, found)

    def _following(
        self, event: Event, material: Material, following: Generate | Iterable[Proposal]
    ) -> list[Effect]:
        if isinstance(following, Generate):
            return [following]
        return self._reconciled(event, material, following)

    def _reconciled(
        self, event: Event, material: Material, found: Iterable[Proposal]
    ) -> list[Effect]:
        wanted = [one for one in found if one.finding.importance >= self.settings.importance_min]
        if not wanted:
            return []
        return reconcile(
            self.agent,
            event,
            Source(provenance=material.provenance, language=material.language, tags=material.tags),
            wanted[: self.settings.findings_max],
            self.shelf(event.user),
            fingerprint=lambda secret: self._fingerprint(event.user, secret),
        )
