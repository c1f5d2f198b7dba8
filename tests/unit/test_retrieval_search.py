"""What is found for a question, and in which order."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import SearchRequest
from projections.retrieval.ranking import HAND_SET
from tests.unit.test_retrieval_support import START, embed, filled, ids, memory, message, search

TALK = (
    message(1, "Did you ever get that leaking tap repaired?", speaker="Noor"),
    message(2, "Yes, last Friday! The plumber charged 90 euro.", speaker="Ben"),
    message(3, "My tomatoes are finally ripening.", speaker="Noor"),
    message(4, "周末我和同事去爬山了", speaker="Ben"),
    message(5, "The new bakery sells sourdough bread.", speaker="Ben", tags=("food",)),
    message(6, "I bake sourdough bread myself every week.", speaker="Noor", tags=("food", "home")),
)


def test_answer_is_found_beside_the_message_that_asked() -> None:
    """The answer holds no word of the question; the message before it does."""
    found = search(filled(*TALK), "When was the tap repaired?", limit=2)
    assert set(ids(found)) == {"m1", "m2"}


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("ripe tomatoes", "m3"),
        ("90 euro", "m2"),
        ("Ben周末去哪里爬山", "m4"),
        ("What bread does Noor bake?", "m6"),
        ("Which bakery bread did Ben mention?", "m5"),
    ],
)
def test_right_message_comes_first(question: str, best: str) -> None:
    """Words, numbers, Chinese and the speaker named all count."""
    assert ids(search(filled(*TALK), question))[0] == best


def test_words_find_a_passage_before_its_vector_arrives() -> None:
    """A message is findable as soon as it is added."""
    index = filled(*TALK)
    late = message(7, "The ferry was cancelled because of the storm.")
    index.add(late)
    assert ids(search(index, "cancelled ferry"))[0] == "m7"
    assert "m7" not in ids(search(index, "cancelled ferry", method="embedding"))
    embed(index, late)
    assert ids(search(index, "cancelled ferry", method="embedding"))[0] == "m7"


def test_words_alone_decide_when_the_question_has_no_vector() -> None:
    """Without an embedder, or with one of another dimension, search goes on."""
    index = filled(*TALK)
    for vector in (None, np.ones(3, np.float32)):
        assert ids(search(index, "ripening tomatoes", vector=vector))[0] == "m3"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"tags": ("food",)}, {"m5", "m6"}),
        ({"tags": ("food", "home")}, {"m6"}),
        ({"since": START + timedelta(minutes=6)}, {"m6"}),
        ({"until": START + timedelta(minutes=5)}, {"m5"}),
        ({"tiers": ("semantic",)}, {"mem9"}),
        ({"tiers": ("core",)}, set()),
    ],
)
@pytest.mark.parametrize("method", ["hybrid", "bm25", "string_match"])
def test_filters_hold_for_every_method(
    fields: dict[str, object], wanted: set[str], method: str
) -> None:
    """Tags all at once, both ends of a time range inclusive, tiers."""
    index = filled(*TALK, memory(9, "Sourdough bread is made with a starter.", source=8))
    unfiltered = {hit.id for hit in search(index, "sourdough bread", method=method)}
    assert {"m5", "m6", "mem9"} <= unfiltered
    found = {hit.id for hit in search(index, "sourdough bread", method=method, **fields)}
    found &= {"m5", "m6", "mem9"}
    assert found >= wanted
    assert "tags" not in fields or found == wanted
    assert all(_passes(hit_id, fields) for hit_id in found)


def _passes(hit_id: str, fields: dict[str, object]) -> bool:
    since, until = fields.get("since", START), fields.get("until", START + timedelta(days=1))
    said_at = START + timedelta(minutes=int(hit_id.removeprefix("mem").removeprefix("m")))
    tier = "semantic" if hit_id.startswith("mem") else "conversation"
    return since <= said_at <= until and tier in fields.get("tiers", (tier,))  # type: ignore[operator]  # the table above gives datetimes and tuples


def test_superseded_memory_is_found_only_when_asked_for() -> None:
    """What no longer holds is not offered as if it did."""
    ended = memory(9, "Lives in Oslo.", source=8, ended_at=START)
    index = filled(ended, memory(10, "Lives in Bergen.", source=9))
    assert ids(search(index, "lives in")) == ["mem10"]
    assert set(ids(search(index, "lives in", include_ended=True))) == {"mem9", "mem10"}


def test_memory_and_its_message_take_one_place_between_them() -> None:
    """Near-duplicates come after everything distinct, and push nothing out of the limit."""
    index = filled(
        message(1, "My locker number is 4471."),
        memory(11, "Locker number: 4471", source=1),
        memory(12, "The locker has number 4471.", source=1),
        message(2, "Your locker is next to the door."),
    )
    assert {hit.message_ids for hit in search(index, "locker number", limit=2)} == {
        ("m1",),
        ("m2",),
    }
    assert len(search(index, "locker number", limit=4)) == 4


def test_memory_stands_beside_the_neighbours_of_its_message() -> None:
    """Of two like memories, the one drawn from where the question's matter was talked of wins."""
    index = filled(
        message(1, "They took me!", speaker="Ben"),
        message(2, "So the audition for the orchestra went well."),
        message(3, "They took me!", speaker="Ben", conversation="c2"),
        memory(11, "Ben was accepted.", source=1),
        memory(12, "Ben was accepted.", source=3),
    )
    found = search(index, "accepted after the orchestra audition", tiers=("semantic",))
    assert ids(found) == ["mem11", "mem12"]


def test_threshold_cuts_what_scores_lower() -> None:
    """Of `embedding` the threshold is a cosine."""
    index = filled(*TALK)
    everything = search(index, TALK[2].text, method="embedding")
    near = search(index, TALK[2].text, method="embedding", threshold=0.9)
    assert len(everything) > 1
    assert [(hit.id, round(hit.score, 2)) for hit in near] == [("m3", 1.0)]


def test_explained_hits_name_every_signal() -> None:
    """The values lie between 0 and 1; unexplained hits carry none."""
    found = search(filled(*TALK), "When was the tap repaired?", explain=True)
    signals = {hit.id: hit.signals or {} for hit in found}
    assert signals["m2"]["kind"].value == 1
    assert signals["m1"]["asks"].value == 1
    names = set(msgspec.structs.asdict(HAND_SET))
    assert all(one.keys() == names for one in signals.values())
    assert all(0 <= signal.value <= 1 for one in signals.values() for signal in one.values())
    assert search(filled(*TALK), "tap")[0].signals is None


def test_explained_signals_add_up_to_the_score() -> None:
    """Value times weight, over all signals."""
    for hit in search(filled(*TALK), "When was the tap repaired?", explain=True):
        parts = (signal.value * signal.weight for signal in (hit.signals or {}).values())
        assert hit.score == pytest.approx(sum(parts), abs=1e-4)


def test_explained_ranks_compare_the_candidates() -> None:
    """1 is the best, equals share it; of a signal that counts against, the least is the best."""
    found = search(filled(*TALK), "When was the tap repaired?", explain=True)
    signals = {hit.id: hit.signals or {} for hit in found}
    assert signals["m1"]["asks"].weight < 0
    assert signals["m1"]["asks"].rank == len(signals)
    assert signals["m2"]["asks"].rank == signals["m3"]["asks"].rank == 1
    assert min(one["words"].rank for one in signals.values()) == 1
    assert signals["m1"]["words"].rank == 1


def test_words_around_an_answer_count() -> None:
    """An answer two messages after the one that names the matter is found by it."""
    index = filled(
        message(1, "My grandmother had a recipe for plum dumplings."),
        message(2, "Oh nice."),
        message(3, "Cottage cheese, flour, one egg."),
        message(4, "Rain, wind, one tree.", conversation="c2"),
        embedded=False,
    )
    found = search(index, "recipe for plum dumplings", explain=True, vector=None)
    signals = {hit.id: hit.signals or {} for hit in found}
    assert signals["m1"]["around"].value == signals["m2"]["around"].value == 1
    assert "m4" not in signals


def test_place_is_found_when_it_is_asked_where() -> None:
    """Of two passages of like words, the one with a place in it."""
    index = filled(
        message(1, "She sings with the choir on stage.", conversation="c1"),
        message(2, "She sings with the choir in Leeds.", conversation="c2"),
        message(3, "She sings with the choir at night.", conversation="c3"),
    )
    assert ids(search(index, "Where does she sing with the choir?"))[0] == "m2"


def test_days_are_counted_from_the_newest_passage() -> None:
    """No clock is asked: the same question of the same log finds the same."""
    then = START - timedelta(days=7)
    index = filled(
        message(1, "We watched the parade.", said_at=then, recorded_at=then, conversation="c1"),
        message(2, "We watched the parade.", conversation="c2"),
    )
    assert ids(search(index, "the parade a week ago"))[0] == "m1"
    assert ids(search(index, "the parade today"))[0] == "m2"


def test_dates_in_the_question_prefer_what_was_said_or_happened_then() -> None:
    """Two passages of like words part by the day that the question names."""
    index = filled(
        message(1, "We watched the meteor shower.", occurred_at="2025-08-12"),
        message(2, "We watched the meteor shower.", occurred_at="2025-12-13"),
    )
    assert ids(search(index, "meteor shower in August 2025"))[0] == "m1"
    assert ids(search(index, "meteor shower on 13 December 2025"))[0] == "m2"


def test_nothing_is_found_when_nothing_fits() -> None:
    """No user, no limit, no word and no vector: an empty list, not an error."""
    index = filled(*TALK, embedded=False)
    assert search(index, "zeppelin", vector=None) == []
    assert search(index, "?!", vector=None) == []
    assert search(index, "tap", user="nobody") == []
    assert search(index, "tap", limit=0) == []
    assert RetrievalIndex().search(SearchRequest(user="ada", query="tap")) == []


def test_blotted_text_shows_dots_and_is_not_found() -> None:
    """A secret leaves the index; ranges given later still fit the text."""
    text = "The door code is 7391 and the safe is 8842."
    secret = message(1, text).without(((17, 21), (38, 42)))
    index = filled(secret)
    (hit,) = search(index, "door code")
    assert hit.text == "The door code is •••• and the safe is ••••."
    assert search(index, "7391", method="string_match") == []
    assert search(index, "8842", method="bm25") == []


def test_neighbours_are_those_of_the_same_session() -> None:
    """In order, up to the reach, not across conversations or days."""
    index = filled(*TALK, message(7, "Elsewhere.", conversation="c2"))
    assert [passage.id for passage in index.neighbours("ada", "m3", reach=2)] == [
        "m1",
        "m2",
        "m4",
        "m5",
    ]
    assert index.neighbours("ada", "m7") == ()
    assert index.neighbours("ada", "nothing") == ()
