"""The retrieval index: one shelf a person, one search over it.

On the message path where somebody asks: the search agent holds this index, answers from it alone,
and never sees a passage of another person, because a search opens one shelf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from projections.retrieval.columns import NONE
from projections.retrieval.passage import Hit, Passage, SearchRequest, Vector
from projections.retrieval.question import bare_question
from projections.retrieval.ranking import HAND_SET, Weights
from projections.retrieval.search import measured, search_shelf
from projections.retrieval.shelf import Shelf, StoredShelf
from projections.retrieval.signals import Signals
from projections.retrieval.word_index_tantivy import TantivyIndex, Writers

#: A shelf is filled afresh when more rows than this, and than so many a living one, are free. On a
#: large one new passages take free rows: it comes to this only when most of it was removed.
_DEAD_MAX = 1024
_DEAD_PER_LIVING = 4


class Renewal(NamedTuple):
    """A person's words that are to be made anew: `make` does that, on any thread."""

    user: str
    shelf: Shelf
    make: Callable[[], TantivyIndex]


class RetrievalIndex:
    """Passages by person, findable by words at once and by meaning from their vector on.

    Not for use by several threads at once: its owner serialises changes and searches. Only what a
    question is embedded as (`bare_question`, `model_of`) and `stamp` may be read beside a change:
    it is of the moment before or after it.
    """

    def __init__(self, weights: Weights = HAND_SET) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._weights = weights
        self._writers = Writers()
        # A number that is another after every change, of each person changed and of all others.
        self._stamps: dict[str, int] = {}
        self._stamp_of_others = 0
        self._last_stamp = 0
        #: People whose words were found to be worn: what is made anew is exact, and quicker.
        self.worn: set[str] = set()

    def add(self, passage: Passage) -> None:
        """Add a passage, or put it in the place of the one with its id and ordinal."""
        self._change(passage.user)
        self._shelf(passage.user).add(passage)
        self._tidy(passage.user)

    def amend(self, passage: Passage) -> None:
        """Put a passage that means the same in the place of the old one; its vector stays."""
        self._change(passage.user)
        self._shelf(passage.user).amend(passage)
        self._tidy(passage.user)

    def revise(self, passages: tuple[Passage, ...]) -> None:
        """Put these chunks in the place of all that their id had."""
        first = passages[0]
        self._change(first.user)
        shelf = self._shelves.get(first.user)
        kept = {passage.ordinal for passage in passages}
        if shelf is not None:
            for ordinal in sorted(shelf.rows.get(first.id, {}).keys() - kept):
                shelf.remove(first.id, ordinal)
        for passage in passages:
            self.add(passage)

    def set_vector(self, user: str, id: str, ordinal: int, vector: Vector, model: str = "") -> None:
        """Give a passage its vector, float32 [dimension], made by `model`.

        Passed over when it is not there, and when the person's vectors are of other models.
        """
        self._change(user)
        shelf = self._shelves.get(user)
        if shelf is not None:
            shelf.set_vector(id, ordinal, vector, model)

    def model_of(self, user: str) -> str:
        """Return the model that a person's questions are to be embedded by; empty: any."""
        shelf = self._shelves.get(user)
        return shelf.models[0] if shelf else ""

    def models_of(self, user: str) -> tuple[str, ...]:
        """Return the models that each passage of a person is to have a vector of."""
        shelf = self._shelves.get(user)
        return shelf.models if shelf else ("",)

    def move_to_model(self, user: str, model: str) -> None:
        """Gather the vectors of another model, too, until the person is switched to it."""
        if user in self._shelves:
            self._change(user)
            self._shelves[user].move_to(model)

    def switch_model(self, user: str, model: str) -> None:
        """Search by the model that the person was moved to; the vectors of the old one go."""
        if user in self._shelves:
            self._change(user)
            self._shelves[user].switch(model)

    def lacking(self, user: str, model: str, id: str | None = None) -> list[Passage]:
        """Return the passages without a vector of a model, all or those of an id, in log order."""
        shelf = self._shelves.get(user)
        found = shelf.lacking(model, id) if shelf else []
        return sorted(found, key=lambda one: (one.position, one.id, one.ordinal))

    def remove(self, user: str, id: str) -> None:
        """Take all chunks of a passage out."""
        self._change(user)
        shelf = self._shelves.get(user)
        if shelf is None:
            return
        for ordinal in list(shelf.rows.get(id, ())):
            shelf.remove(id, ordinal)
        self._tidy(user)

    def forget_user(self, user: str) -> None:
        """Drop everything of a person."""
        self._stamps.pop(user, None)
        self._stamp_of_others = self._next_stamp()
        shelf = self._shelves.pop(user, None)
        if shelf is not None:
            shelf.close()

    def passages_of(self, user: str, id: str) -> tuple[Passage, ...]:
        """Return the chunks of a memory, or the message, in order; empty when not there."""
        shelf = self._shelves.get(user)
        if shelf is None:
            return ()
        rows = (row for _, row in sorted(shelf.rows.get(id, {}).items()))
        return tuple(passage for row in rows if (passage := shelf.passages[row]) is not None)

    def passages(self, user: str) -> tuple[Passage, ...]:
        """Return all passages of a person, in order of log position."""
        shelf = self._shelves.get(user)
        found = () if shelf is None else (one for one in shelf.passages if one is not None)
        return tuple(sorted(found, key=lambda one: (one.position, one.id, one.ordinal)))

    def size(self, user: str) -> int:
        """Return how many passages a person has."""
        return len(self._shelves.get(user, ()))

    def bare_question(self, user: str, query: str) -> str:
        """Return the question without the names of this person's speakers: the text to embed."""
        shelf = self._shelves.get(user)
        return bare_question(query, list(shelf.speakers) if shelf else ())

    def neighbours(self, user: str, id: str, reach: int = 1) -> tuple[Passage, ...]:
        """Return the messages around a message in its session, in order, itself left out."""
        shelf = self._shelves.get(user)
        row = shelf.row_of(id, 0) if shelf else None
        if shelf is None or row is None:
            return ()
        found = [*_follow(shelf, "before", row, reach)[::-1], *_follow(shelf, "after", row, reach)]
        return tuple(passage for at in found if (passage := shelf.passages[at]) is not None)

    def search(self, request: SearchRequest, weights: Weights | None = None) -> list[Hit]:
        """Return the best passages of one person for a question, best first.

        `weights` are those of a ranker that the operator chose; None: those of this index.
        """
        shelf = self._shelves.get(request.user)
        if shelf is None:
            return []
        self._write_words(request.user, shelf, request.exclude)
        return search_shelf(shelf, request, weights or self._weights)

    def measured(self, request: SearchRequest) -> tuple[tuple[Passage, ...], Signals]:
        """Return the candidates of a hybrid search of one person, and what they measure.

        Raises:
            KeyError: the person has no passage.
        """
        shelf = self._shelves[request.user]
        self._write_words(request.user, shelf, request.exclude)
        rows, signals = measured(shelf, request)
        found = (shelf.passages[row] for row in rows.tolist())
        return tuple(passage for passage in found if passage is not None), signals

    def has_words_waiting(self, user: str) -> bool:
        """Say whether the person's next search has words to write first."""
        shelf = self._shelves.get(user)
        return shelf is not None and shelf.has_words_waiting

    def write_words(self, user: str) -> None:
        """Write them ahead."""
        shelf = self._shelves.get(user)
        if shelf is not None:
            self._write_words(user, shelf)

    def begin_renewal(self) -> Renewal | None:
        """Return how to make the words anew of one of `worn`; None where there is nobody."""
        while self.worn:
            user = self.worn.pop()
            shelf = self._shelves.get(user)
            if shelf is not None and shelf.has_worn_words:
                return Renewal(user, shelf, shelf.begin_renewal())
        return None

    def renew(self, renewal: Renewal, words: TantivyIndex) -> None:
        """Use what was made; passed over where the person's shelf is no more or another."""
        if self._shelves.get(renewal.user) is renewal.shelf:
            renewal.shelf.renew(words)
            self._write_words(renewal.user, renewal.shelf)

    def snapshot(self) -> dict[str, bytes]:
        """Return each person's passages and vectors as msgpack, in canonical order."""
        return {user: _encoder.encode(shelf.stored()) for user, shelf in self._shelves.items()}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace everything by what a snapshot holds."""
        self._stamps = {}
        self._stamp_of_others = self._next_stamp()
        for shelf in self._shelves.values():
            shelf.close()
        self._shelves = {
            user: Shelf.filled(_decoder.decode(data), self._writers) for user, data in parts.items()
        }

    def stamp(self, user: str) -> int:
        """Return a number that is another whenever anything of a person was changed."""
        return self._stamps.get(user, self._stamp_of_others)

    def _change(self, user: str) -> None:
        self._stamps[user] = self._next_stamp()

    def _next_stamp(self) -> int:
        self._last_stamp += 1
        return self._last_stamp

    def _shelf(self, user: str) -> Shelf:
        """Return the person's shelf, a new one for somebody who has none."""
        shelf = self._shelves.get(user)
        if shelf is None:
            shelf = self._shelves[user] = Shelf(self._writers)
        return shelf

    def _write_words(self, user: str, shelf: Shelf, left_out: Iterable[str] = ()) -> None:
        shelf.write_words(left_out)
        if shelf.has_worn_words:
            self.worn.add(user)

    def _tidy(self, user: str) -> None:
        """Drop an empty shelf, and fill one afresh that mostly consists of free rows."""
        shelf = self._shelves[user]
        if not len(shelf):
            self.forget_user(user)
        elif shelf.dead > max(_DEAD_MAX, _DEAD_PER_LIVING * len(shelf)):
            shelf.close()
            self._shelves[user] = Shelf.filled(shelf.stored(), self._writers)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredShelf)


def _follow(shelf: Shelf, direction: str, row: int, reach: int) -> list[int]:
    """Return up to `reach` rows met when going on from a row in one direction."""
    found: list[int] = []
    while len(found) < reach and (row := int(shelf.columns[direction][row])) != NONE:
        found.append(row)
    return found
