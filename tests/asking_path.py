"""The way of a message through a model, without any I/O: decide, a scripted answer, resume, fold.

What the shell does between them is left out; the scripted model's words come back as the event
that would be recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from actors.deciders.core_memory import CoreMemoryDecider
from actors.deciders.memory import MemoryDecider
from actors.effects import Append, Effect, Generate, Keep, Revise
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import Extractor, RuleExtractor
from events.catalogue import (
    GenerationCompleted,
    GenerationFailed,
    MemoryRecorded,
    MemoryRevised,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from events.memory import (
    TIERS,
    Content,
    CoreContent,
    EpisodicContent,
    MemoryDraft,
    ProceduralContent,
    ResourceContent,
    SemanticContent,
    Tier,
    VaultContent,
    readable_text,
    tier_of,
)
from projections.tiers import Memory
from tests.scripted_model import Script
from tests.unit.builders import event_of

#: What a model says to a question: its output, or None when it gives none.
Model = Callable[[Generate], str | None]


def fingerprint(user: str, secret: str) -> str:
    """Return a stand-in for the keyed hash of a secret."""
    return f"{user}:{secret.lower()}"


def asking(tier: Tier, fallback: Extractor | None = None) -> MemoryDecider:
    """Return a tier's decider that asks a model called `gold`."""
    extractor = ModelExtractor("gold", fallback or RuleExtractor())
    if tier == "core":
        return CoreMemoryDecider(fingerprint, extractor)
    return MemoryDecider(tier, fingerprint, extractor)


def scripted(script: Script) -> Model:
    """Return a model that says what a script says."""

    def say(asked: Generate) -> str:
        return script.reply([{"role": t.role, "content": t.content} for t in asked.turns])

    return say


def told(asked: Generate, output: str | None) -> GenerationCompleted | GenerationFailed:
    """Return what would be recorded of an output."""
    if output is None:
        return GenerationFailed(
            generation_id="gen", purpose=asked.purpose, provider="", model="", kind="unavailable"
        )
    return GenerationCompleted(
        generation_id="gen", model="m", prompt_hash="", output=output, provider="gold"
    )


def carried_through(
    decider: MemoryDecider, event: Event, model: Model
) -> tuple[list[Effect], list[Generate]]:
    """Return the effects that an event comes to, and all that was asked for it."""
    asked: list[Generate] = []
    effects = decider.decide(event)
    while effects and isinstance(question := effects[0], Generate):
        assert len(effects) == 1, "a question stands alone"
        asked.append(question)
        effects = decider.resume(event, question, told(question, model(question)))
    return effects, asked


def payloads(effects: Sequence[Effect]) -> Iterator[Payload]:
    """Yield what the shell would append of effects."""
    for effect in effects:
        match effect:
            case Keep(draft=draft):
                yield MemoryRecorded(memory=draft)
            case Revise(tier=tier, memory_id=id_, content=content, reason=reason):
                yield MemoryRevised(tier=tier, memory_id=id_, content=content, reason=reason)
            case Append(payload=payload):
                yield payload
            case _:
                raise AssertionError(effect)


def folded(decider: MemoryDecider, effects: Sequence[Effect], position: int = 9) -> list[Memory]:
    """Fold effects into a decider's tier, and return all memories of the user."""
    for payload in payloads(effects):
        decider.projection.apply(event_of(payload, position=position))
    return list(decider.projection.shelf("usr_ann").memories.values())


def memories_of(case: Mapping[str, Any], model: Model) -> list[dict[str, Any]]:
    """Return what all six tiers keep of a case, as the scorer takes it.

    What the case says no longer holds is remembered beforehand, so that it can be seen to end.
    """
    said_at = datetime.fromisoformat(case["recorded_at"])
    message = MessageReceived(
        message_id="msg", conversation="cnv", content=case["message"], said_at=said_at
    )
    found: list[dict[str, Any]] = []
    for tier in TIERS:
        decider = asking(tier)
        for number, old in enumerate(_outdated(case, tier)):
            decider.projection.apply(event_of(old, position=number + 1))
        effects, _ = carried_through(decider, event_of(message, position=8), model)
        secrets = {e.draft.id: e.secret for e in effects if isinstance(e, Keep)}
        for memory in folded(decider, effects):
            if memory.status == "active" and memory.id not in secrets:
                continue  # an old one that still holds: nothing that was drawn from the case
            found.append(_as_scored(memory, secrets.get(memory.id, "")))
    return found


def _outdated(case: Mapping[str, Any], tier: Tier) -> Iterator[MemoryRecorded]:
    for expected in case["expect"]:
        replaced = expected.get("replaces") or []
        for words in [replaced] if isinstance(replaced, str) else replaced:
            if expected["tier"] != tier:
                continue
            draft = MemoryDraft(id=f"old_{words}", content=content_of(tier, words))
            yield MemoryRecorded(memory=draft)


def content_of(tier: Tier, text: str) -> Content:
    """Return a memory of a tier that says `text`; in the vault it is the secret."""
    match tier:
        case "core":
            return CoreContent(text=text)
        case "episodic":
            return EpisodicContent(event_type="event", summary=text)
        case "semantic":
            return SemanticContent(name="before", summary=text)
        case "procedural":
            return ProceduralContent(description=text, steps=(text,))
        case "resource":
            return ResourceContent(title=text, summary="", resource_type="document")
        case "knowledge_vault":
            known_as = fingerprint("usr_ann", text)
            # The caption tells the scorer which entry it was that ended.
            return VaultContent(entry_type="code", caption=text, secret_fingerprint=known_as)


def _as_scored(memory: Memory, secret: str) -> dict[str, Any]:
    content = memory.content
    scored: dict[str, Any] = {
        "tier": tier_of(content),
        "text": readable_text(content),
        "secret": secret,
        "ended": memory.status != "active",
    }
    match content:
        case EpisodicContent(occurred_at=first, occurred_until=last):
            scored |= {"occurred_at": first, "occurred_until": last}
        case ProceduralContent(steps=steps):
            scored["steps"] = len(steps)
    return scored
