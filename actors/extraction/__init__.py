"""Rule-based extraction: from one message to the memories of six tiers, in English and Chinese.

Pure functions on plain values: no clock, model, network. `reading.py` reads a message once for all
tiers (language, moods, secrets, dates); each tier has its rules in the file of its name; `gates.py`
says what is nobody's memory; `documents.py` reads whole documents; `scoring.py` measures it all.
On the message path it stands inside the memory agents' `decide`, when no language model is there.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.extraction.core import find_core
from actors.extraction.documents import chunk, extract_document
from actors.extraction.episodic import find_events
from actors.extraction.finding import Finding, Utterance
from actors.extraction.procedural import find_procedures
from actors.extraction.reading import Reading
from actors.extraction.resource import find_resources
from actors.extraction.secrets import scan_secrets
from actors.extraction.semantic import find_facts
from actors.extraction.vault import find_vault
from events.memory import TIERS, Tier

RULES: dict[Tier, Callable[[Reading], tuple[Finding, ...]]] = {
    "core": find_core,
    "episodic": find_events,
    "semantic": find_facts,
    "procedural": find_procedures,
    "resource": find_resources,
    "knowledge_vault": find_vault,
}


def extract(utterance: Utterance) -> tuple[Finding, ...]:
    """Return what the rules of all tiers find in the utterance."""
    reading = Reading(utterance)
    return tuple(finding for tier in TIERS for finding in RULES[tier](reading))


def extract_tier(tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
    """Return what the rules of one tier find in the utterance."""
    return RULES[tier](Reading(utterance))


def find_secrets(text: str) -> tuple[tuple[int, int], ...]:
    """Return the character spans of secret values, to mask them in what is shown."""
    return tuple((secret.start, secret.end) for secret in scan_secrets(text))


__all__ = [
    "Finding",
    "Utterance",
    "chunk",
    "extract",
    "extract_document",
    "extract_tier",
    "find_secrets",
]
