"""Score one person's passages by their words: BM25, by tantivy, in memory.

Rules:

1. One index a person. BM25 weighs a word by how many of the indexed texts hold it; in an index of
   many people that would be everybody's texts, and one person's ranking would move with what
   another writes.
2. Two fields a passage: its own terms, and its terms with those of the message before. tantivy
   never cuts text itself: the fields hold what `words_tantivy.terms` says, with spaces between.
3. A change is noted at once and written, all in one commit, by the next search, when `WAITING_MAX`
   wait, or before when the owner has nothing else to do (`refresh`). Nobody ever searches a stale
   index; what a search leaves out anyway need not be written for it.
4. tantivy counts a deleted passage among the texts until it merges, so that a word of it weighs a
   little less than in an index filled afresh. Up to `EXACT_MAX` passages the index is therefore
   made anew when something written was changed or removed. Beyond, that takes too long for a
   search to wait: the owner has it made beside the one in use (`begin_renewal`, `renew`). One who
   does not has it made anew when what is deleted passes a 32nd of what lives.
5. Every commit adds a segment, and each is searched by itself: 100,000 passages that were written
   4,096 at a time take half as long again. So an index is worn as well when a lot was written
   behind what was made in one go.
6. A writer has threads and buffers of its own: opening and closing one takes 7 ms, a commit 4 ms.
   Those of the last `WRITERS_MAX` people written are kept open; all others cost the compressed
   postings.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tantivy import Document, Index, IndexWriter, Occur, Query, Schema, SchemaBuilder, Searcher

from projections.retrieval.scored import NONE_SCORED, Scored

#: Up to so many passages the statistics are always those of an index filled afresh.
EXACT_MAX = 4096
#: So many waiting changes are written without a search: that is the longest a search has to wait.
WAITING_MAX = 4096
#: Indexes whose writers stay open, of those that are held together.
WRITERS_MAX = 8
_DEAD_PER_LIVING = 1 / 32
_BEHIND_PER_LIVING = 1 / 4
#: The least that tantivy accepts; only what is used of it is ever allocated.
_WRITER_HEAP_BYTES = 15_000_000
_ROW, _ALONE, _TOGETHER = "row", "alone", "together"

#: An index of words, for whoever only hands it on.
TantivyIndex: TypeAlias = Index
#: Yields of each row its terms, and its terms with those of the message before; spaces between.
TermsOf = Callable[[Sequence[int]], Iterable[tuple[str, str]]]


def _schema() -> Schema:
    # Signed: deleting by term takes a Python number for that, and finds no unsigned field by it.
    builder = SchemaBuilder().add_integer_field(_ROW, indexed=True, fast=True)
    for field in (_ALONE, _TOGETHER):
        # Positions would serve phrases, which nobody asks for.
        builder = builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


_SCHEMA = _schema()


class Writers:
    """The writers that are open of some indexes, the one used longest ago first.

    Whoever holds these indexes serialises what is done with them, and so with their writers.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[Index, IndexWriter]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def of(self, index: Index) -> IndexWriter:
        """Return the writer of an index, which stays open for a while."""
        _, writer = self._open.pop(id(index), (None, None))
        writer = writer or index.writer(heap_size=_WRITER_HEAP_BYTES, num_threads=1)
        # With the index, so that its id stays its own.
        self._open[id(index)] = (index, writer)
        while len(self._open) > WRITERS_MAX:
            _, (_, oldest) = self._open.popitem(last=False)
            oldest.wait_merging_threads()
        return writer

    def close(self, index: Index | None) -> None:
        """Close the writer of an index that is written no more."""
        _, writer = self._open.pop(id(index), (None, None))
        if writer is not None:
            writer.wait_merging_threads()


class WordIndex:
    """Which rows hold which terms. Rows are small integers given by the shelf.

    Args:
        terms_of: tells the terms of living rows when they are written.
        writers: those of the indexes that are held together with this one.
    """

    def __init__(self, terms_of: TermsOf, writers: Writers | None = None) -> None:
        self._terms_of = terms_of
        self._writers = Writers() if writers is None else writers
        self._waiting: set[int] = set()
        self._deleted: set[int] = set()
        # Every row below was written, or removed before it came to that.
        self._end = 0
        self._dead = 0
        # Rows that are not of the commit by which the index was made, and those that live in all.
        self._behind = 0
        self._living = 0
        # Rows written since a renewal began, and the end of those that it has; None without one.
        self._since: set[int] | None = None
        self._renewed_end = 0
        self._index: Index | None = None
        self._searcher: Searcher | None = None

    def put(self, row: int) -> None:
        """Note that a row is new, or that its terms are others now."""
        self._waiting.add(row)

    def put_all(self, rows: Iterable[int]) -> None:
        """Note that these rows are new."""
        self._waiting.update(rows)

    def remove(self, row: int) -> None:
        """Note that a row is no more."""
        self._waiting.discard(row)
        if row < self._end:
            self._deleted.add(row)

    @property
    def waiting(self) -> int:
        """How many changes the next refresh has to write."""
        return len(self._waiting) + len(self._deleted)

    def refresh(self, live: npt.NDArray[np.bool_], left_out: Collection[int] = ()) -> None:
        """Write what is waiting; nothing when none is, or only new rows that are left out.

        Args:
            live: bool [rows], which rows live.
            left_out: rows that whoever asks does not want to see.
        """
        if not self._deleted and self._waiting.issubset(left_out):
            return
        stale = self._deleted | {row for row in self._waiting if row < self._end}
        living = int(live.sum())
        self._dead += len(stale)
        self._living = living
        if stale and (living <= EXACT_MAX or self._dead > living * _DEAD_PER_LIVING):
            self.close()
            self._write(Index(_SCHEMA), (), np.flatnonzero(live).tolist())
            self._dead, self._behind, self._since = 0, 0, None
        else:
            self._behind += len(self._waiting) if self._index is not None else 0
            if self._since is not None:
                self._since |= stale | self._waiting
            self._write(self._index or Index(_SCHEMA), sorted(stale), sorted(self._waiting))
        self._waiting = set()
        self._deleted = set()
        self._end = len(live)

    @property
    def is_worn(self) -> bool:
        """Whether deleted passages still count in the weights of words, or searches take longer."""
        most = max(EXACT_MAX, self._living * _BEHIND_PER_LIVING)
        return self._dead > 0 or self._behind > most

    def begin_renewal(self, live: npt.NDArray[np.bool_]) -> None:
        """Write what waits, and note from here on what an index of the rows of now will lack."""
        self.refresh(live)
        self._since, self._renewed_end = set(), len(live)

    def renew(self, index: Index, live: npt.NDArray[np.bool_]) -> None:
        """Put an index of the rows of `begin_renewal` in the place of this one.

        What has changed since waits to be written. Passed over when all was made anew meanwhile.
        """
        if self._since is None:
            return
        changed, self._since = self._since | self._waiting | self._deleted, None
        self.close()
        self._index, self._searcher = index, index.searcher()
        self._end, self._dead, self._behind = self._renewed_end, 0, 0
        self._waiting = {row for row in changed if live[row]}
        self._deleted = {row for row in changed if row < self._end and not live[row]}

    def close(self) -> None:
        """Let go of what an open writer holds."""
        self._writers.close(self._index)

    def alone(self, terms: Iterable[str], limit: int, only: Sequence[int] | None = None) -> Scored:
        """Return BM25 of rows by their terms, as of the last `refresh`.

        Args:
            terms: what is looked for; repetitions count once.
            limit: so many of the best rows are scored.
            only: score these rows alone; None: all. A few thousand take 5 ms to tell apart.
        """
        return self._scores(_ALONE, terms, limit, only)

    def together(
        self, terms: Iterable[str], limit: int, only: Sequence[int] | None = None
    ) -> Scored:
        """Return BM25 of rows by their terms and those of the message before, as `alone` does."""
        return self._scores(_TOGETHER, terms, limit, only)

    def frequencies(self, terms: Iterable[str]) -> list[int]:
        """Return how many passages hold each term."""
        searcher = self._searcher
        if searcher is None:
            return [0 for _ in terms]
        return [searcher.doc_freq(_ALONE, term) for term in terms]

    def _scores(
        self, field: str, terms: Iterable[str], limit: int, only: Sequence[int] | None
    ) -> Scored:
        parts = [
            (Occur.Should, Query.term_query(_SCHEMA, field, term, index_option="freq"))
            for term in dict.fromkeys(terms)
        ]
        if self._searcher is None or not parts or not limit:
            return NONE_SCORED
        query = Query.boolean_query(parts)
        if only is not None:
            # Of the rows alone; which of them it is adds nothing to a score.
            among = Query.const_score_query(Query.term_set_query(_SCHEMA, _ROW, only), 0.0)
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, among)])
        # How many there are in all is not asked: it would have every one of them scored.
        hits = self._searcher.search(query, limit=limit, count=False).hits
        rows = self._searcher.fast_field_values(_ROW, [address for _, address in hits])
        scores = np.array([score for score, _ in hits], np.float32)
        return Scored(np.array(rows, np.int64), scores)

    def _write(self, index: Index, stale: Iterable[int], rows: Sequence[int]) -> None:
        _prepare(index)
        writer = self._writers.of(index)
        for row in stale:
            writer.delete_documents_by_term(_ROW, row)
        _put(writer, zip(rows, self._terms_of(rows), strict=True))
        index.reload()
        self._index = index
        self._searcher = index.searcher()


def filled_afresh(texts: Iterable[tuple[int, tuple[str, str]]]) -> Index:
    """Return an index of rows with their terms, alone and together; on any thread."""
    index = Index(_SCHEMA)
    _prepare(index)
    writer = index.writer(heap_size=_WRITER_HEAP_BYTES, num_threads=1)
    _put(writer, texts)
    writer.wait_merging_threads()
    index.reload()
    return index


def _prepare(index: Index) -> None:
    # Otherwise every commit would start a thread to reload what is reloaded by hand.
    index.config_reader(reload_policy="manual")


def _put(writer: IndexWriter, texts: Iterable[tuple[int, tuple[str, str]]]) -> None:
    for row, (alone, together) in texts:
        writer.add_document(Document(row=row, alone=alone, together=together))
    writer.commit()
