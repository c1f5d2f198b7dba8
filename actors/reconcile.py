"""New findings against what a tier already holds: keep, ignore, or supersede.

A tier never overwrites silently. What says the same again is ignored; what says otherwise about the
same matter (the same key), or corrects words of an earlier memory, supersedes it: the old one
stays, with the time at which it stopped holding. Pure: one user's shelf and findings in, effects
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from actors.effects import Append, Effect, Keep, memory_id
from actors.extraction.finding import Finding
from events.catalogue import (
    DocumentReceived,
    MemoryRecorded,
    MemorySuperseded,
    MessageReceived,
)
from events.envelope import Event
from events.ids import derived_id
from events.memory import (
    Content,
    MemoryDraft,
    Provenance,
    Value,
    VaultContent,
    readable_text,
    tier_of,
)
from projections.tiers import Memory, Shelf, evolve

#: A corrected fact is looked for among this many of the latest memories.
CORRECTION_DEPTH_MAX = 2000


class Source(Value, frozen=True, kw_only=True):
    """What findings were drawn from: provenance, language and when it was said."""

    provenance: Provenance
    language: str
    tags: tuple[str, ...] = ()


Fingerprint = Callable[[str], str]


def reconcile(
    agent: str,
    cause: Event,
    source: Source,
    findings: Iterable[Finding],
    shelf: Shelf,
    *,
    fingerprint: Fingerprint | None = None,
) -> list[Effect]:
    """Return the effects of findings on a shelf, in order; `shelf` is not changed.

    Each finding meets what the ones before it have changed. `fingerprint` gives the keyed hash by
    which the vault knows a secret unopened.
    """
    effects: list[Effect] = []
    ahead = shelf.layered()
    for ordinal, finding in enumerate(findings):
        draft = MemoryDraft(
            id=memory_id(agent, cause, ordinal),
            content=_with_fingerprint(finding, fingerprint),
            key=finding.key or _text_key(finding),
            tags=source.tags,
            importance=finding.importance,
            language=source.language,
            provenance=source.provenance,
            valid_from=said_at(cause),
        )
        same = ahead.about(draft.key)
        if draft.id in ahead.memories or (same is not None and _says_the_same(same, draft)):
            continue
        ended = [] if same is None else [same]
        ended += [old for old in _corrected(ahead, finding, fingerprint) if old is not same]
        supersessions = [_superseded(old, draft.id, finding, cause) for old in ended]
        effects.append(Keep(draft=draft, secret=finding.secret, secret_span=finding.secret_span))
        effects += [Append(payload=payload) for payload in supersessions]
        for payload in (MemoryRecorded(memory=draft), *supersessions):
            evolve(ahead, msgspec.structs.replace(cause, payload=payload))
    return effects


def _with_fingerprint(finding: Finding, fingerprint: Fingerprint | None) -> Content:
    content = finding.content
    if isinstance(content, VaultContent) and finding.secret and fingerprint is not None:
        return msgspec.structs.replace(content, secret_fingerprint=fingerprint(finding.secret))
    return content


def _says_the_same(old: Memory, new: MemoryDraft) -> bool:
    if isinstance(old.content, VaultContent) and isinstance(new.content, VaultContent):
        known, told = old.content.secret_fingerprint, new.content.secret_fingerprint
        if known or told:
            return known == told
    return _folded(readable_text(old.content)) == _folded(readable_text(new.content))


def _text_key(finding: Finding) -> str:
    """A memory without a matter of its own is about its words."""
    text = _folded(readable_text(finding.content))
    return "" if finding.secret else derived_id("text", text)


def _corrected(shelf: Shelf, finding: Finding, fingerprint: Fingerprint | None) -> list[Memory]:
    """Return, for each corrected word (or secret), the latest active memory that holds it."""
    if not finding.replaces:
        return []
    latest = list(shelf.active())[-CORRECTION_DEPTH_MAX:][::-1]
    found: list[Memory] = []
    for words in finding.replaces:
        wanted = _folded(words)
        sealed_as = fingerprint(words) if fingerprint and finding.secret else None
        old = next((one for one in latest if _holds(one, wanted, sealed_as)), None)
        if old is not None and old not in found:
            found.append(old)
    return found


def _holds(memory: Memory, words: str, secret_fingerprint: str | None) -> bool:
    if isinstance(memory.content, VaultContent) and secret_fingerprint is not None:
        return memory.content.secret_fingerprint == secret_fingerprint
    return words in _folded(readable_text(memory.content))


def _superseded(old: Memory, new_id: str, finding: Finding, cause: Event) -> MemorySuperseded:
    return MemorySuperseded(
        tier=tier_of(finding.content),
        memory_id=old.id,
        superseded_by=new_id,
        valid_to=said_at(cause),
        reason="corrected" if finding.replaces else "newer on the same matter",
    )


def said_at(cause: Event) -> datetime:
    """Return when the words of a cause were said; when it was recorded, if it tells no time."""
    match cause.payload:
        case MessageReceived(said_at=moment) | DocumentReceived(said_at=moment):
            return moment
        case _:
            return cause.envelope.recorded_at


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
