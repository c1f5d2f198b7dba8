"""What a memory is: the values that memory events carry and the six tiers hold.

First on the message path after the envelope: every agent that extracts, every projection that
folds and every endpoint that shows a memory speaks in these types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

import msgspec

Tier = Literal["core", "episodic", "semantic", "procedural", "resource", "knowledge_vault"]
TIERS: tuple[Tier, ...] = get_args(Tier)
#: What can be found: memories of a tier, and the messages themselves.
SearchTier = Literal[Tier, "conversation"]

Block = Literal["persona", "human"]
Sensitivity = Literal["low", "medium", "high"]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the immutable values of this project; subclasses repeat `kw_only=True`."""


class CoreContent(Value, frozen=True, tag="core", kw_only=True):
    """One line of a core block: who the user is (`human`) or how to behave (`persona`)."""

    block: Block = "human"
    text: str


class EpisodicContent(Value, frozen=True, tag="episodic", kw_only=True):
    """What happened or will happen.

    `occurred_at` is resolved from the text, not from the clock; `occurred_until` is the last day of
    a range, inclusive. Both are ISO dates (`2026-01-07`) or ISO date-times; empty when the text
    fixes no date.
    """

    event_type: str
    summary: str
    details: str = ""
    actor: str = "user"
    occurred_at: str = ""
    occurred_until: str = ""


class SemanticContent(Value, frozen=True, tag="semantic", kw_only=True):
    """A fact about another person, a thing, a place or a concept."""

    name: str
    summary: str
    details: str = ""
    source: str = "conversation"


class ProceduralContent(Value, frozen=True, tag="procedural", kw_only=True):
    """How to do something, in ordered steps."""

    entry_type: Literal["workflow", "routine", "guide"] = "guide"
    description: str
    steps: tuple[str, ...] = ()


class ResourceContent(Value, frozen=True, tag="resource", kw_only=True):
    """A document, link, file or book to keep; long text is held in chunks."""

    title: str
    summary: str
    resource_type: str
    uri: str = ""
    chunks: tuple[str, ...] = ()


class VaultContent(Value, frozen=True, tag="knowledge_vault", kw_only=True):
    """A credential, address or contact.

    `secret` is sealed with the user's data key before it enters an event: the readable fields never
    hold it. `secret_fingerprint` is a keyed hash, so that the same secret is recognised unopened.
    """

    entry_type: str
    source: str = "conversation"
    sensitivity: Sensitivity = "high"
    caption: str
    secret: bytes = b""
    secret_fingerprint: str = ""


Content = (
    CoreContent
    | EpisodicContent
    | SemanticContent
    | ProceduralContent
    | ResourceContent
    | VaultContent
)


class Provenance(Value, frozen=True, kw_only=True):
    """Where a memory came from: the messages (or document) it was drawn from, and by what."""

    message_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()
    document_id: str = ""
    extractor: str = "rules"


class MemoryDraft(Value, frozen=True, kw_only=True):
    """A memory as an agent decides it, before the tier gives it a place in time.

    `key` names what the memory is about (normalised), so that a later one on the same matter is
    recognised. `valid_from` is when the fact began to hold in the world (bi-temporal validity; the
    other time axis is the position in the log).
    """

    id: str
    content: Content
    key: str = ""
    tags: tuple[str, ...] = ()
    importance: float = 0.5
    language: str = "en"
    provenance: Provenance = Provenance()
    valid_from: datetime | None = None


def tier_of(content: Content) -> Tier:
    """Return the tier that holds this kind of content."""
    tag: Tier = content.__struct_config__.tag  # type: ignore[assignment]  # the tag is the tier
    return tag


def readable_text(content: Content) -> str:
    """Return all readable fields together, one a line; never the secret.

    A summary that the details repeat and a name that the summary holds are left out. The title of
    a document stays: it is shown apart.
    """
    match content:
        case CoreContent():
            parts: tuple[str, ...] = (content.text,)
        case EpisodicContent():
            parts = _uncontained(content.summary, content.details)
        case SemanticContent():
            parts = _uncontained(content.name, content.summary, content.details)
        case ProceduralContent():
            parts = (content.description, *content.steps)
        case ResourceContent():
            parts = (content.title, content.summary, content.uri)
        case VaultContent():
            parts = (content.entry_type, content.caption)
    return "\n".join(part for part in dict.fromkeys(parts) if part)


def _uncontained(*parts: str) -> tuple[str, ...]:
    """Return the parts that no other holds, whatever the case; the first of equal ones."""
    folded = [" ".join(part.casefold().split()) for part in parts]
    return tuple(
        part
        for at, part in enumerate(parts)
        if not any(
            folded[at] in other and (folded[at] != other or beside < at)
            for beside, other in enumerate(folded)
            if beside != at
        )
    )


def texts_hash(texts: Iterable[str]) -> str:
    """Return what says which texts vectors are of: SHA-256 over their lengths and themselves."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.hexdigest()


def passages(content: Content) -> tuple[str, ...]:
    """Return the texts under which a memory is found; one vector belongs to each.

    Details that only repeat the summary in its surroundings are left out: the words around it can
    be found as the message that they are, and would blur what this memory is about.
    """
    match content:
        case ResourceContent(chunks=chunks) if chunks:
            return (readable_text(content), *chunks)
        case EpisodicContent(summary=summary, details=details) if summary in details:
            return (summary,)
        case SemanticContent(name=name, summary=summary, details=details) if summary in details:
            return (summary,) if name in summary else (f"{name}\n{summary}",)
        case _:
            return (readable_text(content),)
