"""Measure the candidates of a search: one number a signal and candidate, between 0 and 1.

Pure: arrays in, arrays out. What each signal is worth is `ranking`'s matter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from projections.retrieval.columns import NONE, Floats
from projections.retrieval.coverage import coverage
from projections.retrieval.question import Question, day_number
from projections.retrieval.scored import Rows, Scored
from projections.retrieval.shelf import Shelf
from projections.retrieval.words_tantivy import terms

_CLOSE_DAYS = 3.0
_RECENT_DAYS = 30.0
_SECONDS_A_DAY = 86_400.0
_LONG_TERMS = 30.0
#: Where even the best is less near than this, it is not near.
_NEAR_COSINE = 0.5


class Signals(NamedTuple):
    """One value a candidate, float32 [candidates], each between 0 and 1.

    words: BM25 of the text, by the person's best.
    words_together: BM25 of the text with the message before it, by the person's best. An answer
        ("Yes, last Friday!") rarely repeats the words of what it answers.
    around: share of the question's words, by their idf, that stand in the text or the two messages
        before and after it.
    meaning: cosine of text and question without the speakers' names (with them, every passage that
        holds one is near), less the average over all passages, by the best. Where a model finds
        everything alike, as one trained on English does in Chinese, it says little.
    answers: the meaning of the message before, when that one asks.
    meaning_after: the meaning of the message after.
    session: how much of the question's words the passage's session holds; nothing when the question
        wants several messages, which are of several sessions.
    speaker: 1 when its speaker is named in the question.
    speaker_of_several: the same when the question wants several messages. What somebody ever did
        is told in many places, by themselves.
    asks: the share of it that asks; facts are rather in what answers.
    kind: 1 when it holds the kind of thing that the question asks for: a time, a place, a name, a
        reason.
    dated: nearness to the days that the question names.
    recent: nearness to the newest passage, when the question wants the latest.
    length: number of terms, 1 from 30 on; "Wow, great!" has words but holds no fact.
    """

    words: Floats
    words_together: Floats
    around: Floats
    meaning: Floats
    answers: Floats
    meaning_after: Floats
    session: Floats
    speaker: Floats
    speaker_of_several: Floats
    asks: Floats
    kind: Floats
    dated: Floats
    recent: Floats
    length: Floats


def measure(
    shelf: Shelf,
    question: Question,
    candidates: Rows,
    *,
    words: Scored,
    words_together: Scored,
    cosines: Floats,
    average_cosine: float,
) -> Signals:
    """Measure the candidates.

    A memory stands where the message it was drawn from stands: its neighbours are the message's.

    Args:
        shelf: the person's passages.
        question: what was asked.
        candidates: rows to measure, int64 [candidates].
        words: BM25 of the text of the rows by which the words stand.
        words_together: the same with the message before.
        cosines: of every row with the question, float32 [rows]; 0 where not known.
        average_cosine: of all the person's passages with the question.
    """
    columns = shelf.columns
    nearest = cosines.max(initial=_NEAR_COSINE)

    def meaning(found: Floats) -> Floats:
        near: Floats = np.maximum(found - np.float32(average_cosine), 0) / nearest
        return np.where(found == 0, np.float32(0), near)

    anchors = anchors_of(shelf, candidates)
    before, after = columns["before"][anchors], columns["after"][anchors]
    named = [shelf.speakers[name] for name in question.speakers if name in shelf.speakers]
    speaker = np.isin(columns["speaker"][candidates], named).astype(np.float32)
    nothing = np.zeros(len(candidates), np.float32)
    several = question.wants_several
    return Signals(
        words=words.shares(columns.size)[candidates],
        words_together=words_together.shares(columns.size)[candidates],
        around=coverage(shelf, tuple(dict.fromkeys(terms(question.bare))), candidates, anchors),
        meaning=meaning(cosines[candidates]),
        answers=np.where(_at(columns["asks"], before), meaning(_at(cosines, before)), nothing),
        meaning_after=meaning(_at(cosines, after)),
        session=nothing if several else _session(columns["session"], words, anchors),
        speaker=speaker,
        speaker_of_several=speaker if several else nothing,
        asks=columns["asking"][candidates],
        kind=((columns["kinds"][candidates] & int(question.wants)) != 0).astype(np.float32),
        dated=_dated(columns["day"][candidates], question),
        recent=_recent(columns["said_s"], candidates) if question.wants_latest else nothing,
        length=np.minimum(columns["length"][candidates] / np.float32(_LONG_TERMS), 1),
    )


def _at(values: npt.NDArray[Any], rows: npt.NDArray[np.int32]) -> Floats:
    """Return the values at these rows, 0 where there is no row."""
    found: Floats = np.where(rows == NONE, np.float32(0), values[rows])
    return found


def anchors_of(shelf: Shelf, candidates: Rows) -> Rows:
    """Return for each candidate the row whose neighbours it has."""
    sources = shelf.columns["source"][candidates]
    anchors: Rows = np.where(sources == NONE, candidates, sources)
    return anchors


def _session(sessions: npt.NDArray[np.int32], words: Scored, anchors: Rows) -> Floats:
    """Return how much of the question each anchor's session holds, as a share of the best's.

    Squares, so that one message that holds the rare words counts more than many that hold a
    common one.
    """
    said = sessions[words.rows]
    there = said != NONE
    sums = np.bincount(
        said[there], words.scores[there] ** 2, minlength=max(1, int(sessions.max()) + 1)
    )
    shares = sums.astype(np.float32)
    return _at(shares / shares.max(initial=np.float32(1e-6)), sessions[anchors])


def _dated(days: npt.NDArray[np.int32], question: Question) -> Floats:
    """Return 1 inside a range of days that is named, less by half every 3 days around it."""
    near = np.zeros(len(days), np.float32)
    for first, last in question.days:
        away = np.maximum(np.maximum(day_number(first) - days, days - day_number(last)), 0)
        near = np.maximum(near, np.exp2(-away / np.float32(_CLOSE_DAYS)).astype(np.float32))
    if question.months:
        moments = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        near = np.maximum(near, np.isin(moments, list(question.months)).astype(np.float32))
    return near


def _recent(said_s: npt.NDArray[np.float64], candidates: Rows) -> Floats:
    age_days = (said_s.max() - said_s[candidates]) / _SECONDS_A_DAY
    recent: Floats = np.exp2(-age_days / _RECENT_DAYS).astype(np.float32)
    return recent
