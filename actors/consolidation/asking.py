"""What a language model may add to a consolidation: proposals about memories that look alike.

The rules choose who looks alike and number them; the model says which of them say the same, or
contradict each other. Its words are checked: numbers of one group only, nothing made by hand ended,
no memory ended twice. What does not hold is passed over, and an output that cannot be read at all
leaves the rules' own steps as they are. Pure, like all of a decision.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.consolidation.likeness import Gist, gist, shared
from actors.consolidation.passes import began_at, is_by_hand
from actors.consolidation.steps import Enrich, Merge, Step, Supersede
from actors.effects import Generate
from actors.extraction.masking import masked
from actors.models.port import OutputSchema, Turn
from actors.prompts import prompt
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    ProceduralContent,
    ResourceContent,
    SemanticContent,
    Tier,
    VaultContent,
    readable_text,
)
from projections.tiers import Memory, Shelf

PROMPT = "consolidation/memories@1"
#: How like memories must be to be shown together, how many in a group, and in all.
ALIKE_MIN = 0.3
GROUP_MAX = 6
SHOWN_MAX = 40
SHOWN_CHARS_MAX = 400
TEXT_CHARS_MAX = 1000
OUTPUT_TOKENS_MAX = 1500
#: Of a memory's rarest words, so many are looked up for others that have them; of each the latest.
_RARE_WORDS = 3
_COMPARED_MAX = 50

Groups = tuple[tuple[str, ...], ...]


class MergeProposed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These say nothing beyond that one, with `text` in its place if it is not empty."""

    from_: tuple[int, ...] = msgspec.field(name="from")
    into: int
    text: str
    reason: str


class SupersessionProposed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The old one no longer holds: the new one says otherwise."""

    old: int
    new: int
    reason: str


class Proposals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model proposes."""

    merge: Annotated[tuple[MergeProposed, ...], Meta(max_length=SHOWN_MAX)]
    supersede: Annotated[tuple[SupersessionProposed, ...], Meta(max_length=SHOWN_MAX)]


def question(tier: Tier, shelf: Shelf, gone: frozenset[str], looked_at_max: int) -> Generate | None:
    """Return what to ask about a tier; None when nothing in it looks alike.

    Memories in `gone` are left out, and so are those in whose text the scanner finds a secret.
    """
    if tier == "knowledge_vault":
        return None
    latest = list(shelf.active())[-looked_at_max:]
    groups = alike([one for one in latest if one.id not in gone and _may_be_shown(one)])
    if not groups:
        return None
    instruction = prompt(PROMPT)
    return Generate(
        purpose="consolidation",
        prompt=PROMPT,
        turns=(
            Turn(role="system", content=instruction.text),
            Turn(role="user", content=_shown(groups, shelf)),
        ),
        output=OutputSchema(name="consolidation", schema=_schema()),
        max_tokens=OUTPUT_TOKENS_MAX,
        about=groups,
    )


def proposed(shelf: Shelf, groups: Groups, output: str, gone: frozenset[str]) -> list[Step]:
    """Return the steps that a model's output comes to; what does not hold is passed over.

    Raises:
        msgspec.MsgspecError: the output cannot be read.
    """
    told = msgspec.json.decode(output, type=Proposals)
    hearing = _Hearing(shelf, groups, gone)
    for merge in told.merge:
        hearing.merge(merge)
    for supersession in told.supersede:
        hearing.supersede(supersession)
    return hearing.steps


class _Hearing:
    """Takes proposals one by one, and those that hold become steps."""

    def __init__(self, shelf: Shelf, groups: Groups, gone: frozenset[str]) -> None:
        self._shelf = shelf
        self._ids = [id_ for group in groups for id_ in group]
        self._group_of = {id_: at for at, group in enumerate(groups) for id_ in group}
        self._gone = set(gone)
        self._kept: set[str] = set()
        self.steps: list[Step] = []

    def merge(self, told: MergeProposed) -> None:
        """Merge those that may be; others stay."""
        into = self._memory(told.into)
        if into is None:
            return
        going = [
            one
            for number in dict.fromkeys(told.from_)
            if (one := self._memory(number)) is not None and self._may_go(one, into)
        ]
        if not going:
            return
        text = told.text.strip()
        content = with_text(into.content, text) if 0 < len(text) <= TEXT_CHARS_MAX else into.content
        tags = tuple(dict.fromkeys(tag for one in (into, *going) for tag in one.tags))
        reason = told.reason[:SHOWN_CHARS_MAX] or "says the same, a model found"
        if (content, tags) != (into.content, into.tags):
            if is_by_hand(into):
                return  # nobody's own words are put otherwise
            self.steps.append(Enrich(memory_id=into.id, content=content, tags=tags, reason=reason))
        self._kept.add(into.id)
        for one in going:
            self._gone.add(one.id)
            sources = self._shelf.sources(one)
            self.steps.append(
                Merge(memory_id=one.id, into=into.id, provenance=sources, reason=reason)
            )

    def supersede(self, told: SupersessionProposed) -> None:
        """End the older of two; what began later is not ended by what began before."""
        old, new = self._memory(told.old), self._memory(told.new)
        if old is None or new is None or not self._may_go(old, new):
            return
        if began_at(old) > began_at(new):
            return
        self._kept.add(new.id)
        self._gone.add(old.id)
        reason = told.reason[:SHOWN_CHARS_MAX] or "contradicted, a model found"
        self.steps.append(
            Supersede(memory_id=old.id, by=new.id, valid_to=began_at(new), reason=reason)
        )

    def _memory(self, number: int) -> Memory | None:
        """Return the memory that was shown under a number, if it still holds."""
        if not 1 <= number <= len(self._ids):
            return None
        memory = self._shelf.memories.get(self._ids[number - 1])
        holds = memory is not None and memory.status == "active" and memory.id not in self._gone
        return memory if holds else None

    def _may_go(self, one: Memory, other: Memory) -> bool:
        return (
            one.id != other.id
            and one.id not in self._kept
            and self._group_of[one.id] == self._group_of[other.id]
            and not is_by_hand(one)
        )


def alike(memories: list[Memory]) -> Groups:
    """Return the ids of memories that look alike in groups, the latest first."""
    gists = {memory.id: gist(memory) for memory in memories}
    having: defaultdict[str, list[str]] = defaultdict(list)
    for id_, own in gists.items():
        for word in own.words:
            having[word].append(id_)
    groups: list[tuple[str, ...]] = []
    taken: set[str] = set()
    shown = 0
    for memory in reversed(memories):
        if shown + 1 >= SHOWN_MAX:
            break
        if memory.id in taken:
            continue
        others = [id_ for id_ in _like(memory.id, gists, having) if id_ not in taken]
        group = (memory.id, *others[: GROUP_MAX - 1])
        group = group[: SHOWN_MAX - shown]
        if len(group) > 1:
            groups.append(group)
            taken.update(group)
            shown += len(group)
    return tuple(groups)


def _like(id: str, gists: dict[str, Gist], having: dict[str, list[str]]) -> list[str]:
    """Return the ids of the memories like one, the most alike first."""
    own = gists[id]
    rare = sorted(own.words, key=lambda word: (len(having[word]), word))[:_RARE_WORDS]
    near = dict.fromkeys(
        other for word in rare for other in having[word][-_COMPARED_MAX:] if other != id
    )
    shares = {other: shared(own, gists[other]) for other in near}
    return sorted(
        (other for other in near if shares[other] >= ALIKE_MIN),
        key=lambda other: (-shares[other], other),
    )


def with_text(content: Content, text: str) -> Content:
    """Return a content with another main text."""
    match content:
        case CoreContent():
            return msgspec.structs.replace(content, text=text)
        case EpisodicContent() | SemanticContent() | ResourceContent():
            return msgspec.structs.replace(content, summary=text)
        case ProceduralContent():
            return msgspec.structs.replace(content, description=text)
        case VaultContent():
            return content


def _may_be_shown(memory: Memory) -> bool:
    return not masked(readable_text(memory.content)).hidden


def _shown(groups: Groups, shelf: Shelf) -> str:
    lines, number = [], 0
    for at, group in enumerate(groups, start=1):
        lines.append(f"Group {at}:")
        for id_ in group:
            number += 1
            memory = shelf.memories[id_]
            text = " / ".join(readable_text(memory.content).split("\n"))
            lines.append(f"{number}. (since {began_at(memory):%Y-%m-%d}) {text[:SHOWN_CHARS_MAX]}")
    return "\n".join(lines)


def _schema() -> dict[str, object]:
    """Return the schema of the output as strict providers take it: closed, all required."""
    numbers = {"type": "array", "items": {"type": "integer"}}
    text, number = {"type": "string"}, {"type": "integer"}
    return _closed(
        merge=_list_of(_closed(**{"from": numbers, "into": number, "text": text, "reason": text})),
        supersede=_list_of(_closed(old=number, new=number, reason=text)),
    )


def _list_of(items: dict[str, object]) -> dict[str, object]:
    return {"type": "array", "items": items}


def _closed(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
