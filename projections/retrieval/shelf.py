"""One person's passages: what was added, how messages follow each other, words and vectors.

Where a message stands in its session follows from its log position alone, and nothing else here
depends on the order in which things came: a shelf after any history equals one filled afresh (the
weights of words on a large one excepted, see `word_index_tantivy`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec
import numpy as np

from projections.faiss_index import VectorIndex
from projections.retrieval.columns import NONE, Columns, Floats
from projections.retrieval.passage import CONVERSATION, Passage, Vector
from projections.retrieval.question import day_number, is_question, speaks_of_time
from projections.retrieval.sessions import Sessions
from projections.retrieval.word_index_tantivy import WAITING_MAX, WordIndex
from projections.retrieval.words_tantivy import terms


class StoredShelf(msgspec.Struct, frozen=True, array_like=True):
    """A shelf as a snapshot keeps it: lists and arrays with one entry a passage, in log order.

    What is slow to find in a text is kept beside it: `terms` has its terms with spaces between,
    `timely` and `embedded` a byte each, 1 when it speaks of time and when it has a vector.
    `vectors` are float16, little endian, [those embedded, dimension].
    """

    passages: list[Passage]
    terms: list[str]
    timely: bytes
    embedded: bytes
    vectors: memoryview


class Shelf:
    """The passages of one person. Rows are numbered in the order they came and never reused."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.passages: list[Passage | None] = []
        #: The terms of each row with spaces between, in the order of its text.
        self.terms: list[str] = []
        self.rows: dict[str, dict[int, int]] = {}
        self.vectors: VectorIndex | None = None
        self.speakers: dict[str, int] = {}
        self.tiers: dict[str, int] = {}
        #: Rows of the memories drawn from a message, and of those whose place a memory took.
        self.drawn: dict[str, set[int]] = {}
        self.replaced: dict[str, set[int]] = {}
        self.dead = 0
        self._words = WordIndex(self._terms_of)
        self._sessions = Sessions(self.columns, self._words.put)

    @classmethod
    def filled(cls, stored: StoredShelf) -> Shelf:
        """Return a shelf with what was stored, equal to the one it was stored of."""
        shelf = cls()
        shelf._fill(stored)
        return shelf

    def __len__(self) -> int:
        return self.columns.size - self.dead

    def add(self, passage: Passage) -> None:
        """Add a passage, or put it in the place of the one of its id and ordinal.

        What comes in place of another needs a vector of its own.
        """
        self.remove(passage.id, passage.ordinal)
        words = " ".join(terms(passage.text))
        row = self.columns.append(
            live=True,
            ended=passage.ended_at is not None,
            resting=passage.resting,
            asks=is_question(passage.text),
            timely=bool(passage.occurred_at) or speaks_of_time(passage.text),
            length=_count(words),
            speaker=self.speakers.setdefault(passage.speaker, len(self.speakers)),
            tier=self.tiers.setdefault(passage.tier, len(self.tiers)),
            said_s=passage.said_at.timestamp(),
            day=_day_of(passage),
            position=passage.position,
            ordinal=passage.ordinal,
        )
        self.passages.append(passage)
        self.terms.append(words)
        self.rows.setdefault(passage.id, {})[passage.ordinal] = row
        self._words.put(row)
        if passage.tier == CONVERSATION:
            self._sessions.link(row, passage)
        for known, id in _origins(self, passage):
            known.setdefault(id, set()).add(row)
        self._write_words()

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
        if self.vectors is None or not len(self.vectors):
            self.vectors = VectorIndex(len(vector))
        if row is not None and len(vector) == self.vectors.dimension:
            self.vectors.put(row, vector)

    def row_of(self, id: str, ordinal: int) -> int | None:
        """Return the row of a passage, or None."""
        return self.rows.get(id, {}).get(ordinal)

    def vector_of(self, row: int) -> Vector | None:
        """Return the vector of a row, or None while it has none."""
        if self.vectors is None or row not in self.vectors:
            return None
        return self.vectors.get(row)

    def write_words(self, left_out: Iterable[str] = ()) -> None:
        """Write what the words of a search need; rows of the ids left out need not be in it."""
        rows = {row for id in left_out for row in self.rows.get(id, {}).values()}
        self._words.refresh(self.columns["live"], rows)

    @property
    def has_words_waiting(self) -> bool:
        """Whether the next search has words to write first."""
        return self._words.waiting > 0

    def close(self) -> None:
        """Let go of what stays open between two changes; call it when the shelf is dropped."""
        self._words.close()

    def bm25(self, query: str, limit: int) -> Floats:
        """Score the text of the `limit` best rows by words; float32 [rows], 0 for the others."""
        return self._words.alone(terms(query), self.columns["live"], limit)

    def bm25_together(self, query: str, limit: int) -> Floats:
        """Score texts together with the message before each, as `bm25` does."""
        return self._words.together(terms(query), self.columns["live"], limit)

    def frequencies(self, terms: tuple[str, ...]) -> list[int]:
        """Return how many passages hold each term."""
        return self._words.frequencies(terms)

    def stored(self) -> StoredShelf:
        """Return what is needed to fill an equal shelf; equal shelves are stored alike."""
        living = [(row, one) for row, one in enumerate(self.passages) if one is not None]
        living.sort(key=lambda at: (at[1].position, at[1].id, at[1].ordinal))
        rows = np.array([row for row, _ in living], np.int64)
        embedded = np.zeros(len(rows), np.bool_)
        vectors = memoryview(b"")
        if self.vectors is not None:
            embedded[:] = [row in self.vectors for row, _ in living]
            vectors = self.vectors.halves(rows[embedded]).reshape(-1).view(np.uint8).data
        return StoredShelf(
            passages=[passage for _, passage in living],
            terms=[self.terms[row] for row, _ in living],
            timely=self.columns["timely"][rows].tobytes(),
            embedded=embedded.tobytes(),
            vectors=vectors,
        )

    def _fill(self, stored: StoredShelf) -> None:
        passages = stored.passages
        self.columns.extend(
            len(passages),
            live=True,
            ended=[one.ended_at is not None for one in passages],
            resting=[one.resting for one in passages],
            asks=[is_question(one.text) for one in passages],
            timely=np.frombuffer(stored.timely, np.bool_),
            length=[_count(words) for words in stored.terms],
            speaker=[self.speakers.setdefault(p.speaker, len(self.speakers)) for p in passages],
            tier=[self.tiers.setdefault(one.tier, len(self.tiers)) for one in passages],
            said_s=[one.said_at.timestamp() for one in passages],
            day=[_day_of(one) for one in passages],
            position=[one.position for one in passages],
            ordinal=[one.ordinal for one in passages],
        )
        self.passages.extend(passages)
        self.terms.extend(stored.terms)
        for row, passage in enumerate(passages):
            self.rows.setdefault(passage.id, {})[passage.ordinal] = row
            for known, id in _origins(self, passage):
                known.setdefault(id, set()).add(row)
        self._words.put_all(range(len(passages)))
        self._sessions.link_all(passages)
        embedded = np.flatnonzero(np.frombuffer(stored.embedded, np.bool_))
        if len(embedded):
            halves = np.frombuffer(stored.vectors, "<f2").reshape(len(embedded), -1)
            self.vectors = VectorIndex(halves.shape[1])
            self.vectors.put_many(embedded, halves)
        self._write_words()

    def _take_out(self, row: int) -> None:
        passage = self.passages[row]
        if passage is None:
            return
        if self.vectors is not None:
            self.vectors.remove([row])
        if passage.tier == CONVERSATION:
            self._sessions.unlink(row, passage)
        for known, id in _origins(self, passage):
            known[id].discard(row)
            if not known[id]:
                del known[id]
        self.columns["live"][row] = False
        self.passages[row] = None
        self.terms[row] = ""
        self._words.remove(row)
        self.dead += 1
        del self.rows[passage.id][passage.ordinal]
        if not self.rows[passage.id]:
            del self.rows[passage.id]

    def _write_words(self) -> None:
        """Bound how long a search has to wait for its words to be written."""
        if self._words.waiting >= WAITING_MAX:
            self._words.refresh(self.columns["live"])

    def _terms_of(self, rows: Sequence[int]) -> Iterator[tuple[str, str]]:
        """Yield the terms of each row, and those with the terms of the message before it."""
        befores: list[int] = self.columns["before"][rows].tolist()
        for row, before in zip(rows, befores, strict=True):
            own = self.terms[row]
            yield own, own if before == NONE else f"{own} {self.terms[before]}"


def _origins(shelf: Shelf, passage: Passage) -> Iterator[tuple[dict[str, set[int]], str]]:
    """Yield where a memory is noted: under its messages, and under what took its place."""
    if passage.tier != CONVERSATION:
        yield from ((shelf.drawn, message) for message in passage.message_ids)
    if passage.superseded_by:
        yield shelf.replaced, passage.superseded_by


def _count(words: str) -> int:
    """Return how many terms there are in terms with spaces between."""
    return words.count(" ") + 1 if words else 0


def _day_of(passage: Passage) -> int:
    """Return the day a passage speaks of: `occurred_at` if it gives one, else when it was said."""
    if not passage.occurred_at:
        return day_number(passage.said_at)
    try:
        return day_number(date.fromisoformat(passage.occurred_at[:10]))
    except ValueError:
        return day_number(passage.said_at)
