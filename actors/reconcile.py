"""New findings against what a tier already holds: keep, ignore, revise, supersede or merge.

A tier never overwrites silently. What says the same again is ignored; what says otherwise about the
same matter (the same key), or corrects words of an earlier memory, supersedes it: the old one
stays, with the time at which it stopped holding. Who saw the memories may propose more: to revise
one (the same matter, told more exactly; the event says why), to supersede some of any key, to merge
several that say the same. A proposal about memories that no longer hold is as good as a finding
without. Pure: one user's shelf and findings in, effects out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from actors.effects import Append, Effect, Keep, Revise, memory_id
from actors.extraction.finding import Finding, Proposal
from events.catalogue import (
    DocumentReceived,
    MemoryMerged,
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from events.ids import derived_id
from events.memory import (
    Content,
    MemoryDraft,
    Provenance,
    ResourceContent,
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
    findings: Iterable[Finding | Proposal],
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
    for ordinal, one in enumerate(findings):
        proposal = one if isinstance(one, Proposal) else Proposal(finding=one)
        draft = _draft(proposal, memory_id(agent, cause, ordinal), source, cause, fingerprint)
        if draft.id in ahead.memories:
            continue
        following = _met(ahead, proposal, draft, cause, fingerprint)
        for effect in following:
            _fold(ahead, effect, cause)
        effects += following
    return effects


def _draft(
    proposal: Proposal, id_: str, source: Source, cause: Event, fingerprint: Fingerprint | None
) -> MemoryDraft:
    finding, provenance = proposal.finding, source.provenance
    if proposal.extractor:
        provenance = msgspec.structs.replace(provenance, extractor=proposal.extractor)
    return MemoryDraft(
        id=id_,
        content=_with_fingerprint(finding, fingerprint),
        key=finding.key or _text_key(finding),
        tags=source.tags,
        importance=finding.importance,
        language=source.language,
        provenance=provenance,
        valid_from=proposal.since or said_at(cause),
    )


def _met(
    shelf: Shelf,
    proposal: Proposal,
    draft: MemoryDraft,
    cause: Event,
    fingerprint: Fingerprint | None,
) -> list[Effect]:
    """Return what follows from one proposal on a shelf."""
    about = _holding(shelf, proposal.about)
    if isinstance(draft.content, VaultContent):
        if proposal.action == "merge":
            about = _of_one_secret(about, draft.content)
        elif proposal.action == "revise" and about and _is_other_secret(about[0], draft.content):
            # Another secret is another entry: a revision would lose the old one.
            return _ending(shelf, about, proposal, draft, cause, fingerprint)
    match proposal.action:
        case "revise" if about:
            return _revised(about[0], draft, proposal)
        case "merge" if about:
            return _merged(shelf, about, draft, proposal, cause)
        case _:
            return _ending(shelf, about, proposal, draft, cause, fingerprint)


def _holding(shelf: Shelf, ids: Iterable[str]) -> list[Memory]:
    """Return the memories of some ids that hold; others have ended, or gone, meanwhile."""
    found = (shelf.memories.get(id_) for id_ in ids)
    return [memory for memory in found if memory is not None and memory.status == "active"]


def _ending(
    shelf: Shelf,
    about: list[Memory],
    proposal: Proposal,
    draft: MemoryDraft,
    cause: Event,
    fingerprint: Fingerprint | None,
) -> list[Effect]:
    """Keep the draft, and end what it was said to end, what has its key, what it corrects."""
    finding = proposal.finding
    same = shelf.about(draft.key)
    ended = about if same is None or same in about else [*about, same]
    known = next((old for old in ended if _says_the_same(old, draft)), None)
    if known is not None:
        return [_superseded(old, known.id, proposal, cause) for old in about if old is not known]
    if isinstance(draft.content, VaultContent) and proposal.action != "add" and not finding.secret:
        # What was to be said of an entry that is gone has no secret of its own to keep.
        return []
    corrected = [old for old in _corrected(shelf, finding, fingerprint) if old not in ended]
    return [
        _kept(draft, finding),
        *(_superseded(old, draft.id, proposal, cause) for old in [*ended, *corrected]),
    ]


def _revised(old: Memory, draft: MemoryDraft, proposal: Proposal) -> list[Effect]:
    """Give a memory its new words; nothing when they are the old ones."""
    content = _with_old_parts(draft.content, old.content)
    if content == old.content:
        return []
    reason = proposal.reason or "told more exactly"
    tier = tier_of(content)
    return [Revise(tier=tier, memory_id=old.id, content=content, reason=reason)]


def _merged(
    shelf: Shelf, about: list[Memory], draft: MemoryDraft, proposal: Proposal, cause: Event
) -> list[Effect]:
    """Let one memory say what several said: one of them, if it says it already, else a new one."""
    into = next((old for old in about if _says_the_same(old, draft)), None)
    if isinstance(draft.content, VaultContent):
        # A sealed secret belongs to its entry, so one of the entries stays.
        into = about[0]
    if into is not None:
        return [_merger(shelf, old, into.id, proposal) for old in about if old is not into]
    begun = [old.valid_from for old in about if old.valid_from is not None]
    new = msgspec.structs.replace(
        draft,
        content=_with_old_parts(draft.content, about[0].content),
        valid_from=min([*begun, draft.valid_from]) if draft.valid_from else None,
    )
    same = shelf.about(new.key)
    others = [] if same is None or same in about else [same]
    return [
        _kept(new, proposal.finding),
        *(_merger(shelf, old, new.id, proposal) for old in about),
        *(_superseded(old, new.id, proposal, cause) for old in others),
    ]


def _kept(draft: MemoryDraft, finding: Finding) -> Keep:
    return Keep(draft=draft, secret=finding.secret, secret_span=finding.secret_span)


def _merger(shelf: Shelf, old: Memory, into: str, proposal: Proposal) -> Append:
    return Append(
        payload=MemoryMerged(
            tier=tier_of(old.content),
            memory_id=old.id,
            into=into,
            reason=proposal.reason or "says the same",
            provenance=shelf.sources(old),
        )
    )


def _fold(shelf: Shelf, effect: Effect, cause: Event) -> None:
    """Let a shelf know of an effect, as it will when it comes back through the log."""
    match effect:
        case Keep(draft=draft):
            payload: Payload = MemoryRecorded(memory=draft)
        case Revise(tier=tier, memory_id=id_, content=content):
            payload = MemoryRevised(tier=tier, memory_id=id_, content=content)
        case Append(payload=appended):
            payload = appended
        case _:
            raise TypeError(f"{type(effect).__name__} is nothing that reconciling gives")
    evolve(shelf, msgspec.structs.replace(cause, payload=payload))


def _of_one_secret(about: list[Memory], told: VaultContent) -> list[Memory]:
    """Return the vault entries that may become one: those of the same secret as the first."""
    wanted = told.secret_fingerprint or (_secret_of(about[0]) if about else "")
    return [old for old in about if _secret_of(old) == wanted]


def _is_other_secret(old: Memory, told: VaultContent) -> bool:
    return bool(told.secret_fingerprint) and told.secret_fingerprint != _secret_of(old)


def _secret_of(memory: Memory) -> str:
    return memory.content.secret_fingerprint if isinstance(memory.content, VaultContent) else ""


def _with_old_parts(new: Content, old: Content) -> Content:
    """Return new words with what only the old content has: a sealed secret, a document's text."""
    match new, old:
        case VaultContent(), VaultContent():
            return msgspec.structs.replace(
                new, secret=old.secret, secret_fingerprint=old.secret_fingerprint
            )
        case ResourceContent(), ResourceContent():
            return msgspec.structs.replace(
                new, chunks=new.chunks or old.chunks, uri=new.uri or old.uri
            )
        case _:
            return new


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


def _superseded(old: Memory, by: str, proposal: Proposal, cause: Event) -> Append:
    """End a memory when the other began to hold, but not before it began itself."""
    ended = proposal.since or said_at(cause)
    told = "corrected" if proposal.finding.replaces else "newer on the same matter"
    return Append(
        payload=MemorySuperseded(
            tier=tier_of(old.content),
            memory_id=old.id,
            superseded_by=by,
            valid_to=max(ended, old.valid_from) if old.valid_from else ended,
            reason=proposal.reason or told,
        )
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
