"""How far a passage is about the question at all, between 0 and 1, whatever else was found.

A hit's score is good for order alone: the best of nothing scores as well as an answer. Relevance is
absolute: an English question takes mostly the cosine, and some of the share of its words that the
passage has; a Chinese one the words alone, because the model finds everything alike there.
"""

from __future__ import annotations

import re
from functools import lru_cache

from projections.retrieval.columns import NONE
from projections.retrieval.coverage import weights_of
from projections.retrieval.passage import CONVERSATION, Passage, Vector
from projections.retrieval.question import Question
from projections.retrieval.shelf import Shelf
from projections.retrieval.words_tantivy import terms

#: What the covered words count in an English question; the rest is the cosine.
_WORDS_SHARE = 0.3
#: What a message inherits from the question before it that it answers ("Yes, last Friday!").
_ANSWERING_SHARE = 0.8
#: What is left when somebody else speaks than the one who is asked about.
_OTHER_SPEAKER_SHARE = 0.6

_HAN = re.compile(r"[\u3400-\u9fff]")
#: Words that ask but name nothing: no answer repeats them.
_ASKING_ZH = re.compile(
    r"什么时候|为什么|什么样|什么|怎么样|怎么|怎样|哪一?[里儿个些家种座天年位款]|哪|谁|多少钱?"
    r"|多[大远高久长]|几[个岁点号月天次只]|几|有没有|是不是|吗|呢|时候|我们|我家|我|你|请问|告诉|现在|目前|叫"
)
_ASKING_EN = re.compile(
    r"\b(?:am|any|anything|tell|know|remember|now|currently|these days|please"
    r"|(?:what|which) (?:kind|type|sort)|how (?:much|many|long|old|often))\b",
    re.I,
)


class Relevance:
    """Measures passages of one shelf against one question."""

    def __init__(self, shelf: Shelf, question: Question, vector: Vector | None) -> None:
        self._shelf = shelf
        self._chinese = _HAN.search(question.bare) is not None
        asking = _ASKING_ZH if self._chinese else _ASKING_EN
        asked = asking.sub(" ", question.bare)
        words = dict.fromkeys(terms(asked) or terms(question.bare))
        self._weights = weights_of(shelf, tuple(words))
        self._whole = sum(self._weights.values())
        self._vector = vector
        self._names = question.speakers

    def of(self, row: int) -> float:
        """Return the relevance of a living row: its own, or what it takes from what it answers.

        A memory that took another's place is on the same matter, whatever its words: "I moved to
        Lisbon" answers where somebody lives because it replaced "I live in Berlin".
        """
        passage = self._shelf.passages[row]
        if passage is None:
            return 0.0
        found = self._measured(row)
        before = int(self._shelf.columns["before"][row])
        if found < _ANSWERING_SHARE and before != NONE and self._shelf.columns["asks"][before]:
            found = max(found, _ANSWERING_SHARE * self._measured(row, before))
        for old in self._shelf.replaced.get(passage.id, ()):
            found = max(found, self._measured(old))
        if self._names and passage.speaker and not self._is_of_named(passage):
            found *= _OTHER_SPEAKER_SHARE
        return round(min(max(found, 0.0), 1.0), 4)

    def is_superseded(self, row: int) -> bool:
        """Tell whether a message says, on this question, only what no longer holds.

        So it is when of the memories drawn from it one that ended fits the question better than
        each that holds. One that repeats the words of what ended holds no more than it.
        """
        passage = self._shelf.passages[row]
        if passage is None or passage.tier != CONVERSATION:
            return False
        drawn = [
            (at, one)
            for at in self._shelf.drawn.get(passage.id, ())
            if (one := self._shelf.passages[at]) is not None
        ]
        ended = [(at, one) for at, one in drawn if one.ended_at is not None]
        if not ended:
            return False
        gone = [_folded(one.text) for _, one in ended]
        holding = [
            self._measured(at)
            for at, one in drawn
            if one.ended_at is None and not any(text in _folded(one.text) for text in gone)
        ]
        return max(self._measured(at) for at, _ in ended) > max(holding, default=0.0)

    def _measured(self, *rows: int) -> float:
        """Return how far rows are about the question, read as one; living ones, all of them."""
        covered = 0.0
        if self._whole:
            texts = [one.text for row in rows if (one := self._shelf.passages[row]) is not None]
            held = self._weights.keys() & _words_of(texts[0]).union(*map(_words_of, texts[1:]))
            covered = sum(self._weights[word] for word in held) / self._whole
        if self._chinese:
            return covered
        vectors = [vector for row in rows if (vector := self._shelf.vector_of(row)) is not None]
        if self._vector is None or not vectors or len(vectors[0]) != len(self._vector):
            return covered
        nearest = max(float(vector @ self._vector) for vector in vectors)
        return _WORDS_SHARE * covered + (1 - _WORDS_SHARE) * max(nearest, 0.0)

    def _is_of_named(self, passage: Passage) -> bool:
        """Tell whether one who is asked about said it, or it names them."""
        text = passage.text.casefold()
        return passage.speaker in self._names or any(
            name.casefold().split(" ")[0] in text for name in self._names if name != "user"
        )


@lru_cache(maxsize=4096)
def _words_of(text: str) -> frozenset[str]:
    """Return the words of a text; the passages that are found today are found again tomorrow."""
    return frozenset(terms(text))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!。！")
