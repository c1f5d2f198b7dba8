"""How much of a question passages hold: which of its words, weighed by how rare they are.

A message is understood by those around it: who is asked for a recipe names it two messages later.
BM25 (of a text, and of it with the message before) says how well words fit; coverage says which of
them are there at all, further around, and is a share: 1 is the whole question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from projections.retrieval.columns import NONE, Floats
from projections.retrieval.scored import Rows
from projections.retrieval.shelf import Shelf

#: What a Chinese character counts beside the word that it is part of.
_CHARACTER_SHARE = 0.5
#: How many messages before and after a passage belong to what is around it.
_REACH = 2
_HAN = re.compile(r"[\u3400-\u9fff]")


def weights_of(shelf: Shelf, words: Sequence[str]) -> dict[str, float]:
    """Return what each word of a question counts: its idf among the person's passages (BM25's).

    A word that nothing holds counts most: what is asked about is not there.
    """
    living = len(shelf)
    weights: dict[str, float] = {}
    for word, holding in zip(words, shelf.frequencies(tuple(words)), strict=True):
        weight = math.log1p((living - min(holding, living) + 0.5) / (holding + 0.5))
        part = len(word) == 1 and _HAN.match(word) and any(word in w for w in words if w != word)
        weights[word] = weight * _CHARACTER_SHARE if part else weight
    return weights


def coverage(shelf: Shelf, words: Sequence[str], candidates: Rows, anchors: Rows) -> Floats:
    """Return which share of a question stands in candidates and around, float32 [candidates].

    Args:
        shelf: the person's passages.
        words: the question's, each once.
        candidates: rows to measure, int64 [candidates].
        anchors: the rows whose neighbours they have, int64 [candidates]: of a message itself, of a
            memory the message that it was drawn from.
    """
    weights = np.array(list(weights_of(shelf, words).values()), np.float32)
    if not len(weights) or not len(candidates):
        return np.zeros(len(candidates), np.float32)
    neighbourhoods = [candidates, *_around(shelf, anchors)]
    needed = np.zeros(shelf.columns.size + 1, np.bool_)  # the last stands for no row
    for rows in neighbourhoods:
        needed[rows] = True
    rows = np.flatnonzero(needed[:-1])
    places = np.empty(len(needed), np.int64)  # only what is set is read
    places[rows], places[-1] = np.arange(len(rows)), len(rows)
    holding = np.zeros((len(rows) + 1, len(words)), np.bool_)
    holding[:-1] = shelf.term_ids.holding(rows, words)
    found = np.zeros((len(candidates), len(words)), np.bool_)
    for rows in neighbourhoods:
        found |= holding[places[rows]]
    share = np.zeros(len(candidates), np.float32)
    # Word by word: a product of matrices adds up in an order that varies with their size.
    for at, weight in enumerate(weights / weights.sum()):
        share += weight * found[:, at]
    whole: Floats = np.minimum(share, 1)
    return whole


def _around(shelf: Shelf, anchors: Rows) -> list[Rows]:
    """Return the anchors and the rows before and after each, or `NONE`, int64 [anchors] each."""
    around = [anchors]
    for direction in ("before", "after"):
        following = shelf.columns[direction]
        rows = anchors
        for _ in range(_REACH):
            rows = np.where(rows == NONE, NONE, following[rows])
            around.append(rows)
    return around
