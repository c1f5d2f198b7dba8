"""Extraction by a language model: whether to ask, what to ask, and what its answer comes to.

On the message path inside the memory agents, in the place of the rules: `first` says what to ask
because of an event, the shell asks, and `following` says what to ask next or what was found. All of
it is pure; the model's words come in as the event that is recorded.

The dialogue of a question (`dialogue.py`) is: one system prompt for all tiers, the conversation so
far (the shell puts it in), the text itself, and last the tier's own instruction with the memories
that it may be about. Secrets are masked (`masking.py`): no model sees a value that the scanner
knows; the vault's model names its placeholder and the value is put back here.

A text is asked about piece by piece (`material.py`), each at most twice: an output that cannot be
used is shown to the model with what is wrong with it. After that the rules read the piece. When no
model gives any answer, the rules read all that is left.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from actors.effects import Generate
from actors.extraction.dialogue import PROMPTS, dialogue, once_more
from actors.extraction.documents import document_finding
from actors.extraction.extractor import Extractor
from actors.extraction.finding import Finding, Proposal, Utterance
from actors.extraction.hearing import InvalidOutput, hear
from actors.extraction.material import Cut, Material, cut
from actors.extraction.outputs import SCHEMAS
from actors.extraction.related import UNLIKE_CORE_MAX, UNLIKE_MAX, related
from actors.extraction.tier_gates import gate
from events.catalogue import GenerationCompleted, GenerationFailed
from events.memory import ResourceContent, Tier, Value
from projections.tiers import Shelf

#: Tries at one piece: the second is shown what was wrong with the first.
ATTEMPTS_MAX = 2
OUTPUT_TOKENS_MAX = 1500
#: The output that stands for a piece that was not worth asking about.
NOTHING = '{"memories":[]}'

Proposals: TypeAlias = tuple[Proposal, ...]
Told: TypeAlias = GenerationCompleted | GenerationFailed


class Task(Value, frozen=True, kw_only=True):
    """A text to be read for a tier, and how it is cut."""

    tier: Tier
    material: Material
    cut: Cut

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return len(self.cut.pieces)


class ModelExtractor:
    """Draws findings from texts by asking a language model.

    `name` stands in the provenance where an answer does not tell who gave it; `fallback` reads what
    the model could not. `window` is how many messages of the conversation the model is shown.
    """

    def __init__(self, name: str, fallback: Extractor, window: int = 6) -> None:
        self.name = f"model:{name}"
        self.fallback = fallback
        self.window = window

    def first(self, tier: Tier, material: Material, shelf: Shelf) -> Generate | Proposals:
        """Return what to ask about a text; what was found when nothing in it is worth asking."""
        task = Task(tier=tier, material=material, cut=cut(material))
        asked = self._question(task, shelf, 0, (), ())
        return asked or self._found(task, (), (NOTHING,) * task.count, self.name)

    def following(
        self, tier: Tier, material: Material, shelf: Shelf, asked: Generate, told: Told
    ) -> Generate | Proposals:
        """Return what to ask next, or what all that was asked has come to."""
        task = Task(tier=tier, material=material, cut=cut(material))
        if isinstance(told, GenerationFailed):
            # Every way to a model has been tried: the next piece would fare no better.
            left = ("",) * (task.count - asked.part)
            return self._found(task, asked.about, (*asked.heard, *left), self.name)
        output = told.output
        try:
            hear(tier, output, material, task.cut.masked, asked.about[-1])
        except InvalidOutput as fault:
            if asked.attempt < ATTEMPTS_MAX:
                return _again(asked, told, fault)
            output = ""
        heard = (*asked.heard, output)
        more = self._question(task, shelf, asked.part + 1, heard, asked.about)
        by = f"model:{told.provider}" if told.provider else self.name
        passed_over = (NOTHING,) * (task.count - len(heard))
        return more or self._found(task, asked.about, (*heard, *passed_over), by)

    def _question(
        self,
        task: Task,
        shelf: Shelf,
        part: int,
        heard: tuple[str, ...],
        about: tuple[tuple[str, ...], ...],
    ) -> Generate | None:
        """Return the question about the first piece from `part` on that is worth one.

        The pieces before it count as heard, with nothing in them.
        """
        at = next((at for at in range(part, task.count) if self._is_worth_asking(task, at)), None)
        if at is None:
            return None
        material, piece = task.material, task.cut.pieces[at]
        unlike_max = UNLIKE_CORE_MAX if task.tier == "core" else UNLIKE_MAX
        memories = related(shelf, f"{material.title}\n{piece}", unlike_max)
        window = self.window if material.conversation else 0
        return Generate(
            purpose="extraction",
            prompt=PROMPTS[task.tier],
            turns=dialogue(task.tier, material, piece, (at + 1, task.count), memories),
            conversation=material.conversation if window else "",
            window=window,
            output=SCHEMAS[task.tier],
            max_tokens=OUTPUT_TOKENS_MAX,
            part=at,
            heard=(*heard, *(NOTHING,) * (at - part)),
            about=(*about, *((),) * (at - part), tuple(memory.id for memory in memories)),
        )

    def _is_worth_asking(self, task: Task, at: int) -> bool:
        material = task.material
        if task.tier == "resource" and material.document:
            # The document itself is the resource, and its beginning says what it is about.
            return at == 0
        shown = Utterance(text=task.cut.pieces[at], said_at=material.said_at)
        if gate(task.tier, shown, document=material.document):
            return True
        # What the rules find in a message is never lost to a gate.
        return not material.document and bool(
            self.fallback.from_message(task.tier, material.utterance)
        )

    def _found(
        self, task: Task, about: tuple[tuple[str, ...], ...], heard: tuple[str, ...], by: str
    ) -> Proposals:
        """Return what the outputs say, and what the rules find where there is none.

        There is one output a piece, empty where it could not be used; memories were shown beside
        those that were asked about.
        """
        found: list[Proposal] = []
        for output, shown in zip(heard, about, strict=False):
            if output:
                proposals = hear(task.tier, output, task.material, task.cut.masked, shown)
                found += [msgspec.structs.replace(one, extractor=by) for one in proposals]
        found = _each_its_matter(found)
        if task.tier == "resource" and task.material.document:
            return self._with_document(task.material, tuple(found))
        unread = [piece for piece, output in zip(task.cut.pieces, heard, strict=True) if not output]
        return (*found, *self._by_rules(task, unread))

    def _by_rules(self, task: Task, unread: list[str]) -> Proposals:
        """Return what the rules find in pieces, and in what is behind the last one."""
        material = task.material
        if not material.document:
            findings = self._of_message(task, unread)
        else:
            text = "\n\n".join([*map(task.cut.masked.restored, unread), task.cut.rest]).strip()
            if len(unread) == task.count:
                text = material.text
            findings = (
                self.fallback.from_document(
                    task.tier, material.title, text, material.said_at, material.uri
                )
                if text
                else ()
            )
        return tuple(Proposal(finding=one, extractor=self.fallback.name) for one in findings)

    def _of_message(self, task: Task, unread: list[str]) -> tuple[Finding, ...]:
        """Return what the rules find in a message: in all of it, or only behind the last piece."""
        utterance, rest = task.material.utterance, task.cut.rest
        if unread:
            # As a whole, so that places in it are its own.
            return self.fallback.from_message(task.tier, utterance)
        if not rest:
            return ()
        behind = len(utterance.text) - len(rest)
        last = msgspec.structs.replace(utterance, text=rest)
        found = self.fallback.from_message(task.tier, last)
        return tuple(_further_on(finding, behind) for finding in found)

    def _with_document(self, material: Material, found: Proposals) -> Proposals:
        """Put the document's own resource first: the whole text, with the model's summary of it."""
        own = document_finding(material.title, material.text, material.uri)
        assert isinstance(own.content, ResourceContent)
        for proposal in found:
            told = proposal.finding.content
            if not isinstance(told, ResourceContent) or told.uri not in ("", material.uri):
                continue
            content = msgspec.structs.replace(
                own.content,
                summary=told.summary or own.content.summary,
                resource_type=told.resource_type,
            )
            first = Proposal(
                finding=msgspec.structs.replace(
                    own, content=content, importance=proposal.finding.importance
                ),
                extractor=proposal.extractor,
            )
            return (first, *(other for other in found if other is not proposal))
        return (Proposal(finding=own, extractor=self.fallback.name), *found)


def _further_on(finding: Finding, chars: int) -> Finding:
    """Return a finding in the end of a text with its place in the whole of it."""
    if not finding.secret:
        return finding
    start, end = finding.secret_span
    return msgspec.structs.replace(finding, secret_span=(start + chars, end + chars))


def _each_its_matter(found: list[Proposal]) -> list[Proposal]:
    """Take its key from an addition whose key another one has: a model that tells both means both.

    By one key the later would supersede the earlier, though nothing has changed between them.
    """
    keys = set[str]()
    apart: list[Proposal] = []
    for proposal in found:
        finding = proposal.finding
        if proposal.action == "add" and finding.key in keys:
            nameless = msgspec.structs.replace(finding, key="")
            proposal = msgspec.structs.replace(proposal, finding=nameless)
        keys.add(finding.key)
        apart.append(proposal)
    return apart


def _again(asked: Generate, told: GenerationCompleted, fault: InvalidOutput) -> Generate:
    """Return the same question, with the output that could not be used and why."""
    why = fault.message
    if told.finish_reason == "length":
        why = f"it was cut off at {asked.max_tokens} tokens, so write less; {why}"
    return msgspec.structs.replace(
        asked, turns=once_more(asked.turns, told.output, why), attempt=asked.attempt + 1
    )
