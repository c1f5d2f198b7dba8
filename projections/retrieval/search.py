"""Search one person's shelf: filter, put candidates forward, measure, fuse, show.

Filters hold before anything is ranked, so that no hit is found and then dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

from projections.retrieval.columns import Floats
from projections.retrieval.passage import Hit, Passage, SearchRequest, Vector, hit_of
from projections.retrieval.question import Question, read_question
from projections.retrieval.ranking import Weights, distinct_first, fuse
from projections.retrieval.relevance import Relevance
from projections.retrieval.shelf import Shelf
from projections.retrieval.signals import Rows, Signals, measure

Allowed = npt.NDArray[np.bool_]

#: Candidates that each of words, words with the message before, and meaning puts forward.
_CANDIDATES = 300
#: Up to so many passages every cosine and word score is taken; beyond, those of the best alone.
_ALL = 4096
_NEAREST = 1000


def search_shelf(shelf: Shelf, request: SearchRequest, weights: Weights) -> list[Hit]:
    """Return the best passages of the shelf for a request, best first."""
    allowed = _allowed(shelf, request)
    for id in request.exclude:
        allowed[list(shelf.rows.get(id, {}).values())] = False
    question = read_question(request.query, shelf.speakers)
    signals: Signals | None = None
    match request.method:
        case "hybrid":
            rows, signals = _measured(shelf, request, question, allowed)
            scores = fuse(signals, weights)
        case "bm25":
            words = shelf.bm25(request.query, len(shelf))
            rows = np.flatnonzero(allowed & (words > 0))
            scores = np.round(words[rows], 5)
        case "embedding":
            cosines = _cosines(shelf, request.vector, allowed)
            rows = np.flatnonzero(allowed & (cosines != 0))
            scores = np.round(cosines[rows], 5)
        case "string_match":
            rows = _containing(shelf, request.query, allowed)
            scores = np.ones(len(rows), np.float32)
    if request.threshold is not None:
        kept = scores >= request.threshold
        rows, scores = rows[kept], scores[kept]
        signals = None if signals is None else Signals(*(values[kept] for values in signals))
    relevance = Relevance(shelf, question, request.vector)
    return _hits(shelf, request, rows, scores, signals, relevance)


def _allowed(shelf: Shelf, request: SearchRequest) -> Allowed:
    """Return which rows the request's filters let through, bool [rows]."""
    columns = shelf.columns
    allowed: Allowed = columns["live"] & ~columns["resting"]
    if not request.include_ended:
        allowed &= ~columns["ended"]
    if request.tiers is not None:
        codes = [shelf.tiers[tier] for tier in request.tiers if tier in shelf.tiers]
        allowed &= np.isin(columns["tier"], codes)
    if request.since is not None:
        allowed &= columns["said_s"] >= request.since.timestamp()
    if request.until is not None:
        allowed &= columns["said_s"] <= request.until.timestamp()
    if request.tags:
        wanted = set(request.tags)
        for row in np.flatnonzero(allowed).tolist():
            allowed[row] = wanted.issubset(_passage(shelf, row).tags)
    return allowed


def _measured(
    shelf: Shelf, request: SearchRequest, question: Question, allowed: Allowed
) -> tuple[Rows, Signals]:
    words = _word_scores(shelf.bm25, shelf, question.bare, allowed)
    together = _word_scores(shelf.bm25_together, shelf, question.bare, allowed)
    cosines = _cosines(shelf, request.vector, allowed)
    average = 0.0
    if request.vector is not None and shelf.vectors is not None and cosines.any():
        average = shelf.vectors.average_cosine(request.vector)
    rows = _candidates(shelf, (words, together, cosines), allowed)
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
    score: Callable[[str, int], Floats], shelf: Shelf, query: str, allowed: Allowed
) -> Floats:
    """Return the score of each row by words, 0 elsewhere; float32 [rows].

    On a large shelf of the best rows: twice as many as should hold the candidates that filters let
    through, and of all rows where they do not. Which candidates there are is thus the same as if
    the filters had come first.
    """
    open_rows = int(allowed.sum())
    if len(shelf) <= _ALL or not open_rows:
        return score(query, len(shelf))
    limit = min(2 * _CANDIDATES * len(shelf) // open_rows, len(shelf))
    scores = score(query, limit)
    found = scores > 0
    if found.sum() == limit < len(shelf) and (found & allowed).sum() < _CANDIDATES:
        scores = score(query, len(shelf))
    return scores


def _cosines(shelf: Shelf, vector: Vector | None, allowed: Allowed) -> Floats:
    """Return the cosine of each row that has a vector, 0 elsewhere; float32 [rows].

    On a small shelf of all rows, because neighbours count that a filter keeps out of the result; on
    a large one of the nearest allowed.
    """
    cosines = np.zeros(len(allowed), np.float32)
    if vector is None or shelf.vectors is None or len(vector) != shelf.vectors.dimension:
        return cosines
    if len(shelf.vectors) <= _ALL:
        rows, found = shelf.vectors.nearest(vector, _ALL)
    else:
        rows, found = shelf.vectors.nearest(vector, _NEAREST, None if allowed.all() else allowed)
    cosines[rows] = found
    return cosines


def _candidates(shelf: Shelf, scores: tuple[Floats, ...], allowed: Allowed) -> Rows:
    """Return the rows that some score puts forward and the messages next to them."""
    columns = shelf.columns
    chosen = np.zeros(len(allowed), np.bool_)
    for values in scores:
        hopeful = np.flatnonzero(allowed & (values > 0))
        if len(hopeful) > _CANDIDATES:
            best = np.argpartition(-values[hopeful], _CANDIDATES)[:_CANDIDATES]
            hopeful = hopeful[best]
        chosen[hopeful] = True
    for direction in ("before", "after"):
        adjacent = columns[direction][np.flatnonzero(chosen)]
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
    signals: Signals | None,
    relevance: Relevance,
) -> list[Hit]:
    """Order by score, the newest first among equals, and show each source once before any twice."""
    order = np.lexsort((shelf.columns["ordinal"][rows], -shelf.columns["position"][rows], -scores))

    def source_of(at: int) -> frozenset[str]:
        passage = _passage(shelf, rows[at])
        return frozenset(passage.message_ids or (passage.id,))

    hits = []
    for at in distinct_first(order.tolist(), source_of, request.limit):
        explained = None
        if request.explain and signals is not None:
            explained = {name: float(values[at]) for name, values in signals._asdict().items()}
        row = int(rows[at])
        passage = _with_absorbed(shelf, _passage(shelf, row))
        hits.append(
            hit_of(
                passage,
                float(scores[at]),
                explained,
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
