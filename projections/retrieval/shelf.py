"""One person's passages: what was added, how messages follow each other, words and vectors.

Where a message stands in its session follows from its log position alone, and nothing else here
depends on the order in which things came: a shelf after any history equals one filled afresh (the
weights of words on a large one only once it was renewed, see `word_index_tantivy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial

import msgspec
import numpy as np

from projections.faiss_index import VectorIndex
from projections.retrieval.codes import Codes, TagCodes
from projections.retrieval.columns import NONE, Columns
from projections.retrieval.kinds import Kind, kinds_held
from projections.retrieval.model_vectors import ModelVectors, StoredVectors
from projections.retrieval.passage import CONVERSATION, Passage, Vector
from projections.retrieval.question import asking_share, day_number, is_question
from projections.retrieval.scored import Scored
from projections.retrieval.sessions import Sessions
from projections.retrieval.term_ids import TermIds
from projections.retrieval.word_index_tantivy import (
    WAITING_MAX,
    TantivyIndex,
    WordIndex,
    Writers,
    filled_afresh,
)
from projections.retrieval.words_tantivy import terms


class StoredShelf(msgspec.Struct, frozen=True, array_like=True):
    """A shelf as a snapshot keeps it: lists and arrays with one entry a passage, in log order.

    What is slow to find in a text is kept beside it: `terms` has its terms with spaces between,
    `kinds` a byte each, the kinds of things in it (`kinds.Kind`).
    """

    passages: list[Passage]
    terms: list[str]
    kinds: bytes
    vectors: StoredVectors


class Shelf:
    """The passages of one person, each in a row. A row that gets free goes to the next passage."""

    def __init__(self, writers: Writers | None = None) -> None:
        self.columns = Columns()
        self.passages: list[Passage | None] = []
        #: The terms of each row with spaces between, in the order of its text.
        self.terms: list[str] = []
        self.term_ids = TermIds()
        self.rows: dict[str, dict[int, int]] = {}
        self._models = ModelVectors()
        self.speakers: Codes[str] = Codes()
        self.assistants: Codes[str] = Codes()
        self.tags = TagCodes()
        self.tiers: dict[str, int] = {}
        #: Rows of the memories drawn from a message, and of those whose place a memory took.
        self.drawn: dict[str, set[int]] = {}
        self.replaced: dict[str, set[int]] = {}
        self._words = WordIndex(self._terms_of, writers)
        self._sessions = Sessions(self.columns, self._words.put)

    @classmethod
    def filled(cls, stored: StoredShelf, writers: Writers | None = None) -> Shelf:
        """Return a shelf with what was stored, equal to the one it was stored of."""
        shelf = cls(writers)
        shelf._fill(stored)
        return shelf

    def __len__(self) -> int:
        return self.columns.size - self.dead

    @property
    def dead(self) -> int:
        """How many rows are free."""
        return len(self.columns.free)

    def add(self, passage: Passage) -> None:
        """Add a passage, or put it in the place of the one of its id and ordinal.

        What comes in place of another needs a vector of its own.
        """
        self.remove(passage.id, passage.ordinal)
        words = " ".join(terms(passage.text))
        row = self.columns.append(
            live=True,
            speaker=self.speakers.hold(passage.speaker),
            tier=self.tiers.setdefault(passage.tier, len(self.tiers)),
            source=self._row_of_source(passage),
            position=passage.position,
            ordinal=passage.ordinal,
        )
        if row == len(self.passages):
            self.passages.append(None)
            self.terms.append("")
        self._write(row, passage, words)
        self.rows.setdefault(passage.id, {})[passage.ordinal] = row
        self._words.put(row)
        if passage.tier == CONVERSATION:
            self._sessions.link(row, passage)
        if passage.ordinal == 0:
            self._found_source(passage.id, row)
        self._write_words()

    def amend(self, passage: Passage) -> None:
        """Put a passage that says the same in the place of the old one, which leaves its vector."""
        row = self.row_of(passage.id, passage.ordinal)
        old = None if row is None else self.passages[row]
        if row is None or old is None or _standing(old) != _standing(passage):
            vectors = {} if row is None else self._models.of(row)
            self.add(passage)
            for model, vector in vectors.items():
                self.set_vector(passage.id, passage.ordinal, vector, model)
            return
        words = self.terms[row]
        if passage.text != old.text:
            words = " ".join(terms(passage.text))
            self._words.put(row)
            if (after := int(self.columns["after"][row])) != NONE:
                self._words.put(after)
        self._erase(row, old)
        self._write(row, passage, words)
        self._write_words()

    def remove(self, id: str, ordinal: int) -> None:
        """Take a passage out; passed over when it is not there."""
        row = self.row_of(id, ordinal)
        if row is not None:
            self._take_out(row)

    def set_vector(self, id: str, ordinal: int, vector: Vector, model: str = "") -> None:
        """Give a passage its vector, float32 [dimension]; kept in half precision.

        Passed over when the passage is not there, and when the person's vectors are of other
        models: it stays findable by its words.
        """
        row = self.row_of(id, ordinal)
        if row is not None:
            self._models.put(row, vector, model)

    @property
    def vectors(self) -> VectorIndex | None:
        """The vectors that searches use, all of one model."""
        return self._models.searched

    @property
    def models(self) -> tuple[str, ...]:
        """The models that each passage is to have a vector of; the first is searched by."""
        return self._models.models

    def move_to(self, model: str) -> None:
        """Begin to gather the vectors of another model beside those that are searched by."""
        self._models.move_to(model)

    def switch(self, model: str) -> None:
        """Search by the vectors of the model that was moved to; those of the old one go."""
        self._models.switch(model)

    def lacking(self, model: str, id: str | None = None) -> list[Passage]:
        """Return the passages, all or those of an id, that have no vector of a model."""
        rows = range(len(self.passages)) if id is None else self.rows.get(id, {}).values()
        living = ((row, one) for row in rows if (one := self.passages[row]) is not None)
        return [passage for row, passage in living if not self._models.has(row, model)]

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

    @property
    def has_worn_words(self) -> bool:
        """Whether the words' index should be made anew (`word_index_tantivy`)."""
        return self._words.is_worn

    def begin_renewal(self) -> Callable[[], TantivyIndex]:
        """Return what makes the words' index anew, on any thread, of the texts as they are now."""
        live = self.columns["live"]
        self._words.begin_renewal(live)
        rows: list[int] = np.flatnonzero(live).tolist()
        texts = _together(rows, self.columns["before"][rows].tolist(), list(self.terms))
        return partial(filled_afresh, zip(rows, texts, strict=True))

    def renew(self, words: TantivyIndex) -> None:
        """Put a words' index that was made anew in the place of the one in use."""
        self._words.renew(words, self.columns["live"])

    def close(self) -> None:
        """Let go of what stays open between two changes; call it when the shelf is dropped."""
        self._words.close()

    def bm25(self, query: str, limit: int, only: Sequence[int] | None = None) -> Scored:
        """Score the text of the `limit` best rows by words; with `only`, of these rows alone."""
        return self._words.alone(terms(query), limit, only)

    def bm25_together(self, query: str, limit: int, only: Sequence[int] | None = None) -> Scored:
        """Score texts together with the message before each, as `bm25` does."""
        return self._words.together(terms(query), limit, only)

    def frequencies(self, terms: tuple[str, ...]) -> list[int]:
        """Return how many passages hold each term."""
        return self._words.frequencies(terms)

    def stored(self) -> StoredShelf:
        """Return what is needed to fill an equal shelf; equal shelves are stored alike."""
        living = [(row, one) for row, one in enumerate(self.passages) if one is not None]
        living.sort(key=lambda at: (at[1].position, at[1].id, at[1].ordinal))
        rows = np.array([row for row, _ in living], np.int64)
        return StoredShelf(
            passages=[passage for _, passage in living],
            terms=[self.terms[row] for row, _ in living],
            kinds=self.columns["kinds"][rows].tobytes(),
            vectors=self._models.stored(rows),
        )

    def _fill(self, stored: StoredShelf) -> None:
        passages = stored.passages
        self.columns.extend(
            len(passages),
            live=True,
            ended=[one.ended_at is not None for one in passages],
            resting=[one.resting for one in passages],
            asks=[is_question(one.text) for one in passages],
            asking=[asking_share(one.text) for one in passages],
            kinds=np.frombuffer(stored.kinds, np.uint8),
            length=[_count(words) for words in stored.terms],
            speaker=[self.speakers.hold(one.speaker) for one in passages],
            assistant=[self.assistants.hold(one.assistant) for one in passages],
            tags=[self.tags.hold(one.tags) for one in passages],
            tier=[self.tiers.setdefault(one.tier, len(self.tiers)) for one in passages],
            said_s=[one.said_at.timestamp() for one in passages],
            day=[_day_of(one) for one in passages],
            position=[one.position for one in passages],
            ordinal=[one.ordinal for one in passages],
        )
        self.passages.extend(passages)
        self.terms.extend(stored.terms)
        self.term_ids.extend(stored.terms)
        for row, passage in enumerate(passages):
            self.rows.setdefault(passage.id, {})[passage.ordinal] = row
            for known, id in _origins(self, passage):
                known.setdefault(id, set()).add(row)
        self.columns["source"][:] = [self._row_of_source(one) for one in passages]
        self._words.put_all(range(len(passages)))
        self._sessions.link_all(passages)
        self._models = ModelVectors.filled(stored.vectors)
        self._write_words()

    def _take_out(self, row: int) -> None:
        passage = self.passages[row]
        if passage is None:
            return
        self._models.remove(row)
        if passage.tier == CONVERSATION:
            self._sessions.unlink(row, passage)
        if passage.ordinal == 0:
            self._found_source(passage.id, NONE)
        self._erase(row, passage)
        self.speakers.release(passage.speaker)
        self.passages[row] = None
        self.terms[row] = ""
        self.term_ids.set(row, "")
        self._words.remove(row)
        self.columns.release(row)
        del self.rows[passage.id][passage.ordinal]
        if not self.rows[passage.id]:
            del self.rows[passage.id]

    def _write(self, row: int, passage: Passage, words: str) -> None:
        """Put into a row what may change while a passage stays where it stands."""
        self.passages[row] = passage
        self.terms[row] = words
        self.term_ids.set(row, words)
        self.columns.set(
            row,
            ended=passage.ended_at is not None,
            resting=passage.resting,
            asks=is_question(passage.text),
            asking=asking_share(passage.text),
            kinds=_kinds_of(passage),
            length=_count(words),
            assistant=self.assistants.hold(passage.assistant),
            tags=self.tags.hold(passage.tags),
            said_s=passage.said_at.timestamp(),
            day=_day_of(passage),
        )
        for known, id in _origins(self, passage):
            known.setdefault(id, set()).add(row)

    def _erase(self, row: int, passage: Passage) -> None:
        """Take back what `_write` noted outside of the row."""
        self.assistants.release(passage.assistant)
        self.tags.release(passage.tags)
        for known, id in _origins(self, passage):
            known[id].discard(row)
            if not known[id]:
                del known[id]

    def _row_of_source(self, passage: Passage) -> int:
        """Return the row of the message that a memory was drawn from, or `NONE`."""
        if passage.tier == CONVERSATION or not passage.message_ids:
            return NONE
        row = self.row_of(passage.message_ids[0], 0)
        return NONE if row is None else row

    def _found_source(self, id: str, row: int) -> None:
        """Note the row of a message, or that it is no more, with the memories drawn from it."""
        for drawn in self.drawn.get(id, ()):
            memory = self.passages[drawn]
            if memory is not None and memory.message_ids[0] == id:
                self.columns["source"][drawn] = row

    def _write_words(self) -> None:
        """Bound how long a search has to wait for its words to be written."""
        if self._words.waiting >= WAITING_MAX:
            self._words.refresh(self.columns["live"])

    def _terms_of(self, rows: Sequence[int]) -> Iterator[tuple[str, str]]:
        return _together(rows, self.columns["before"][rows].tolist(), self.terms)


def _together(
    rows: Sequence[int], befores: Sequence[int], terms: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the terms of each row, and those with the terms of the message before it."""
    for row, before in zip(rows, befores, strict=True):
        own = terms[row]
        yield own, own if before == NONE else f"{own} {terms[before]}"


def _standing(passage: Passage) -> tuple[object, ...]:
    """Return what decides where a passage stands among the others."""
    return (
        passage.tier,
        passage.conversation,
        passage.speaker,
        passage.said_at,
        passage.position,
        passage.message_ids,
    )


def _origins(shelf: Shelf, passage: Passage) -> Iterator[tuple[dict[str, set[int]], str]]:
    """Yield where a memory is noted: under its messages, and under what took its place."""
    if passage.tier != CONVERSATION:
        yield from ((shelf.drawn, message) for message in passage.message_ids)
    if passage.superseded_by:
        yield shelf.replaced, passage.superseded_by


def _kinds_of(passage: Passage) -> Kind:
    """Return the kinds of things in a passage; one of a known date has a time in it."""
    return kinds_held(passage.text) | (Kind.TIME if passage.occurred_at else Kind(0))


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
