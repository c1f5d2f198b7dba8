"""Move people to another embedding model: embed what they said anew, then switch, one at a time.

Everything goes into the log, from outside of the agents: that the move has begun, vectors in
batches, the switch. What is done already is read from the log first, and every event has an id that
follows from what it is about; so this can be stopped anywhere and begun again. The decision is in
`docs/adr/0013-a-model-is-swapped-a-person-at-a-time.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import groupby

import numpy as np

from actors.deciders.search import EMBEDDED_CHARS_MAX
from actors.embedding import to_event_bytes
from actors.embedding_models import OneModel
from events.catalogue import (
    EmbeddingModelSwitched,
    MemoryEmbedded,
    MemoryRevised,
    MessageEmbedded,
    Payload,
    ReembeddingBegun,
    UserRegistered,
)
from events.envelope import NewEvent
from events.errors import CommandRejected, KeyDestroyed
from events.ids import derived_id
from events.journal import EventReader, Journal
from events.memory import TIERS, Value, texts_hash
from projections.retrieval.passage import CONVERSATION, Passage
from projections.retrieval_projection import RetrievalProjection

PRODUCER = "reembedding"
#: Passages embedded and appended at a time: what is done again at most when this is stopped.
BATCH_PASSAGES_MAX = 256


class Person(Value, frozen=True, kw_only=True):
    """Somebody known here: by the name that their client gave, and by the ids of the log."""

    name: str
    user: str
    tenant: str


class Moved(Value, frozen=True, kw_only=True):
    """Where a person stands: `passages` of theirs, of which `lacking` had no vector of the model.

    `before` and `model` are those that questions were and are embedded by; empty: none yet.
    """

    person: str
    shard: int
    before: str
    model: str
    passages: int
    lacking: int

    @property
    def is_switched(self) -> bool:
        """Whether the person's model was changed."""
        return self.model != self.before


async def people_of(reader: EventReader) -> list[Person]:
    """Return who is known in a shard and not erased, in order of their first sight."""
    found: dict[str, Person] = {}
    async with aclosing(reader.read(kinds=frozenset({UserRegistered.__name__}))) as events:
        async for event in events:
            if isinstance(event.payload, UserRegistered):
                person = Person(
                    name=event.payload.external_id, user=event.user, tenant=event.envelope.tenant
                )
                found.setdefault(event.user, person)
    return list(found.values())


class PersonView:
    """What a person's passages are, as far as the log was read, and which vectors they have."""

    def __init__(self, reader: EventReader, user: str) -> None:
        self._reader = reader
        self._user = user
        self._projection = RetrievalProjection()
        self._read = 0
        #: The last beginning or end of a move, and the last revision of each memory: event ids.
        self.last_move = ""
        self._revised: dict[str, str] = {}

    async def catch_up(self) -> None:
        """Fold what was appended since."""
        end = await self._reader.last_position()
        found = self._reader.read(self._read, end, self._projection.kinds, user=self._user)
        async with aclosing(found) as events:
            async for event in events:
                self._projection.apply(event)
                match event.payload:
                    case MemoryRevised(memory_id=memory):
                        self._revised[memory] = event.id
                    case ReembeddingBegun() | EmbeddingModelSwitched():
                        self.last_move = event.id
        self._read = end

    @property
    def size(self) -> int:
        """How many passages the person has."""
        return self._projection.index.size(self._user)

    @property
    def models(self) -> tuple[str, ...]:
        """The model that questions are embedded by, and the one that is moved to."""
        return self._projection.index.models_of(self._user)

    def lacking(self, model: str) -> list[Passage]:
        """Return the passages without a vector of a model, in the order of the log."""
        return self._projection.index.lacking(self._user, model)

    def text_id(self, passage: Passage) -> str:
        """Return what stands for the text of a passage as it is now."""
        return self._revised.get(passage.id, passage.event_id)


class Move:
    """One person's move to a model.

    Args:
        journal: the log of the person's shard.
        person: who.
        embedding: the model that is moved to.
        model: what its vectors are recorded under.
        progress: told how many passages were embedded just now.
    """

    def __init__(
        self,
        journal: Journal,
        person: Person,
        embedding: OneModel,
        model: str,
        progress: Callable[[int], None] = lambda passages: None,
    ) -> None:
        self._journal = journal
        self._person = person
        self._embedding = embedding
        self._model = model
        self._progress = progress
        self._view = PersonView(journal, person.user)

    async def look(self) -> Moved:
        """Return where the person stands; changes nothing."""
        await self._view.catch_up()
        before = self._view.models[0]
        return self._moved(before, before, len(self._view.lacking(self._model)))

    async def run(self) -> Moved:
        """Embed what has no vector of the model yet, then switch the person to it.

        Somebody whose questions are embedded by it already is given what lacks.

        Raises:
            KeyDestroyed: the person was erased meanwhile.
            Unavailable: the log or the model cannot be reached; begin again.
        """
        before = await self.look()
        if not before.passages:
            return before
        if self._model not in self._view.models:
            await self._append([(ReembeddingBegun(model=self._model), "begun")])
        embedded = await self._embed_all()
        if self._view.models[0] != self._model:
            switched = EmbeddingModelSwitched(model=self._model, previous=before.before)
            await self._append([(switched, "switched")])
            # What came in the last moment, before the search agent knew of the move.
            embedded += await self._embed_all()
        return self._moved(before.before, self._view.models[0], embedded)

    def _moved(self, before: str, model: str, lacking: int) -> Moved:
        return Moved(
            person=self._person.name,
            shard=self._journal.shard,
            before=before,
            model=model,
            passages=self._view.size,
            lacking=lacking,
        )

    async def _embed_all(self) -> int:
        """Embed until no passage lacks a vector; return how many were."""
        done: set[tuple[str, int, str]] = set()
        while lacking := self._view.lacking(self._model):
            keys = {(one.id, one.ordinal, self._view.text_id(one)) for one in lacking}
            if keys & done:
                raise CommandRejected(
                    f"vectors of {self._model} do not fit passages of {self._person.name}: they are"
                    " of another length than before; is it still the same model?"
                )
            for start in range(0, len(lacking), BATCH_PASSAGES_MAX):
                await self._embed(lacking[start : start + BATCH_PASSAGES_MAX])
            done |= keys
            await self._view.catch_up()
        return len(done)

    async def _embed(self, passages: Sequence[Passage]) -> None:
        texts = [one.text[:EMBEDDED_CHARS_MAX] for one in passages]
        embedded = await self._embedding.embed(texts)
        rows = [to_event_bytes(np.asarray(row)) for row in embedded.vectors]
        await self._append(
            [
                (payload, f"{self._view.text_id(first)} {first.id} {first.ordinal} {count}")
                for payload, first, count in _payloads(passages, rows, self._model)
            ],
            catch_up=False,
        )
        self._progress(len(passages))

    async def _append(
        self, payloads: Sequence[tuple[Payload, str]], *, catch_up: bool = True
    ) -> None:
        """Append payloads, each with what distinguishes it within this move."""
        move = self._view.last_move
        person = self._person
        # Looked up anew: nothing may be sealed with a key that was destroyed meanwhile.
        self._journal.codec.keys.forget(person.user)
        await self._journal.append(
            [
                NewEvent(
                    event_id=derived_id("evt", PRODUCER, person.user, self._model, move, what),
                    payload=payload,
                    tenant=person.tenant,
                    user=person.user,
                    causation_id="",
                    correlation_id=derived_id("cor", PRODUCER, person.user, self._model, move),
                    producer=PRODUCER,
                )
                for payload, what in payloads
            ]
        )
        if catch_up:
            await self._view.catch_up()


async def move_people(
    journal: Journal,
    people: Sequence[Person],
    embedding: OneModel,
    model: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda passages: None,
) -> list[Moved]:
    """Move people of a shard one after the other; those who are erased meanwhile are left out."""
    found = []
    for person in people:
        move = Move(journal, person, embedding, model, progress)
        try:
            found.append(await (move.look() if dry_run else move.run()))
        except KeyDestroyed:
            journal.codec.keys.forget(person.user)
    return found


def _payloads(
    passages: Sequence[Passage], rows: Sequence[bytes], model: str
) -> Iterator[tuple[Payload, Passage, int]]:
    """Yield the events that hold these vectors, each with its first passage and their number."""
    at = 0
    together = groupby(enumerate(passages), key=lambda one: (one[1].id, one[1].ordinal - one[0]))
    for _, group in together:
        chunks = [passage for _, passage in group]
        first, count = chunks[0], len(chunks)
        vectors = tuple(rows[at : at + count])
        at += count
        if first.tier == CONVERSATION:
            yield MessageEmbedded(message_id=first.id, model=model, vector=vectors[0]), first, 1
            continue
        tier = next(tier for tier in TIERS if tier == first.tier)
        hashed = texts_hash(passage.text for passage in chunks)
        embedded = MemoryEmbedded(
            tier=tier,
            memory_id=first.id,
            model=model,
            vectors=vectors,
            first=first.ordinal,
            text_hash=hashed,
        )
        yield embedded, first, count
