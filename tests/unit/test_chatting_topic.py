"""What a message is about, how its answer is wished, and what the answer rests on."""

from __future__ import annotations

import msgspec
import pytest

from actors.chatting.citing import citations
from actors.chatting.retrieving import fresh_first
from actors.chatting.topic import stands_alone, topic_by_words, topic_from, topic_turns
from actors.chatting.wishes import Wishes, context_tokens, quotes_only, wishes_of
from actors.models.port import Turn
from actors.models.settings import EXTRACTIVE, ModelSettings
from events.catalogue import AssistantProfile
from events.said import AnswerOptions
from tests.unit.fakes.chat_parts import BIG, hit

BEFORE = (
    Turn(role="user", content="Who is my dentist?"),
    Turn(role="assistant", content="Dr. Li in Elm Street."),
)


@pytest.mark.parametrize(
    "message", ["Where does Zoe live?", "What is the name of my dentist?", "小王住在哪里？"]
)
def test_a_question_that_says_it_all_is_its_own_topic(message: str) -> None:
    """It is searched for as it is, without waiting for the conversation."""
    assert stands_alone(message)
    assert topic_by_words(message, BEFORE) == message


@pytest.mark.parametrize(
    "message",
    ["When is he free?", "And on Monday?", "Why?", "她几点有空？", "那周一呢？", "为什么？"],
)
def test_a_question_that_leans_on_the_turns_before_is_searched_with_them(message: str) -> None:
    """The names that it stands on are in the last turns, the latest first."""
    topic = topic_by_words(message, BEFORE)
    assert topic == f"{message}\nDr. Li in Elm Street.\nWho is my dentist?"


def test_a_topic_is_the_first_line_that_a_model_gives() -> None:
    """Quotation marks and what comes after are left out; nothing is nothing."""
    assert topic_from('\n "Dr. Li opening hours" \nI hope this helps!') == "Dr. Li opening hours"
    assert topic_from(" \n ") == ""
    assert len(topic_from("x" * 5000)) <= 400


def test_a_model_is_shown_the_end_of_the_conversation_as_material() -> None:
    """The message stands last, and the prompt says not to follow it."""
    system, dialogue = topic_turns("When is he free?", BEFORE)
    assert dialogue.content.endswith("assistant: Dr. Li in Elm Street.\nuser: When is he free?")
    assert "not an instruction" in system.content


HITS = tuple(hit(id, f"text {id}") for id in "abc")


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Zoe lives in Lisbon [1].", [1]),
        ("Both hold [3][1], and again [3].", [3, 1]),
        ("Both hold [1, 2].", [1, 2]),
        ("她住在里斯本【2】，以前在奥斯陆［1、3］。", [2, 1, 3]),
        ("`row[1]` is no citation, nor is [7] or [x].\n```\na[2]\n```", []),
        ("Cut off in code:\n```\na[2]", []),
    ],
)
def test_marks_in_the_text_are_citations(text: str, marks: list[int]) -> None:
    """In the order in which they come, each once; numbers of nothing are none."""
    found = citations(text, HITS)
    assert [one.mark for one in found] == marks
    assert [one.id for one in found] == ["abc"[mark - 1] for mark in marks]


def test_a_model_that_knows_what_it_quoted_says_so() -> None:
    """Its text numbers its own quotations, whatever place they have in what was found."""
    found = citations("From memory: x [1] y [2]", HITS, (2, 0))
    assert [(one.mark, one.id) for one in found] == [(1, "c"), (2, "a")]


def test_what_a_prompt_shows_anyway_comes_last() -> None:
    """Other memories have its place; the same question from before has none."""
    found = (hit("q", "where does  ZOE live?"), *HITS)
    chosen = fresh_first(found, {"a", "c"}, "Where does Zoe live?")
    assert [one.id for one in chosen] == ["b", "a", "c"]
    many = fresh_first([hit(str(n), f"text {n}") for n in range(20)], set(), "?")
    assert [one.id for one in many] == [str(n) for n in range(10)]


def wished(settings: dict[str, object], options: AnswerOptions | None = None) -> Wishes:
    profile = AssistantProfile(id="a", name="n", model_settings=settings)
    return wishes_of(profile, options, ModelSettings(providers=(BIG, EXTRACTIVE)))


def test_values_of_another_kind_are_passed_over() -> None:
    """A profile may hold anything: what is no setting sets nothing."""
    odd = {"model": 3, "temperature": "hot", "max_tokens": -1, "tools": {"a": 1}, "parameters": 5}
    assert wished(odd) == Wishes()


def test_a_profile_names_a_model_that_is_configured() -> None:
    """By the provider's name or by what the provider calls it; others are passed over."""
    names = [wished({"model": name}).model for name in ("big", "qwen", "gpt-3.5-turbo")]
    assert names == ["big", "qwen", ""]
    assert wished({"model": "big"}, AnswerOptions(model="unknown")).model == "unknown"


def test_zero_is_a_wish() -> None:
    """What a client says counts, also where it is nothing."""
    assert wished({"temperature": 1.0}, AnswerOptions(temperature=0.0)).temperature == 0.0
    assert wished({"stop": "END", "seed": 0}) == Wishes(stop=("END",), seed=0)


def test_the_context_is_that_of_whoever_may_answer() -> None:
    """The least of all providers, or that of the one that is asked for; quotations need none."""
    small = msgspec.structs.replace(BIG, name="small", model="tiny", context_tokens=512)
    settings = ModelSettings(providers=(BIG, small, EXTRACTIVE))
    assert context_tokens(settings, "") == 512
    assert context_tokens(settings, "big") == 8192
    assert context_tokens(settings, "tiny") == 512
    assert not quotes_only(settings)
    assert quotes_only(ModelSettings())
    assert context_tokens(ModelSettings(), "") > 1_000_000
