"""Measure the candidates of a search: one number a signal and candidate, between 0 and 1.

Pure: arrays in, arrays out. What each signal is worth is `ranking`'s matter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from projections.retrieval.columns import NONE, Floats
from projections.retrieval.question import Question, day_number
from projections.retrieval.shelf import Shelf

Rows = npt.NDArray[np.int64]

_CLOSE_DAYS = 30.0
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
    meaning: cosine of text and question without the speakers' names (with them, every passage that
        holds one is near), less the average over all passages, by the best. Where a model finds
        everything alike, as one trained on English does in Chinese, it says little.
    words_after, meaning_before, meaning_after: the same of the adjacent messages. (The words of
        the one before are in `words_together`.)
    session: how much of the question's words the passage's session holds.
    speaker: 1 when its speaker is named in the question.
    asks: 1 when it is itself a question; facts are rather in what answers it.
    timely: 1 when the question wants a time and the passage speaks of one.
    dated: nearness to the days that the question names.
    recent: nearness to the newest passage, when the question wants the latest.
    length: number of terms, 1 from 30 on; "Wow, great!" has words but holds no fact.
    """

    words: Floats
    words_together: Floats
    meaning: Floats
    words_after: Floats
    meaning_before: Floats
    meaning_after: Floats
    session: Floats
    speaker: Floats
    asks: Floats
    timely: Floats
    dated: Floats
    recent: Floats
    length: Floats


def measure(
    shelf: Shelf,
    question: Question,
    candidates: Rows,
    *,
    words: Floats,
    words_together: Floats,
    cosines: Floats,
    average_cosine: float,
) -> Signals:
    """Measure the candidates.

    A memory stands where the message it was drawn from stands: its neighbours are the message's.

    Args:
        shelf: the person's passages.
        question: what was asked.
        candidates: rows to measure, int64 [candidates].
        words: BM25 of every row's text, float32 [rows]; 0 where not known.
        words_together: the same with the message before, float32 [rows].
        cosines: of every row with the question, float32 [rows]; 0 where not known.
        average_cosine: of all the person's passages with the question.
    """
    columns = shelf.columns
    nearest = cosines.max(initial=_NEAR_COSINE)

    def meaning(found: Floats) -> Floats:
        near: Floats = np.maximum(found - np.float32(average_cosine), 0) / nearest
        return np.where(found == 0, np.float32(0), near)

    most, most_together = _greatest(words), _greatest(words_together)
    anchors = _anchors(shelf, candidates)
    before, after = columns["before"][anchors], columns["after"][anchors]
    named = [shelf.speakers[name] for name in question.speakers if name in shelf.speakers]
    nothing = np.zeros(len(candidates), np.float32)
    timely = columns["timely"][candidates].astype(np.float32)
    return Signals(
        words=words[candidates] / most,
        words_together=words_together[candidates] / most_together,
        meaning=meaning(cosines[candidates]),
        words_after=_at(words, after) / most,
        meaning_before=meaning(_at(cosines, before)),
        meaning_after=meaning(_at(cosines, after)),
        session=_session(columns["session"], words, anchors),
        speaker=np.isin(columns["speaker"][candidates], named).astype(np.float32),
        asks=columns["asks"][candidates].astype(np.float32),
        timely=timely if question.wants_time else nothing,
        dated=_dated(columns["day"][candidates], question),
        recent=_recent(columns["said_s"], candidates) if question.wants_latest else nothing,
        length=np.minimum(columns["length"][candidates] / np.float32(_LONG_TERMS), 1),
    )


def _greatest(values: Floats) -> np.float32:
    """Return the greatest of values none of which is below zero, to take shares of it."""
    greatest: np.float32 = values.max(initial=np.float32(1e-6))
    return greatest


def _at(values: Floats, rows: npt.NDArray[np.int32]) -> Floats:
    """Return the values at these rows, 0 where there is no row."""
    found: Floats = np.where(rows == NONE, np.float32(0), values[rows])
    return found


def _anchors(shelf: Shelf, candidates: Rows) -> Rows:
    """Return for each candidate the row whose neighbours it has."""
    anchors = candidates.copy()
    for at in np.flatnonzero(shelf.columns["session"][candidates] == NONE):
        passage = shelf.passages[candidates[at]]
        sources = passage.message_ids if passage is not None else ()
        row = shelf.row_of(sources[0], 0) if sources else None
        if row is not None:
            anchors[at] = row
    return anchors


def _session(sessions: npt.NDArray[np.int32], words: Floats, anchors: Rows) -> Floats:
    """Return how much of the question each anchor's session holds, as a share of the best's.

    Squares, so that one message that holds the rare words counts more than many that hold a
    common one.
    """
    holding = np.flatnonzero(words)
    holding = holding[sessions[holding] != NONE]
    sums = np.bincount(
        sessions[holding], words[holding] ** 2, minlength=max(1, int(sessions.max()) + 1)
    )
    shares = sums.astype(np.float32)
    return _at(shares / _greatest(shares), sessions[anchors])


def _dated(days: npt.NDArray[np.int32], question: Question) -> Floats:
    """Return 1 inside a range of days the question names, falling by half in 30 days around it."""
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
