"""The port of extraction: what a decider asks for findings, and the rules behind it.

An extractor is a pure function of what was said. Its name goes into the provenance of each memory,
so that it can be told later what produced it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from actors.deciders.settings import ExtractorName
from actors.extraction import extract_document, extract_tier
from actors.extraction.finding import Finding, Utterance
from events.memory import Tier, tier_of


class Extractor(Protocol):
    """Draws findings for one tier from a message or a document. Pure: no clock, model, network."""

    @property
    def name(self) -> str:
        """What `Provenance.extractor` says."""
        ...

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        """Return what a message holds for a tier."""
        ...

    def from_document(
        self, tier: Tier, title: str, text: str, said_at: datetime, uri: str
    ) -> tuple[Finding, ...]:
        """Return what a document holds for a tier."""
        ...


class RuleExtractor:
    """The rules of this package, in English and Chinese."""

    name = "rules"

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        """Return what the rules of a tier find in a message."""
        return extract_tier(tier, utterance)

    def from_document(
        self, tier: Tier, title: str, text: str, said_at: datetime, uri: str
    ) -> tuple[Finding, ...]:
        """Return what the rules find in a document for a tier."""
        found = extract_document(title, text, said_at, uri)
        return tuple(finding for finding in found if tier_of(finding.content) == tier)


class NoExtractor:
    """Finds nothing: what is left is what clients wrote by hand."""

    name = "none"

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        """Return nothing."""
        return ()

    def from_document(
        self, tier: Tier, title: str, text: str, said_at: datetime, uri: str
    ) -> tuple[Finding, ...]:
        """Return nothing."""
        return ()


EXTRACTORS: dict[ExtractorName, type[Extractor]] = {"rules": RuleExtractor, "none": NoExtractor}
