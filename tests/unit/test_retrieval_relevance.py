"""How far a hit is about the question at all."""

from __future__ import annotations

import pytest

from projections.retrieval.index import RetrievalIndex
from tests.unit.test_retrieval_support import START, embed, filled, memory, message, search

TALK = (
    message(1, "My sister Runa repairs violins in Tromso.", speaker="user"),
    message(2, "I am allergic to mustard.", speaker="user"),
    message(3, "我家养了一只乌龟，名字叫慢慢。", speaker="user"),
    message(4, "我对芝麻过敏。", speaker="user"),
)


def best(index: RetrievalIndex, query: str, **fields: object) -> dict[str, float]:
    return {hit.id: hit.relevance for hit in search(index, query, **fields)}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What does Runa repair?", "m1"),
        ("What am I allergic to?", "m2"),
        ("我的乌龟叫什么？", "m3"),
        ("我对什么过敏？", "m4"),
    ],
)
def test_an_answer_is_relevant_when_it_has_the_words_of_the_question(
    question: str, answer: str
) -> None:
    """The passage that answers stands alone, well above all others."""
    found = best(filled(*TALK), question)
    assert found.pop(answer) >= 0.3
    assert max(found.values(), default=0.0) < 0.3


@pytest.mark.parametrize(
    "question", ["Who composed the opera?", "我的狗叫什么？", "火星的国王是谁？"]
)
def test_nothing_is_relevant_when_nobody_spoke_of_the_matter(question: str) -> None:
    """What asks, and single characters in common, make no passage relevant."""
    assert max(best(filled(*TALK), question).values(), default=0.0) < 0.3


def test_relevance_is_measured_when_the_question_has_no_vector() -> None:
    """Words alone are enough, by every method."""
    for method in ("hybrid", "bm25", "string_match"):
        found = best(filled(*TALK, embedded=False), "mustard", vector=None, method=method)
        assert found["m2"] == 1.0


def test_an_answer_inherits_relevance_when_the_message_before_it_asks() -> None:
    """A bare reply is about what it replies to; a remark after a statement is not."""
    index = filled(
        message(1, "Which ferry goes to Runde?"),
        message(2, "The yellow one."),
        message(3, "The ferry goes to Runde."),
        message(4, "Lovely."),
    )
    found = best(index, "ferry to Runde")
    assert found["m2"] > 0.5
    assert found["m4"] < 0.3


def test_relevance_is_less_when_somebody_else_speaks() -> None:
    """Of two who say the same, the one who is asked about is the more relevant."""
    index = filled(
        message(1, "I keep bees.", speaker="Odd"), message(2, "I keep bees.", speaker="Liv")
    )
    found = best(index, "What does Liv keep?")
    assert found["m2"] > found["m1"]


def test_what_took_the_place_of_a_relevant_memory_is_relevant() -> None:
    """The new fact needs no word of the question; the old one had them."""
    index = filled(
        message(1, "I live in Molde and I keep bees."),
        message(2, "Yesterday I went over to Bergen for good."),
        memory(11, "I live in Molde", source=1, ended_at=START, superseded_by="mem13"),
        memory(12, "I keep bees.", source=1),
        memory(13, "Yesterday I went over to Bergen for good.", source=2),
    )
    hits = {hit.id: hit for hit in search(index, "Where do I live?")}
    assert hits["mem13"].relevance >= 0.3
    assert hits["m1"].superseded
    assert not hits["m2"].superseded


def test_a_message_holds_when_what_was_asked_of_it_was_not_superseded() -> None:
    """A message with one stale fact still tells the others, and all once the old one is gone."""
    index = filled(
        message(1, "I live in Molde and I keep bees."),
        memory(11, "I live in Molde", source=1, ended_at=START, superseded_by="mem13"),
        memory(12, "I keep bees.", source=1),
    )
    assert not {hit.id: hit for hit in search(index, "What do I keep?")}["m1"].superseded
    index.remove("ada", "mem11")
    assert not {hit.id: hit for hit in search(index, "Where do I live?")}["m1"].superseded


def test_a_chunk_carries_the_title_of_its_document() -> None:
    """Of a document any part may be found; the title stands in its first."""
    index = filled(
        memory(9, "Boat rules\nHow we share the boat.", source=8, tier="resource"),
        memory(9, "Fill the tank after each trip.", source=8, tier="resource", ordinal=1),
    )
    titles = {hit.ordinal: hit.title for hit in search(index, "fill the tank after a trip")}
    assert titles[1] == "Boat rules"


def test_relevance_follows_when_a_vector_arrives() -> None:
    """In English the nearness in meaning counts beside the words."""
    index = filled(message(1, "Rowing is my pastime."), embedded=False)
    before = best(index, "my pastime")["m1"]
    embed(index, message(1, "Rowing is my pastime."))
    assert best(index, "my pastime")["m1"] != before
