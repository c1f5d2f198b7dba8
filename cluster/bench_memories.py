"""Memories to search in: as many as wanted, of as many people, in the log of a system that is down.

They are appended as events, with their vectors, before the system's agents start: they come up as
over any log. So a hundred thousand take a minute instead of what it takes to say as much.

Texts are sentences of everyday words, each with rare ones of its own (by Zipf's law). Vectors are
those that the system's embedder gives the first `_KINDS` sentences, moved a little for each memory:
some memories are near a question, most are not, as in life.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from typing import NamedTuple

import numpy as np

from actors.embedding import Embedder
from actors.onnx_embedder import OnnxEmbedder
from cluster import wiring
from cluster.data_dir import DataDir
from events.catalogue import MemoryEmbedded, MemoryRecorded, Payload
from events.codec import Codec
from events.connection import connect
from events.envelope import NewEvent
from events.ids import derived_id
from events.journal import Journal
from events.memory import MemoryDraft, Provenance, SemanticContent
from events.nats_server import NatsServer
from events.sealing import KeyRing
from serve.access import DEFAULT_TENANT
from serve.identity import Identities

#: Sentences whose vectors come from the model.
_KINDS = 2000
#: How far a memory's vector is moved from its sentence's, for vectors of length one.
_MOVED = 0.35
#: Events of one append: the most that one atomic batch takes.
_BATCH = 1000
_RARE_WORDS = 20_000
_RARE_A_MEMORY = 4
_PEOPLE = "Ann Bo Cyrus Dana Elif Farid Greta Hugo Ines Jonas Kofi Lena Milan Nora Omar Paula"
_DEEDS = (
    "bought,repaired,wrote about,dreamed of,signed up for,lost,found,painted,gave away,finished,"
    "photographed,was proud of,planned everything around,complained about,organised,remembered"
)
_THINGS = (
    "the wooden boat,a pottery class,an old bicycle,the community garden,some skis,a jazz record,"
    "the blue tent,an espresso machine,the adoption papers,two kittens,a marathon number,the tap,"
    "a watercolour of the harbour,the school play,a letter from Lisbon,the night train,a telescope"
)
_PLACES = (
    "in Lisbon,at the lake,near the old station,on the roof,at her sister's house,downtown,at work,"
    "in the mountains,at the library,behind the bakery,in Kyoto,on the island,at the university"
)
_WHO, _DID, _WHAT, _WHERE = (
    _PEOPLE.split(),
    _DEEDS.split(","),
    _THINGS.split(","),
    _PLACES.split(","),
)
_SOUNDS = "ba ke lo mi nu ra se ti vo za pra sto len gri dal mor fin tu hek wi"
_SYLLABLES = _SOUNDS.split()


class Crowd(NamedTuple):
    """People with so many memories each; `name` is how their ids at the client begin."""

    name: str
    people: int
    memories: int

    def person(self, number: int) -> str:
        """Return the client's id of one of them."""
        return f"{self.name}-{number}"

    def memory(self, number: int, nth: int) -> str:
        """Return the id of the `nth` memory of one of them."""
        return f"mem_{self.person(number)}_{nth}"

    def is_of(self, number: int, memory: str) -> bool:
        """Say whether a memory is one of this person's."""
        return memory.startswith(f"mem_{self.person(number)}_")


class Sentences:
    """What people remember and ask; the same seed gives the same."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        spell = random.Random(0)
        self._rare = ["".join(spell.choices(_SYLLABLES, k=3)) for _ in range(_RARE_WORDS)]
        self._weights = list(accumulate(1 / rank for rank in range(1, _RARE_WORDS + 1)))

    def everyday(self) -> str:
        """Return a sentence of everyday words."""
        choose = self._random.choice
        return f"{choose(_WHO)} {choose(_DID)} {choose(_WHAT)} {choose(_WHERE)}"

    def question(self) -> str:
        """Return a question of everyday words and a rare one: hardly ever the same again."""
        choose = self._random.choice
        return f"Who {choose(_DID)} {choose(_WHAT)} {choose(_WHERE)}, and {self.rare(1)[0]}?"

    def rare(self, count: int) -> list[str]:
        """Return rare words, the first of them less rare than the others."""
        return self._random.choices(self._rare, cum_weights=self._weights, k=count)


def count_memories(crowds: Sequence[Crowd]) -> int:
    """Return how many memories they have in all."""
    return sum(crowd.people * crowd.memories for crowd in crowds)


async def write_memories(
    directory: DataDir, crowds: Sequence[Crowd], advance: Callable[[int], None]
) -> None:
    """Append the memories of these people to the log of a directory that no system runs on.

    Args:
        directory: empty, or with keys.
        crowds: whose memories.
        advance: hears how many were written just now.
    """
    directory.prepare()
    keystore = wiring.keystore(directory)
    server = NatsServer(directory.log)
    try:
        await server.start()
        async with connect(await server.prepare()) as connection:
            journal = Journal(connection.log(0), Codec(KeyRing(keystore)))
            made = MadeUp(Identities.of(keystore, shards=1), OnnxEmbedder(directory.models))
            for crowd in crowds:
                await made.append(journal, crowd, advance)
    finally:
        await server.stop()


class MadeUp:
    """Makes up memories with their vectors.

    Args:
        identities: of the system that they are for.
        embedder: the one of that system.
    """

    def __init__(self, identities: Identities, embedder: Embedder) -> None:
        self._identities = identities
        self._sentences = Sentences()
        self._texts = [self._sentences.everyday() for _ in range(_KINDS)]
        self._model = embedder.model_id
        self._vectors = embedder.embed(self._texts)

    async def append(self, journal: Journal, crowd: Crowd, advance: Callable[[int], None]) -> None:
        """Append the memories of these people; `advance` hears how many were written just now."""
        made = self._events(crowd)
        while batch := list(islice(made, _BATCH)):
            await journal.append(batch)
            advance(len(batch) // 2)

    def _events(self, crowd: Crowd) -> Iterator[NewEvent]:
        """Yield what recorded these memories, two events each: all people take turns."""
        chance = np.random.default_rng(crowd.people)
        tenant, person = DEFAULT_TENANT, crowd.person
        users = [self._identities.person(tenant, person(one)).id for one in range(crowd.people)]
        for nth in range(crowd.memories):
            for number, user in enumerate(users):
                kind = int(chance.integers(len(self._texts)))
                memory = self._memory(crowd, number, nth, self._texts[kind])
                noise = chance.standard_normal(self._vectors.shape[1], np.float32)
                vector = self._vectors[kind] + noise * (_MOVED / np.linalg.norm(noise))
                halves = (vector / np.linalg.norm(vector)).astype("<f2").tobytes()
                yield _event(MemoryRecorded(memory=memory), user, memory.id)
                embedded = MemoryEmbedded(
                    tier="semantic", memory_id=memory.id, model=self._model, vectors=(halves,)
                )
                yield _event(embedded, user, memory.id)

    def _memory(self, crowd: Crowd, number: int, nth: int, text: str) -> MemoryDraft:
        rare = " ".join(self._sentences.rare(_RARE_A_MEMORY))
        return MemoryDraft(
            id=crowd.memory(number, nth),
            content=SemanticContent(name=text.split()[0], summary=f"{text}, {rare}"),
            key=f"{nth}",
            provenance=Provenance(message_ids=(f"msg_{crowd.person(number)}_{nth}",)),
        )


def _event(payload: Payload, user: str, memory: str) -> NewEvent:
    id_ = derived_id("evt", type(payload).__name__, memory)
    return NewEvent(
        event_id=id_,
        payload=payload,
        tenant=DEFAULT_TENANT,
        user=user,
        correlation_id=id_,
        producer="semantic_memory",
    )
