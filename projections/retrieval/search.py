"""Search one person's shelf: filter, put candidates forward, measure, fuse, show.

Filters hold before anything is ranked, so that no hit is found and then dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import msgspec
import numpy as np

from projections.retrieval.columns import Floats
from projections.retrieval.explained import SignalValue
from projections.retrieval.filters import Allowed, allowed_rows
from projections.retrieval.passage import (
    Hit,
    Passage,
    SearchRequest,
    hit_of,
)
from projections.retrieval.question import Question, read_question
from projections.retrieval.ranking import Weights, distinct_first, explain, fuse
from projections.retrieval.relevance import Relevance
from projections.retrieval.scored import Rows, Scored
from projections.retrieval.shelf import Shelf
from projections.retrieval.signals import Signals, anchors_of, measure

#: Candidates that each of words, words with the message before, and meaning puts forward.
_CANDIDATES = 300
#: Up to so many passages every cosine and word score is taken; beyond, those of the best alone.
_ALL = 4096
#: How many times as many of the best by words are asked for when they do not hold the candidates.
_MORE = 4
#: So few rows that filters let through are told apart by the index of words itself.
_FEW = 2500


def search_shelf(shelf: Shelf, request: SearchRequest, weights: Weights) -> list[Hit]:
    """Return the best passages of the shelf for a request, best first."""
    allowed = _open_rows(shelf, request)
    question = read_question(request.query, shelf.speakers, _today(shelf))
    signals: Signals | None = None
    match request.method:
        case "hybrid":
            rows, signals = _measured(shelf, request, question, allowed)
            scores = fuse(signals, weights)
        case "bm25":
            found = _word_scores(shelf.bm25, shelf, request, request.query, allowed)
            rows, scores = found.among(allowed[found.rows])
            scores = np.round(scores, 5)
        case "embedding":
            cosines = _cosines(shelf, request, allowed, np.zeros(0, np.int64))
            rows = np.flatnonzero(allowed & (cosines != 0))
            scores = np.round(cosines[rows], 5)
        case "string_match":
            rows = _containing(shelf, request.query, allowed)
            scores = np.ones(len(rows), np.float32)
    if request.threshold is not None:
        kept = scores >= request.threshold
        rows, scores = rows[kept], scores[kept]
        signals = None if signals is None else Signals(*(values[kept] for values in signals))
    explained = explain(signals, weights) if request.explain and signals is not None else None
    relevance = Relevance(shelf, question, request.vector)
    return _hits(shelf, request, rows, scores, explained, relevance)


def measured(shelf: Shelf, request: SearchRequest) -> tuple[Rows, Signals]:
    """Return the candidates of a hybrid search with their signals, which weights would order."""
    question = read_question(request.query, shelf.speakers, _today(shelf))
    return _measured(shelf, request, question, _open_rows(shelf, request))


def _open_rows(shelf: Shelf, request: SearchRequest) -> Allowed:
    """Return which rows may be found: those that the filters let through and nobody excluded."""
    allowed = allowed_rows(shelf, request)
    for id in request.exclude:
        allowed[list(shelf.rows.get(id, {}).values())] = False
    return allowed


def _today(shelf: Shelf) -> date:
    """Return the day of the newest passage: the one that "last week" is counted from."""
    newest_s = float(shelf.columns["said_s"].max(initial=0))
    return datetime.fromtimestamp(newest_s, UTC).date()


def _measured(
    shelf: Shelf, request: SearchRequest, question: Question, allowed: Allowed
) -> tuple[Rows, Signals]:
    words = _word_scores(shelf.bm25, shelf, request, question.bare, allowed)
    together = _word_scores(shelf.bm25_together, shelf, request, question.bare, allowed)
    chosen = np.zeros(len(allowed), np.bool_)
    for found in (words, together):
        chosen[_best(found, allowed)] = True
    cosines = _cosines(shelf, request, allowed, np.flatnonzero(chosen))
    near = np.flatnonzero(cosines > 0)
    chosen[_best(Scored(near, cosines[near]), allowed)] = True
    rows = _with_adjacent(shelf, chosen, allowed)
    average = 0.0
    if request.vector is not None and shelf.vectors is not None and cosines.any():
        average = shelf.vectors.average_cosine(request.vector)
    return rows, measure(
        shelf,
        question,
        rows,
        words=words,
        words_together=together,
        cosines=cosines,
        average_cosine=average,
    )


def _word_scores(
    score: Callable[[str, int, Sequence[int] | None], Scored],
    shelf: Shelf,
    request: SearchRequest,
    query: str,
    allowed: Allowed,
) -> Scored:
    """Return the score of rows by words.

    On a large shelf of the allowed rows where they are few, else of the best: twice as many as
    should hold the candidates that filters let through, and ever more where they do not. Which
    candidates there are is thus the same as if the filters had come first.
    """
    open_rows = int(np.count_nonzero(allowed))
    if len(shelf) <= _exact_max(request) or not open_rows:
        return score(query, len(shelf), None)
    if open_rows <= _FEW:
        return score(query, open_rows, np.flatnonzero(allowed).tolist())
    limit = 2 * _CANDIDATES * len(shelf) // open_rows
    while True:
        found = score(query, min(limit, len(shelf)), None)
        if len(found.rows) < limit:
            return found  # these are all
        # Which of those with the least score are among them depends on what was written when.
        sure = found.among(found.scores > found.scores.min())
        if np.count_nonzero(allowed[sure.rows]) >= _CANDIDATES:
            return sure
        limit *= _MORE


def _cosines(shelf: Shelf, request: SearchRequest, allowed: Allowed, chosen: Rows) -> Floats:
    """Return the cosine of each row that has a vector, 0 elsewhere; float32 [rows].

    On a small shelf of all rows, because neighbours count that a filter keeps out of the result. On
    a large one of those among which the nearest are, of the candidates `chosen` by words, and of
    the messages next to these.
    """
    vector = request.vector
    cosines = np.zeros(len(allowed), np.float32)
    if vector is None or shelf.vectors is None or len(vector) != shelf.vectors.dimension:
        return cosines
    if len(shelf.vectors) <= _exact_max(request):
        rows, found = shelf.vectors.every(vector)
        cosines[rows] = found
        return cosines
    anchors = anchors_of(shelf, chosen)
    wanted = np.zeros(len(allowed) + 1, np.bool_)  # the last stands for no row
    wanted[shelf.vectors.short_list(vector, _CANDIDATES, allowed)] = True
    for rows in (chosen, shelf.columns["before"][anchors], shelf.columns["after"][anchors]):
        wanted[rows] = True
    rows = np.flatnonzero(wanted[:-1])
    cosines[rows] = shelf.vectors.cosines(vector, rows)
    return cosines


def _exact_max(request: SearchRequest) -> int:
    return _ALL if request.exact_max is None else request.exact_max


def _best(found: Scored, allowed: Allowed) -> Rows:
    """Return the allowed rows with the greatest scores, and those with as great ones."""
    rows, scores = found.among(allowed[found.rows])
    if len(rows) > _CANDIDATES:
        rows = rows[scores >= np.partition(scores, -_CANDIDATES)[-_CANDIDATES]]
    return rows


def _with_adjacent(shelf: Shelf, chosen: Allowed, allowed: Allowed) -> Rows:
    """Return the chosen rows and the messages next to them, as far as they are allowed."""
    for direction in ("before", "after"):
        adjacent = shelf.columns[direction][np.flatnonzero(chosen)]
        chosen[adjacent[adjacent >= 0]] = True
    return np.flatnonzero(chosen & allowed)


def _containing(shelf: Shelf, text: str, allowed: Allowed) -> Rows:
    """Return the rows whose text holds `text`, whatever the case."""
    wanted = text.casefold()
    rows = np.flatnonzero(allowed)
    kept = [wanted in _passage(shelf, row).text.casefold() for row in rows.tolist()]
    return rows[np.array(kept, np.bool_)]


def _hits(
    shelf: Shelf,
    request: SearchRequest,
    rows: Rows,
    scores: Floats,
    explained: Callable[[int], dict[str, SignalValue]] | None,
    relevance: Relevance,
) -> list[Hit]:
    """Order by score, the newest first among equals, and show each source once before any twice."""
    order = np.lexsort((shelf.columns["ordinal"][rows], -shelf.columns["position"][rows], -scores))

    def source_of(at: int) -> frozenset[str]:
        passage = _passage(shelf, rows[at])
        return frozenset(passage.message_ids or (passage.id,))

    hits = []
    for at in distinct_first(order.tolist(), source_of, request.limit):
        row = int(rows[at])
        passage = _with_absorbed(shelf, _passage(shelf, row))
        hits.append(
            hit_of(
                passage,
                float(scores[at]),
                None if explained is None else explained(at),
                relevance=relevance.of(row),
                superseded=relevance.is_superseded(row),
                title=_title(shelf, passage),
            )
        )
    return hits


def _with_absorbed(shelf: Shelf, passage: Passage) -> Passage:
    """Return a memory as drawn from the sources of those merged into it, too, and into those."""
    parts = {passage.id: passage}
    open_ = [passage.id]
    while open_:
        for row in sorted(shelf.replaced.get(open_.pop(), ())):
            one = _passage(shelf, row)
            if one.resting and one.id not in parts:
                parts[one.id] = one
                open_.append(one.id)
    if len(parts) == 1:
        return passage
    return msgspec.structs.replace(
        passage,
        message_ids=tuple(dict.fromkeys(id for one in parts.values() for id in one.message_ids)),
        external_ids=tuple(dict.fromkeys(id for one in parts.values() for id in one.external_ids)),
    )


def _title(shelf: Shelf, passage: Passage) -> str:
    """Return the title of the document that a passage is a part of; of all else, nothing."""
    first = shelf.row_of(passage.id, 0)
    if passage.tier != "resource" or first is None:
        return ""
    return _passage(shelf, first).text.partition("\n")[0]


def _passage(shelf: Shelf, row: int) -> Passage:
    """Return the passage of a living row."""
    passage = shelf.passages[row]
    assert passage is not None, "only living rows are ever allowed"
    return passage
