"""One person's words in tantivy: scores, refreshes, threads."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from projections.retrieval import word_index_tantivy
from projections.retrieval.columns import Floats
from projections.retrieval.scored import Scored
from projections.retrieval.word_index_tantivy import WordIndex, Writers, filled_afresh

TEXTS = ["red kite", "red red boat", "green boat", "kite"]
THREADS = Path(f"/proc/{os.getpid()}/task")


class Shelf:
    """Texts by row, each following the one before it; a text of None was removed."""

    def __init__(self, texts: list[str], writers: Writers | None = None) -> None:
        self.texts: list[str | None] = []
        self.words = WordIndex(self.terms_of, writers)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        self.texts.append(text)
        self.words.put(len(self.texts) - 1)

    def remove(self, row: int) -> None:
        self.texts[row] = None
        self.words.remove(row)
        if row + 1 < len(self.texts):
            self.words.put(row + 1)

    def terms_of(self, rows: Sequence[int]) -> Iterator[tuple[str, str]]:
        for row in rows:
            own = self.texts[row] or ""
            before = (self.texts[row - 1] or "") if row else ""
            yield own, f"{own} {before}"

    def alone(self, query: str, limit: int = 100) -> Floats:
        self.words.refresh(self.live)
        return self.every(self.words.alone(query.split(), limit))

    def together(self, query: str, limit: int = 100) -> Floats:
        self.words.refresh(self.live)
        return self.every(self.words.together(query.split(), limit))

    def every(self, found: Scored) -> Floats:
        scores = np.zeros(len(self.texts), np.float32)
        scores[found.rows] = found.scores
        return scores

    @property
    def live(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([text is not None for text in self.texts], np.bool_)


@pytest.fixture
def inexact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every index as too large to be made anew at each removal."""
    monkeypatch.setattr(word_index_tantivy, "EXACT_MAX", 0)
    monkeypatch.setattr(word_index_tantivy, "_DEAD_PER_LIVING", 1 / 8)


def test_score_is_that_of_bm25() -> None:
    """Against the formula, k1 1.2 and b 0.75; the engine's factor of k1 + 1 stays in."""
    idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    wanted = [2.2 * idf * tf / (tf + 1.2 * (0.25 + 0.75 * n / 2)) for tf, n in ((1, 2), (2, 3))]
    assert Shelf(TEXTS).alone("red").tolist() == pytest.approx([*wanted, 0, 0])
    assert Shelf(TEXTS).alone("red red").tolist() == pytest.approx([*wanted, 0, 0])


def test_score_together_is_that_of_both_texts_when_one_follows_the_other() -> None:
    """A row and the one before it score as if they were one text."""
    both = [" ".join(TEXTS[max(row - 1, 0) : row + 1]) for row in range(4)]
    found = Shelf(TEXTS).together("red kite").tolist()
    assert found == pytest.approx(Shelf(both).alone("red kite").tolist())


def test_text_is_found_at_once_when_added_after_a_search() -> None:
    """No search is answered from a stale index."""
    shelf = Shelf(TEXTS)
    assert not shelf.alone("lantern").any()
    shelf.add("lantern")
    assert shelf.alone("lantern").nonzero()[0].tolist() == [4]
    assert shelf.words.waiting == 0


def test_removed_row_leaves_no_trace_in_the_statistics() -> None:
    """Scores equal those of an index that never had it, of the next row's context as well."""
    shelf = Shelf([*TEXTS, "red boat", "end"])
    shelf.alone("red")
    shelf.remove(4)
    alone, together = shelf.alone("red end"), shelf.together("red boat end")
    never = Shelf(TEXTS)
    never.texts.append(None)
    never.add("end")
    assert alone.tolist() == never.alone("red end").tolist()
    assert together.tolist() == never.together("red boat end").tolist()


@pytest.mark.usefixtures("inexact")
def test_removed_row_is_not_found_when_the_index_is_large() -> None:
    """What is deleted is gone at once; the statistics follow when an eighth is dead."""
    texts = [f"all only{row}" for row in range(40)]
    shelf, fresh = Shelf(texts), Shelf(texts)
    exact = []
    assert shelf.alone("all").all()
    for row in range(3):
        shelf.remove(row)
        fresh.remove(row)
        fresh.words = WordIndex(fresh.terms_of)
        for living in range(row + 1, 40):
            fresh.words.put(living)
        assert not shelf.alone(f"only{row}").any()
        assert shelf.alone("all").astype(bool).tolist() == shelf.live.tolist()
        exact.append(shelf.alone("only20").tolist() == fresh.alone("only20").tolist())
    # A removal writes the next row anew as well: dead are 2, 4, then 6 of 37.
    assert exact == [False, False, True]


@pytest.mark.usefixtures("inexact")
def test_index_is_worn_when_much_was_written_behind_what_was_made_in_one_go() -> None:
    """Made anew, it holds the same in one segment; what came meanwhile is written behind it."""
    shelf = Shelf([f"red only{row}" for row in range(8)])
    shelf.alone("red")
    worn = []
    for row in range(3):
        shelf.add(f"red more{row}")
        shelf.alone("red")
        worn.append(shelf.words.is_worn)
    assert worn == [False, False, True]
    before = shelf.alone("red more1").tolist()

    shelf.words.begin_renewal(shelf.live)
    texts = zip(range(11), shelf.terms_of(range(11)), strict=True)
    shelf.words.renew(filled_afresh(texts), shelf.live)

    assert not shelf.words.is_worn
    assert shelf.alone("red more1").tolist() == before


def test_only_the_best_rows_are_scored_when_more_match_than_the_limit() -> None:
    """The best by score, zero for the others."""
    scores = Shelf(["red", "red kite boat", "red kite", "green"]).alone("red", limit=2)
    assert scores.nonzero()[0].tolist() == [0, 2]


def test_nothing_is_found_when_nothing_is_indexed_or_asked() -> None:
    """No row, no term: zeros, not an error."""
    assert Shelf([]).alone("red", limit=1).tolist() == []
    assert Shelf(TEXTS).alone("").tolist() == [0, 0, 0, 0]
    assert Shelf(TEXTS).alone("never").tolist() == [0, 0, 0, 0]


def test_new_row_need_not_be_written_when_the_search_leaves_it_out() -> None:
    """Nothing is written for it; the next search that wants it finds it."""
    shelf = Shelf(TEXTS)
    shelf.alone("red")
    shelf.add("lantern")
    shelf.words.refresh(shelf.live, {4})
    assert shelf.words.waiting == 1
    assert shelf.alone("lantern").nonzero()[0].tolist() == [4]


def test_index_serves_threads_in_turn_and_leaves_none_behind_when_closed() -> None:
    """The owner's thread may be another than the one that made it; its writer can be closed."""
    shelf = Shelf(TEXTS)
    before = len(list(THREADS.iterdir()))
    shelf.alone("red")
    with ThreadPoolExecutor(1) as pool:
        shelf.add("red lantern")
        assert pool.submit(shelf.alone, "lantern").result().any()
    shelf.words.close()
    deadline = time.monotonic() + 10
    while len(list(THREADS.iterdir())) > before and time.monotonic() < deadline:
        pass
    assert len(list(THREADS.iterdir())) <= before
    shelf.add("red again")
    assert shelf.alone("again").any()


def test_writers_stay_open_for_the_last_few_alone() -> None:
    """Who was written long ago has no threads any more, and is found as before."""
    writers = Writers()
    many = range(word_index_tantivy.WRITERS_MAX + 2)
    shelves = [Shelf([f"kite{number}"], writers) for number in many]
    for number, shelf in enumerate(shelves):
        assert shelf.alone(f"kite{number}").any()
    assert len(writers) == word_index_tantivy.WRITERS_MAX
    shelves[0].add("lantern")
    assert shelves[0].alone("lantern kite0").all()
