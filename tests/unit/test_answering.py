"""The extractive answer: quotations, never inventions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from actors.answering import RELEVANCE_MIN, extractive_answer
from actors.queries import FoundMemory
from tests.unit.builders import NOON


def hit(id: str, text: str, score: float, *, source: str = "", **fields: Any) -> FoundMemory:
    given: dict[str, Any] = {"relevance": 0.8, "said_at": NOON}
    return FoundMemory(
        id=id,
        tier=fields.pop("tier", "semantic"),
        text=text,
        score=score,
        recorded_at=NOON,
        message_ids=(source or id,),
        **(given | fields),
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
    """What is far less relevant than the best is not quoted."""
    hits = [hit("a", "Bo bakes bread", 2.0), hit("b", "Bo rests", 1.9, relevance=0.4)]
    assert [one.id for one in extractive_answer("What does Bo bake?", hits).citations] == ["a"]


def test_the_question_itself_is_not_an_answer() -> None:
    """An earlier message with the same words is passed over."""
    hits = [hit("a", "What does Bo bake?", 3.0), hit("b", "Bo bakes bread", 2.9)]
    assert [one.id for one in extractive_answer("What does Bo bake?", hits).citations] == ["b"]


def cited(question: str, *hits: FoundMemory) -> list[str]:
    return [citation.id for citation in extractive_answer(question, hits).citations]


def test_an_answer_says_so_when_nothing_found_is_relevant() -> None:
    """The best of what is not about the question is no answer, however it scored."""
    found = hit("a", "I am allergic to mustard", 2.5, relevance=RELEVANCE_MIN - 0.01)
    answer = extractive_answer("Who composed the opera?", [found])
    assert (answer.text, answer.citations) == ("I have nothing in memory about that.", ())


def test_a_message_is_not_quoted_when_what_it_says_on_the_matter_is_superseded() -> None:
    """It is quoted only to who asks for what was so before."""
    stale = hit("old", "I live in Molde and keep bees", 2.0, superseded=True)
    assert cited("Where do I live?", stale) == []
    assert cited("Where did I live before?", stale) == ["old"]


def test_the_newest_is_quoted_alone_when_the_question_asks_for_now() -> None:
    """Of several relevant hits the one said last tells what is so now."""
    hits = [
        hit("old", "I row on Mondays", 2.0),
        hit("new", "I row on Fridays", 1.5, said_at=NOON + timedelta(days=9)),
    ]
    assert cited("When do I row now?", *hits) == ["new"]
    assert cited("When do I row?", *hits) == ["old", "new"]


def test_a_speaker_is_named_once_when_the_memory_names_it_too() -> None:
    """A line of a core block begins with its speaker; the quotation says it before the marks."""
    found = hit("c", "Liv: I live in Molde.", 2.0, tier="core", speaker="Liv")
    text = extractive_answer("Where does Liv live?", [found]).text
    assert text == "From memory: Liv: “I live in Molde.” [1]"


def test_a_name_stands_before_what_is_told_of_it_when_the_summary_lacks_it() -> None:
    """Names, and what steps are for, are parted from what follows by a colon."""
    fact = hit("s", "Runa\nShe repairs violins.", 2.0)
    assert "“Runa: She repairs violins.”" in extractive_answer("Who is Runa?", [fact]).text
    steps = hit("p", "泡姜茶\n切姜\n加水", 2.0, tier="procedural")
    assert "“泡姜茶：切姜；加水”" in extractive_answer("怎么泡姜茶？", [steps]).text


def test_the_sentence_that_answers_is_quoted_when_it_stands_in_a_document() -> None:
    """The title stands apart; headings, addresses and other sentences are left out."""
    text = "Boat rules\n## Fuel\nFill the tank after each trip. Knock twice at the shed.\nboat.md"
    document = hit("d", text, 2.0, tier="resource", title="Boat rules")
    answer = extractive_answer("When do I fill the tank?", [document])
    assert answer.text == "From memory: Boat rules: “Fill the tank after each trip.” [1]"


def test_a_document_is_quoted_once_when_several_chunks_are_found() -> None:
    """Of one document the most relevant chunk is quoted."""
    hits = [
        FoundMemory(
            id="d",
            tier="resource",
            text=text,
            title="Boat rules",
            score=2.0,
            relevance=relevance,
            said_at=NOON,
            recorded_at=NOON,
        )
        for text, relevance in (("How we share the boat.", 0.6), ("Fill the tank at night.", 0.9))
    ]
    answer = extractive_answer("When is the tank filled?", hits)
    assert answer.text == "From memory: Boat rules: “Fill the tank at night.” [1]"


def test_only_what_answers_is_quoted_when_a_message_is_long() -> None:
    """Of a long message the sentences on the matter are quoted, not its beginning."""
    long = "We talked for hours about nothing much. " * 12 + "The locker code is on the fridge."
    text = extractive_answer("Where is the locker code?", [hit("m", long, 2.0)]).text
    assert text == "From memory: “The locker code is on the fridge.” [1]"
