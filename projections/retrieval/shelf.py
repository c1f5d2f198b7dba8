"""One person's passages: what was added, how messages follow each other, words and vectors.

Where a message stands in its session follows from its log position alone, and nothing else here
depends on the order in which things came: a shelf after any history equals one filled afresh (the
weights of words on a large one excepted, see `word_index_tantivy`).
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Iterator
from datetime import date

import msgspec
import numpy as np

from projections.faiss_index import VectorIndex
from projections.retrieval.columns import NONE, Columns, Floats
from projections.retrieval.passage import CONVERSATION, Passage, Vector
from projections.retrieval.question import day_number, is_question, speaks_of_time
from projections.retrieval.word_index_tantivy import WAITING_MAX, WordIndex
from projections.retrieval.words_tantivy import terms

SessionKey = tuple[str, int]
_HASH_BYTES = 32
_HASH_MODULUS = 1 << (8 * _HASH_BYTES)


class StoredPassage(msgspec.Struct, frozen=True, array_like=True):
    """A passage as a snapshot keeps it; `vector` is float16, little endian, empty without one."""

    passage: Passage
    vector: bytes


class Shelf:
    """The passages of one person. Rows are numbered in the order they came and never reused."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.passages: list[Passage | None] = []
        self.rows: dict[str, dict[int, int]] = {}
        self._words = WordIndex(self._terms_of)
        self._last_cut: tuple[int, list[str]] = (NONE, [])
        self.vectors: VectorIndex | None = None
        self.speakers: dict[str, int] = {}
        self.tiers: dict[str, int] = {}
        #: Rows of the memories drawn from a message, and of those whose place a memory took.
        self.drawn: dict[str, set[int]] = {}
        self.replaced: dict[str, set[int]] = {}
        self.dead = 0
        self._sessions: dict[SessionKey, int] = {}
        self._chains: dict[int, list[tuple[int, str, int]]] = {}
        self._digest = 0

    def __len__(self) -> int:
        return self.columns.size - self.dead

    def add(self, passage: Passage) -> None:
        """Add a passage, or put it in the place of the one of its id and ordinal.

        What comes in place of another needs a vector of its own.
        """
        self.remove(passage.id, passage.ordinal)
        row = self.columns.append(
            live=True,
            ended=passage.ended_at is not None,
            asks=is_question(passage.text),
            timely=bool(passage.occurred_at) or speaks_of_time(passage.text),
            length=len(terms(passage.text)),
            speaker=self.speakers.setdefault(passage.speaker, len(self.speakers)),
            tier=self.tiers.setdefault(passage.tier, len(self.tiers)),
            said_s=passage.said_at.timestamp(),
            day=_day_of(passage),
            position=passage.position,
            ordinal=passage.ordinal,
        )
        self.passages.append(passage)
        self.rows.setdefault(passage.id, {})[passage.ordinal] = row
        self._words.put(row)
        if passage.tier == CONVERSATION:
            self._link(row, passage)
        for known, id in _origins(self, passage):
            known.setdefault(id, set()).add(row)
        self._digest += _digest_of(passage)
        if self._words.waiting >= WAITING_MAX:
            self._words.refresh(self.columns["live"])

    def amend(self, passage: Passage) -> None:
        """Put a passage that says the same in the place of the old one, which leaves its vector."""
        row = self.row_of(passage.id, passage.ordinal)
        vector = None if row is None else self.vector_of(row)
        self.add(passage)
        if vector is not None:
            self.set_vector(passage.id, passage.ordinal, vector)

    def remove(self, id: str, ordinal: int) -> None:
        """Take a passage out; passed over when it is not there."""
        row = self.row_of(id, ordinal)
        if row is not None:
            self._take_out(row)

    def set_vector(self, id: str, ordinal: int, vector: Vector) -> None:
        """Give a passage its vector, float32 [dimension]; kept in half precision.

        Passed over when the passage is not there, and when vectors of another dimension are: those
        of two models do not compare, and the passage stays findable by its words.
        """
        row = self.row_of(id, ordinal)
        half = vector.astype("<f2")
        if self.vectors is None or not len(self.vectors):
            self.vectors = VectorIndex(len(half))
        if row is None or len(half) != self.vectors.dimension:
            return
        if row in self.vectors:
            self._digest -= _digest_of_vector(id, ordinal, self.vector_bytes(row))
        self.vectors.put(row, half.astype(np.float32))
        self._digest += _digest_of_vector(id, ordinal, half.tobytes())

    def row_of(self, id: str, ordinal: int) -> int | None:
        """Return the row of a passage, or None."""
        return self.rows.get(id, {}).get(ordinal)

    def vector_of(self, row: int) -> Vector | None:
        """Return the vector of a row, or None while it has none."""
        if self.vectors is None or row not in self.vectors:
            return None
        return self.vectors.get(row)

    def vector_bytes(self, row: int) -> bytes:
        """Return the vector of a row as events carry it, empty while it has none."""
        vector = self.vector_of(row)
        return b"" if vector is None else vector.astype("<f2").tobytes()

    def bm25(self, query: str, limit: int) -> Floats:
        """Score the text of the `limit` best rows by words; float32 [rows], 0 for the others."""
        return self._words.alone(terms(query), self.columns["live"], limit)

    def bm25_together(self, query: str, limit: int) -> Floats:
        """Score texts together with the message before each, as `bm25` does."""
        return self._words.together(terms(query), self.columns["live"], limit)

    def frequencies(self, terms: tuple[str, ...]) -> list[int]:
        """Return how many passages hold each term."""
        return self._words.frequencies(terms, self.columns["live"])

    def digest(self) -> bytes:
        """Return a hash over ids, texts, metadata and vectors, kept up with every change.

        The sum of the passages' hashes (Bellare and Micciancio 1997, AdHash): order plays no part.
        """
        return (self._digest % _HASH_MODULUS).to_bytes(_HASH_BYTES)

    def contents(self) -> list[StoredPassage]:
        """Return what is needed to fill an equal shelf, in order of log position."""
        rows = [row for ordinals in self.rows.values() for row in ordinals.values()]
        stored = [
            StoredPassage(passage, self.vector_bytes(row))
            for row in rows
            if (passage := self.passages[row]) is not None
        ]
        return sorted(stored, key=lambda s: (s.passage.position, s.passage.id, s.passage.ordinal))

    def _take_out(self, row: int) -> None:
        passage = self.passages[row]
        if passage is None:
            return
        self._digest -= _digest_of(passage)
        if self.vectors is not None and row in self.vectors:
            self._digest -= _digest_of_vector(passage.id, passage.ordinal, self.vector_bytes(row))
            self.vectors.remove([row])
        if passage.tier == CONVERSATION:
            self._unlink(row, passage)
        for known, id in _origins(self, passage):
            known[id].discard(row)
            if not known[id]:
                del known[id]
        self.columns["live"][row] = False
        self.passages[row] = None
        self._words.remove(row)
        self.dead += 1
        del self.rows[passage.id][passage.ordinal]
        if not self.rows[passage.id]:
            del self.rows[passage.id]

    def _link(self, row: int, passage: Passage) -> None:
        """Put a message into its session: one conversation on one day (UTC)."""
        key = (passage.conversation, day_number(passage.said_at))
        session = self._sessions.setdefault(key, len(self._sessions))
        self.columns["session"][row] = session
        chain = self._chains.setdefault(session, [])
        link = (passage.position, passage.id, row)
        insort(chain, link)
        at = len(chain) - 1 if chain[-1] == link else chain.index(link)
        self._join(chain[at - 1][2] if at else NONE, row)
        self._join(row, chain[at + 1][2] if at + 1 < len(chain) else NONE)

    def _unlink(self, row: int, passage: Passage) -> None:
        chain = self._chains[int(self.columns["session"][row])]
        chain.remove((passage.position, passage.id, row))
        self._join(int(self.columns["before"][row]), int(self.columns["after"][row]))

    def _join(self, first: int, second: int) -> None:
        if first != NONE:
            self.columns["after"][first] = second
        if second != NONE:
            self.columns["before"][second] = first
            self._words.put(second)

    def _terms_of(self, row: int) -> tuple[list[str], list[str]]:
        """Return the terms of a row, and those with the terms of the message before it."""
        before = int(self.columns["before"][row])
        # The one before first: in order of rows it is the last one that was cut.
        context = [] if before == NONE else self._cut(before)
        own = self._cut(row)
        return own, own + context

    def _cut(self, row: int) -> list[str]:
        if self._last_cut[0] != row:
            passage = self.passages[row]
            self._last_cut = (row, terms(passage.text) if passage is not None else [])
        return self._last_cut[1]


def _origins(shelf: Shelf, passage: Passage) -> Iterator[tuple[dict[str, set[int]], str]]:
    """Yield where a memory is noted: under its messages, and under what took its place."""
    if passage.tier != CONVERSATION:
        yield from ((shelf.drawn, message) for message in passage.message_ids)
    if passage.superseded_by:
        yield shelf.replaced, passage.superseded_by


_encoder = msgspec.msgpack.Encoder()


def _digest_of(passage: Passage) -> int:
    raw = _encoder.encode(passage)
    return int.from_bytes(hashlib.blake2b(raw, digest_size=_HASH_BYTES, person=b"passage").digest())


def _digest_of_vector(id: str, ordinal: int, vector: bytes) -> int:
    raw = _encoder.encode((id, ordinal, vector))
    return int.from_bytes(hashlib.blake2b(raw, digest_size=_HASH_BYTES, person=b"vector").digest())


def _day_of(passage: Passage) -> int:
    """Return the day a passage speaks of: `occurred_at` if it gives one, else when it was said."""
    try:
        return day_number(date.fromisoformat(passage.occurred_at[:10]))
    except ValueError:
        return day_number(passage.said_at)
