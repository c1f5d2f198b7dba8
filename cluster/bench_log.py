"""A log to measure on: many people, and of each what a real system writes, in its proportions.

A message brings about its vector, two memories with theirs, the markers of the agents that worked
on it, and every second time a search: ten events. The same seed gives the same events.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import numpy as np

from events.catalogue import (
    CauseHandled,
    MemoryEmbedded,
    MemoryRecorded,
    MemorySuperseded,
    MessageEmbedded,
    MessageReceived,
    Payload,
    SearchHit,
    SearchPerformed,
)
from events.connection import Connection, connect
from events.envelope import NewEvent
from events.ids import derived_id
from events.journal import Journal
from events.memory import (
    Content,
    CoreContent,
    EpisodicContent,
    MemoryDraft,
    ProceduralContent,
    Provenance,
    ResourceContent,
    SemanticContent,
    VaultContent,
    tier_of,
)
from events.nats_server import NatsServer

#: As many as the local model gives.
DIMENSION = 384
#: Events of one append: the most that one atomic batch takes.
_BATCH = 1000
_MODEL = "bench"
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SUPERSEDED_SHARE = 0.5
_SEARCHED_SHARE = 0.5
_TEXT = (
    "garden violin harbour winter bicycle kitchen letter mountain doctor library railway orange "
    "cousin painting office holiday concert river window teacher market island camera breakfast "
    "project journey museum dentist neighbour passport recipe football birthday evening station "
    "hospital language meeting keyboard picture restaurant airport suitcase festival university"
)
_WORDS = _TEXT.split()
#: What the memories of one tier are about: few, so that later ones take the place of earlier ones.
_MATTERS = _WORDS[:6]


class _Writer:
    """Makes up what people say, and what follows from it."""

    def __init__(self, people: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._vectors = np.random.default_rng(seed)
        self._people = [derived_id("usr", seed, number) for number in range(people)]
        self._said = dict.fromkeys(self._people, 0)
        self._latest: dict[tuple[str, str], str] = {}
        self._seed = seed
        self._ids = count()

    def events(self) -> Iterator[NewEvent]:
        """Yield events without end."""
        for number in count(1):
            user = self._random.choice(self._people)
            self._said[user] += 1
            yield from self._message(user, self._said[user], _BEGIN + timedelta(seconds=number))

    def _message(self, user: str, nth: int, at: datetime) -> Iterator[NewEvent]:
        text = self._text(18)
        message = MessageReceived(
            message_id=derived_id("msg", user, nth),
            conversation=derived_id("cnv", user, nth // 40),
            content=text,
            said_at=at,
            external_id=f"D{nth // 40}:{nth % 40}",
        )
        cause = self._event(message, user, "gateway")
        yield cause
        vector = MessageEmbedded(message_id=message.message_id, model=_MODEL, vector=self._vector())
        yield self._event(vector, user, "search", cause.event_id)
        yield self._marker("search")
        for content in self._random.sample(self._contents(text, at), 2):
            yield from self._memory(user, content, message, cause.event_id)
            yield self._marker(f"{tier_of(content)}_memory")
        if self._random.random() < _SEARCHED_SHARE:
            yield self._search(user, message)

    def _memory(
        self, user: str, content: Content, message: MessageReceived, cause: str
    ) -> Iterator[NewEvent]:
        tier = tier_of(content)
        producer = f"{tier}_memory"
        matter = f"{tier} {self._random.choice(_MATTERS)}"
        memory = MemoryDraft(
            id=derived_id("mem", message.message_id, tier),
            content=content,
            key=matter,
            provenance=Provenance(
                message_ids=(message.message_id,), external_ids=(message.external_id,)
            ),
        )
        yield self._event(MemoryRecorded(memory=memory), user, producer, cause)
        old = self._latest.get((user, matter))
        if old is not None and self._random.random() < _SUPERSEDED_SHARE:
            ended = MemorySuperseded(
                tier=tier, memory_id=old, superseded_by=memory.id, valid_to=message.said_at
            )
            yield self._event(ended, user, producer, cause)
        self._latest[user, matter] = memory.id
        vectors = MemoryEmbedded(
            tier=tier, memory_id=memory.id, model=_MODEL, vectors=(self._vector(),)
        )
        yield self._event(vectors, user, producer, cause)

    def _contents(self, text: str, at: datetime) -> list[Content]:
        day = at.date().isoformat()
        return [
            EpisodicContent(event_type="event", summary=self._text(9), occurred_at=day),
            SemanticContent(name=self._text(1), summary=self._text(9), details=text),
            ProceduralContent(description=self._text(6), steps=(self._text(5), self._text(5))),
            ResourceContent(title=self._text(3), summary=self._text(12), resource_type="link"),
            CoreContent(text=self._text(7)),
            VaultContent(entry_type="contact", caption=self._text(4), secret=bytes(60)),
        ]

    def _search(self, user: str, message: MessageReceived) -> NewEvent:
        hits = tuple(
            SearchHit(id=derived_id("msg", user, one), tier="conversation", score=0.5)
            for one in range(max(1, self._said[user] - 9), self._said[user] + 1)
        )
        search = derived_id("search", message.message_id)
        payload = SearchPerformed(search_id=search, query=self._text(6), method="hybrid", hits=hits)
        return self._event(payload, user, "search")

    def _marker(self, agent: str) -> NewEvent:
        return self._event(CauseHandled(agent=agent, through=0), f"agent-{agent}", agent)

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(_WORDS, k=words))

    def _vector(self) -> bytes:
        vector = self._vectors.standard_normal(DIMENSION, np.float32)
        return (vector / np.linalg.norm(vector)).astype("<f2").tobytes()

    def _event(self, payload: Payload, user: str, producer: str, cause: str = "") -> NewEvent:
        id_ = derived_id("evt", self._seed, next(self._ids))
        return NewEvent(
            event_id=id_,
            payload=payload,
            tenant="bench",
            user=user,
            causation_id=cause,
            correlation_id=cause or id_,
            producer=producer,
        )


async def write_log(
    journal: Journal,
    events: int,
    *,
    people: int = 1000,
    seed: int = 1,
    advance: Callable[[int], None] = lambda written: None,
) -> None:
    """Append so many made-up events of so many people.

    Args:
        journal: an empty log.
        events: how many.
        people: whose.
        seed: what they say depends on this alone.
        advance: hears how many were written just now.
    """
    made = islice(_Writer(people, seed).events(), events)
    while batch := list(islice(made, _BATCH)):
        await journal.append(batch)
        advance(len(batch))


@asynccontextmanager
async def scratch_log(directory: Path | None = None) -> AsyncIterator[Connection]:
    """Connect to a server of its own in a scratch directory (under `directory`), then end both."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        server = NatsServer(Path(scratch))
        await server.start()
        try:
            async with connect(await server.prepare()) as connection:
                yield connection
        finally:
            await server.stop()
