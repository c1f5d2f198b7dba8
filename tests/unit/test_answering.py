"""The extractive answer: quotations, never inventions."""

from __future__ import annotations

from actors.answering import extractive_answer
from actors.queries import FoundMemory
from tests.unit.builders import NOON


def hit(id: str, text: str, score: float, *, source: str = "", **fields: str) -> FoundMemory:
    return FoundMemory(
        id=id,
        tier=fields.pop("tier", "semantic"),
        text=text,
        score=score,
        said_at=NOON,
        recorded_at=NOON,
        message_ids=(source or id,),
        **fields,
    )


def test_an_answer_says_so_when_nothing_was_found() -> None:
    """Without hits there is no quotation and no citation."""
    answer = extractive_answer("Where does Bo live?", [])
    assert answer.text == "I have nothing in memory about that."
    assert answer.citations == ()


def test_an_answer_is_in_chinese_when_the_question_is() -> None:
    """The frame of an answer follows the language of the question."""
    assert extractive_answer("小王住在哪里？", []).text == "我的记忆里没有这方面的内容。"


def test_an_answer_quotes_with_speaker_and_date_when_they_are_known() -> None:
    """A quotation says who said it and when it happened."""
    found = hit("m1", "We adopted a puppy", 2.0, speaker="Mia", occurred_at="2026-01-05")
    answer = extractive_answer("When did Mia get a dog?", [found])
    assert answer.text == "From memory: Mia: “We adopted a puppy” (2026-01-05) [1]"
    assert [citation.id for citation in answer.citations] == ["m1"]


def test_a_source_is_quoted_once_when_memory_and_message_are_both_found() -> None:
    """A memory and the message that it was drawn from are one quotation."""
    hits = [
        hit("mem", "Bo bakes bread", 2.0, source="msg"),
        hit("msg", "You know, Bo bakes bread", 1.9, source="msg"),
    ]
    assert len(extractive_answer("What does Bo bake?", hits).citations) == 1


def test_weak_hits_are_left_out_when_a_strong_one_is_there() -> None:
    """What scores far below the best is not quoted."""
    hits = [hit("a", "Bo bakes bread", 2.0), hit("b", "It rained", 0.5)]
    assert [one.id for one in extractive_answer("What does Bo bake?", hits).citations] == ["a"]


def test_the_question_itself_is_not_an_answer() -> None:
    """An earlier message with the same words is passed over."""
    hits = [hit("a", "What does Bo bake?", 3.0), hit("b", "Bo bakes bread", 2.9)]
    assert [one.id for one in extractive_answer("What does Bo bake?", hits).citations] == ["b"]
