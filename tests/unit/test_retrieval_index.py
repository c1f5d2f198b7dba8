"""An index after any history equals one filled afresh, and people are kept apart."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.retrieval import index as index_module
from projections.retrieval import shelf as shelf_module
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import Passage, SearchRequest
from projections.retrieval.shelf import StoredShelf
from tests.unit.test_retrieval_support import TWIN, embed, filled, ids, memory, message, search

WORDS = ("tap", "boat", "bread", "storm", "red", "kite", "周末", "爬山", "2026", "why?")
QUESTIONS = ("tap boat bread", "storm, red kite, why 2026?", "周末爬山")

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["say", "say", "record", "revise", "unsay", "forget", "embed", "embed", "amend"]
        ),
        st.integers(0, 5),
        texts,
    ),
    min_size=15,
    max_size=40,
)


def play(
    history: list[tuple[str, int, str]], index: RetrievalIndex | None = None
) -> RetrievalIndex:
    """Return an index after these steps: messages m0…m5, memories mem100… of two chunks."""
    index = index or RetrievalIndex()
    for kind, number, text in history:
        said = message(number, text, conversation=f"c{number % 2}", speaker=f"s{number % 3}")
        first = memory(100 + number, text, source=number)
        known = index.passages_of("ada", said.id)
        match kind:
            case "say":
                index.add(said)
            case "record":
                index.revise((first, memory(100 + number, text[::-1], source=number, ordinal=1)))
            case "revise":
                index.revise((first,))
            case "unsay":
                index.remove("ada", said.id)
            case "forget":
                index.remove("ada", first.id)
            case "embed":
                embed(index, said)
                embed(index, first)
            case "amend" if known:
                index.amend(known[0].without(((0, 2),)))
    return index


def afresh(index: RetrievalIndex) -> RetrievalIndex:
    """Return an index restored from a snapshot of this one."""
    copy = RetrievalIndex()
    copy.restore(index.snapshot())
    return copy


def refilled(index: RetrievalIndex) -> RetrievalIndex:
    """Return an index given what this one holds now passage by passage, nothing derived."""
    copy = RetrievalIndex()
    for part in index.snapshot().values():
        stored = msgspec.msgpack.decode(part, type=StoredShelf)
        kept = stored.vectors
        vectors = iter(np.frombuffer(kept.vectors, "<f2").reshape(-1, TWIN.dimension))
        embedded_each = kept.embedded or bytes(len(stored.passages))
        for passage, embedded in zip(stored.passages, embedded_each, strict=True):
            copy.add(passage)
            if embedded:
                vector = next(vectors).astype(np.float32)
                copy.set_vector(passage.user, passage.id, passage.ordinal, vector)
    return copy


@settings(max_examples=100, deadline=None)
@given(history=steps, dead_max=st.sampled_from([0, 1024]))
def test_index_equals_one_filled_afresh_after_any_history(
    history: list[tuple[str, int, str]], dead_max: int
) -> None:
    """Same snapshot, same hits with the same scores; with early tidying or without.

    So does one that is restored from a snapshot, with what was kept there instead of found again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_DEAD_MAX", dead_max)
        live = play(history)
    for other in (afresh(live), refilled(live)):
        assert live.snapshot() == other.snapshot()
        for number in range(6):
            id = f"m{number}"
            assert live.neighbours("ada", id, 5) == other.neighbours("ada", id, 5)
        for question in QUESTIONS:
            for method in ("hybrid", "bm25", "embedding"):
                asked = {"method": method, "limit": 50, "explain": True}
                assert search(live, question, **asked) == search(other, question, **asked)


@settings(max_examples=50, deadline=None)
@given(before=steps, after=steps)
def test_restored_index_goes_on_as_the_live_one(
    before: list[tuple[str, int, str]], after: list[tuple[str, int, str]]
) -> None:
    """What comes after a restore finds everything in the place where it would have been."""
    live = play(before)
    restored = play(after, afresh(live))
    play(after, live)
    assert live.snapshot() == restored.snapshot()
    for question in QUESTIONS:
        asked = {"limit": 50, "explain": True}
        assert search(live, question, **asked) == search(restored, question, **asked)


@settings(max_examples=30, deadline=None)
@given(history=steps, waiting_max=st.sampled_from([1, 5]))
def test_words_written_early_are_found_as_those_written_late(
    history: list[tuple[str, int, str]], waiting_max: int
) -> None:
    """Up to the last bits, hits do not tell when a live or a restored index wrote its words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf_module, "WAITING_MAX", waiting_max)
        live = play(history)
        early = afresh(live)
    late = afresh(live)
    for question in QUESTIONS:
        found, restored, wanted = (
            {(hit.id, hit.ordinal): hit.score for hit in search(index, question, limit=50)}
            for index in (live, early, late)
        )
        assert found == pytest.approx(wanted, abs=3e-5)
        assert restored == pytest.approx(wanted, abs=3e-5)


@settings(max_examples=50, deadline=None)
@given(histories=st.lists(steps, min_size=2, max_size=4))
def test_hits_equal_those_of_an_index_filled_afresh_when_searches_came_between(
    histories: list[list[tuple[str, int, str]]],
) -> None:
    """What each search wrote to the word index and what was removed later leave no trace.

    Up to the last bits: the engine adds terms up in an order that follows its commits.
    """
    live = RetrievalIndex()
    for history in histories:
        play(history, live)
        for question in QUESTIONS:
            search(live, question)
    rebuilt = afresh(live)
    for question in QUESTIONS:
        for method in ("hybrid", "bm25"):
            found, wanted = (
                {(hit.id, hit.ordinal): hit.score for hit in search(index, question, **asked)}
                for index in (live, rebuilt)
                for asked in ({"method": method, "limit": 50},)
            )
            assert found == pytest.approx(wanted, abs=3e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.add(message(3, "another text")),
        lambda index: index.add(message(3, "bread", tags=("food",))),
        lambda index: index.add(message(4, "bread")),
        lambda index: index.remove("ada", "m3"),
        lambda index: index.set_vector("ada", "m3", 0, np.ones(TWIN.dimension, np.float32)),
        lambda index: index.add(message(3, "bread", user="bob")),
    ],
)
def test_snapshot_differs_when_anything_differs(change: object) -> None:
    """Text, tags, ids, vectors and whose they are all count."""
    index = filled(message(3, "bread"))
    before = index.snapshot()
    change(index)  # type: ignore[operator]  # each parameter is a function of an index
    assert index.snapshot() != before


def test_revised_memory_is_found_by_its_new_text_only() -> None:
    """The old words, the old vector and the surplus chunks are gone."""
    index = filled(
        memory(101, "The meeting is in the small room.", source=1),
        memory(101, "Bring the projector.", source=1, ordinal=1),
    )
    index.revise((memory(101, "The meeting is in the garden.", source=1),))
    assert ids(search(index, "garden", method="bm25")) == ["mem101"]
    assert search(index, "projector", method="bm25") == []
    assert search(index, "small room", method="embedding") == []


def test_amended_passage_keeps_its_vector() -> None:
    """What still says the same needs no new embedding."""
    index = filled(message(1, "The code is 7391."))
    index.amend(message(1, "The code is 7391.").without(((12, 16),)))
    assert ids(search(index, "code", method="embedding")) == ["m1"]


def test_many_people_never_see_each_other() -> None:
    """Everybody says the same; each finds exactly their own, by every method."""
    people = [f"user{number}" for number in range(60)]
    passages = [
        message(minute, f"The blue lantern of {person} hangs in room {minute}.", user=person)
        for minute in range(1, 6)
        for person in people
    ]
    index = filled(*passages)
    for person in people:
        for method in ("hybrid", "bm25", "embedding", "string_match"):
            hits = search(index, "blue lantern", user=person, method=method, limit=50)
            assert len(hits) == 5, (person, method)
            assert all(person in hit.text for hit in hits), (person, method)


def test_ranking_does_not_move_with_what_another_person_writes() -> None:
    """Word statistics are a person's own: neither scores nor order tell of anybody else."""
    own = [message(1, "red boat"), message(2, "red kite"), message(3, "a boat in the storm")]
    alone = filled(*own)
    among = filled(*own, *(message(n, "boat boat storm", user="bob") for n in range(4, 40)))
    assert search(alone, "red boat") == search(among, "red boat")


def test_forgotten_person_leaves_nothing() -> None:
    """Neither passages nor a partition in the snapshot."""
    index = filled(message(1, "red boat"), message(2, "red kite", user="bob"))
    index.forget_user("ada")
    assert search(index, "red") == []
    assert set(index.snapshot()) == {"bob"}
    index.remove("bob", "m2")
    assert index.snapshot() == {}


def test_late_messages_take_their_place_by_log_position() -> None:
    """Which message follows which depends on the log, not on the order of adding."""
    parts: list[Passage] = [message(number, f"word{number}") for number in (1, 2, 3)]
    inorder, shuffled = filled(*parts), filled(parts[2], parts[0], parts[1])
    assert (
        inorder.neighbours("ada", "m2")
        == shuffled.neighbours("ada", "m2")
        == (
            parts[0],
            parts[2],
        )
    )
    request = SearchRequest(user="ada", query="word1 word2", explain=True)
    assert inorder.search(request) == shuffled.search(request)
