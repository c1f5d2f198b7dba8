"""What happened to one memory, and why it reads as it does.

Both follow from one pass over the events of its user, read by subject. `Life` folds the memory's
own events as its tier does (`projections.tiers.evolve`) and notes who read it; `why` then climbs
from the events that changed it to their first causes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import aclosing

import msgspec

from actors.past.events import trees
from actors.past.queries import (
    Explanation,
    GetHistory,
    GetWhy,
    HistoryEntry,
    HistoryKind,
)
from actors.past.showing import Spans, view_of
from actors.queries import MemoryView
from actors.readers import memory_view
from events.catalogue import (
    CATALOGUE,
    AnswerGiven,
    Citation,
    CoreBlockRewritten,
    DocumentReceived,
    GenerationCompleted,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryEmbedded,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    MemorySuperseded,
    MessageEmbedded,
    MessageReceived,
    SearchHit,
    SearchPerformed,
    SecretRevealed,
)
from events.envelope import Event
from events.errors import CommandRejected, NotFound
from events.journal import EventReader
from events.memory import Provenance, Tier
from projections.tiers import Memory, Shelf, Status, concerned_tier, evolve, united

#: Changes (and requests for them) of one memory, and the latest readings of it, that are told.
CHANGES_MAX = 10_000
READINGS_MAX = 1000

#: Events that can bear on a memory. Vectors cannot, and are most of the log's bytes.
_BEARING = frozenset(name for name, kind in CATALOGUE.items() if kind.personal) - {
    MessageEmbedded.__name__,
    MemoryEmbedded.__name__,
}
_LIFE = frozenset(
    kind.__name__
    for kind in (
        MemoryChangeRequested,
        MemoryChangeRejected,
        MemoryRecorded,
        MemoryRevised,
        MemorySuperseded,
        MemoryMerged,
        MemoryForgotten,
        MemoryRestored,
        CoreBlockRewritten,
        SearchPerformed,
        AnswerGiven,
        SecretRevealed,
    )
)
_CHANGES: dict[type, HistoryKind] = {
    MemoryRecorded: "recorded",
    MemoryRevised: "revised",
    MemorySuperseded: "superseded",
    MemoryMerged: "merged",
    MemoryForgotten: "forgotten",
    MemoryRestored: "restored",
    CoreBlockRewritten: "left_block",
}


async def history(reader: EventReader, query: GetHistory) -> tuple[HistoryEntry, ...]:
    """Return every event that asked for, made, changed or ended a memory, and who read it.

    Of the readings the latest `READINGS_MAX` are told.

    Raises:
        NotFound: the user never had such a memory in this tier.
        CommandRejected: it was changed more often than can be told.
    """
    life = Life(query.tier, query.memory_id)
    async with aclosing(reader.read(kinds=_LIFE, user=query.user)) as events:
        async for event in events:
            life.take(event)
    life.check_known()
    entries = (*life.told, *life.read_by())
    return tuple(sorted(entries, key=lambda entry: entry.event.position))


async def why(reader: EventReader, query: GetWhy) -> Explanation:
    """Return a memory with the chains of causes that made it what it is, and who read it.

    Raises:
        NotFound: the user never had such a memory in this tier.
        CommandRejected: it was changed more often than can be told.
    """
    life, origins = Life(query.tier, query.memory_id), Origins()
    async with aclosing(reader.read(kinds=_BEARING, user=query.user)) as events:
        async for event in events:
            life.take(event)
            origins.take(event)
    memory = life.check_known()
    sources = origins.sources_of(memory)
    recorded = next(event for event in life.changes if isinstance(event.payload, MemoryRecorded))
    generation = origins.generation_of(memory, recorded)
    chain = {*origins.causes_of(life.changes), *sources, *generation}
    causes = await reader.at(sorted(chain - {event.position for event in life.changes}))
    views = {
        event.position: view_of(event, hidden=origins.hidden_in(event))
        for event in (*causes, *life.changes)
    }
    return Explanation(
        memory=memory,
        status=life.status,
        producer=recorded.envelope.producer,
        extractor=memory.provenance.extractor,
        generation=next((views[at] for at in generation), None),
        causes=trees([views[at] for at in sorted(views)]),
        sources=tuple(views[at] for at in sources),
        superseded=tuple(dict.fromkeys(life.superseded)),
        read_by=life.read_by(),
    )


class Life:
    """The events of one memory, taken in log order."""

    def __init__(self, tier: Tier, memory_id: str) -> None:
        self._tier = tier
        self._id = memory_id
        # Holds this memory alone: what happens to others does not bear on it.
        self._shelf = Shelf()
        self._last: Memory | None = None
        self.told: list[HistoryEntry] = []
        self._readings: deque[tuple[HistoryKind, Event]] = deque(maxlen=READINGS_MAX)
        #: What made it what it is: its own changes, and those by which it took others' places.
        self.changes: list[Event] = []
        self.superseded: list[str] = []
        #: Sources of what was merged into it, by id.
        self._absorbed: dict[str, Provenance] = {}

    @property
    def status(self) -> Status:
        """How it stands now."""
        held = self._shelf.memories.get(self._id)
        return "forgotten" if held is None else held.status

    def check_known(self) -> MemoryView:
        """Return the memory as it stands, or as it last stood.

        Raises:
            NotFound: it was never recorded.
        """
        if self._last is None:
            raise NotFound(f"there is no {self._tier} memory {self._id[:100]!r} of this user")
        return self._view(self._last)

    def read_by(self) -> tuple[HistoryEntry, ...]:
        """Return the latest readings, in log order."""
        return tuple(HistoryEntry(kind=kind, event=view_of(one)) for kind, one in self._readings)

    def take(self, event: Event) -> None:
        """Take the next event of the user, whatever it is about."""
        match event.payload:
            case MemoryChangeRequested() as request if self._is_meant(request):
                self._tell("requested", event)
            case MemoryChangeRejected() as rejection if self._is_meant(rejection):
                self._tell("rejected", event)
            case MemorySuperseded(tier=self._tier, superseded_by=self._id, memory_id=other):
                self.superseded.append(other)
                self.changes.append(event)
            case MemoryMerged(tier=self._tier, into=self._id, memory_id=other) as merged:
                self._absorbed[other] = merged.provenance
                self.superseded.append(other)
                self.changes.append(event)
            case MemoryRestored(tier=self._tier, memory_id=other) if other in self.superseded:
                self._absorbed.pop(other, None)
                self.superseded.remove(other)
                self.changes.append(event)
            case SearchPerformed(hits=found) if self._is_among(found):
                self._readings.append(("found", event))
            case AnswerGiven(citations=cited) if self._is_among(cited):
                self._readings.append(("cited", event))
            case SecretRevealed(memory_id=self._id) if self._tier == "knowledge_vault":
                self._readings.append(("revealed", event))
            case MemoryRecorded(memory=draft) if draft.id != self._id:
                pass
            case _ if concerned_tier(event) == self._tier:
                self._change(event)

    def _change(self, event: Event) -> None:
        before = self._shelf.memories.get(self._id)
        evolve(self._shelf, event)
        after = self._shelf.memories.get(self._id)
        if after is not before:
            self._last = after or before
            self.changes.append(event)
            self._tell(_CHANGES[type(event.payload)], event, self._last)

    def _tell(self, kind: HistoryKind, event: Event, memory: Memory | None = None) -> None:
        if len(self.told) == CHANGES_MAX:
            raise CommandRejected(
                f"{self._tier} memory {self._id[:100]!r} was changed more than {CHANGES_MAX} times;"
                " list its user's events by pages instead"
            )
        view = None if memory is None else self._view(memory)
        self.told.append(HistoryEntry(kind=kind, event=view_of(event), memory=view))

    def _view(self, memory: Memory) -> MemoryView:
        return msgspec.structs.replace(
            memory_view(memory, self._shelf),
            status=self.status,
            provenance=united(memory.provenance, *self._absorbed.values()),
        )

    def _is_meant(self, change: MemoryChangeRequested | MemoryChangeRejected) -> bool:
        return change.tier == self._tier and change.memory_id == self._id

    def _is_among(self, hits: Iterable[SearchHit | Citation]) -> bool:
        return any(hit.id == self._id and hit.tier == self._tier for hit in hits)


class Origins:
    """Where the events of one user come from, without what they say."""

    def __init__(self) -> None:
        #: Event id -> position and cause, of every event that can be a cause.
        self._events: dict[str, tuple[int, str]] = {}
        #: Id of a message or document -> position.
        self._sources: dict[str, int] = {}
        self._generations: set[int] = set()
        #: (cause, producer) -> position of the generation.
        self._generated: dict[tuple[str, str], int] = {}
        self._hidden: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def take(self, event: Event) -> None:
        """Take the next event of the user."""
        envelope, position = event.envelope, event.position
        self._events.setdefault(event.id, (position, envelope.causation_id))
        match event.payload:
            case MessageReceived(message_id=source) | DocumentReceived(document_id=source):
                self._sources.setdefault(source, position)
            case GenerationCompleted():
                self._generations.add(position)
                self._generated[envelope.causation_id, envelope.producer] = position
            case MemoryRecorded(memory=draft, secret_span=span) if span[0] < span[1]:
                for message in draft.provenance.message_ids[:1]:
                    self._hidden[message].append(span)

    def hidden_in(self, event: Event) -> Spans:
        """Return the places of secrets that the vault found in a message."""
        match event.payload:
            case MessageReceived(message_id=message):
                return tuple(self._hidden.get(message, ()))
            case _:
                return ()

    def sources_of(self, memory: MemoryView) -> list[int]:
        """Return the positions of the messages or documents that a memory was drawn from."""
        drawn_from = (*memory.provenance.message_ids, memory.provenance.document_id)
        return [self._sources[source] for source in drawn_from if source in self._sources]

    def causes_of(self, events: Iterable[Event]) -> set[int]:
        """Return the positions of all causes of some events, up to the first ones."""
        found: set[int] = set()
        for event in events:
            cause, before = event.envelope.causation_id, event.position
            while cause in self._events:
                position, further = self._events[cause]
                if position >= before or position in found:
                    break
                found.add(position)
                cause, before = further, position
        return found

    def generation_of(self, memory: MemoryView, recorded: Event) -> list[int]:
        """Return the position of the generation that a memory was drawn from, if a model drew it.

        It is among the causes of the memory, or follows with it from one cause.
        """
        if not memory.provenance.extractor.startswith("model:"):
            return []
        envelope = recorded.envelope
        above = self._generations & self.causes_of([recorded])
        beside = self._generated.get((envelope.causation_id, envelope.producer))
        return [max(above)] if above else [] if beside is None else [beside]
