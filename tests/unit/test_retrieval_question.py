"""Reading a question."""

from __future__ import annotations

from datetime import date

import pytest

from projections.retrieval.kinds import Kind, kinds_held
from projections.retrieval.question import asking_share, is_question, read_question


@pytest.mark.parametrize(
    ("text", "speakers", "bare"),
    [
        ("When did Priya move to Leeds?", {"Priya"}, "When did move to Leeds?"),
        ("What is PRIYA'S plan with Tom?", {"Priya", "Tom Baker"}, "What is plan with ?"),
        ("李雷什么时候去北京？", {"李雷"}, "什么时候去北京？"),
        ("Who tomorrow?", set(), "Who tomorrow?"),
        ("Priya?", {"Priya"}, "Priya?"),
        ("Where did I park my car?", {"user"}, "Where did I park my car?"),
    ],
)
def test_speakers_are_named_and_left_out(text: str, speakers: set[str], bare: str) -> None:
    """Full and first names count, in any case and script; a word never becomes a name."""
    read = read_question(text, ["Priya", "Tom Baker", "李雷", "user"])
    assert (read.speakers, read.bare) == (speakers, bare)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("What happened on 5 March 2025?", date(2025, 3, 5), date(2025, 3, 5)),
        ("What happened on March 5th, 2025?", date(2025, 3, 5), date(2025, 3, 5)),
        ("Trips in December 2024", date(2024, 12, 1), date(2024, 12, 31)),
        ("Since 2023-07-14?", date(2023, 7, 14), date(2023, 7, 14)),
        ("What did she plant in 2024?", date(2024, 1, 1), date(2024, 12, 31)),
        ("2025年3月5日做了什么", date(2025, 3, 5), date(2025, 3, 5)),
        ("2025年2月的旅行", date(2025, 2, 1), date(2025, 2, 28)),
        ("2024年买了什么", date(2024, 1, 1), date(2024, 12, 31)),
    ],
)
def test_days_are_read(text: str, first: date, last: date) -> None:
    """A day, a month or a year is the range from its first to its last day."""
    assert read_question(text, []).days == ((first, last),)


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("What did we do in May?", {5}),
        ("Who called last June?", {6}),
        ("May I come in?", set()),
        ("They march along", set()),
        ("三月五日", set()),
        ("3月去了哪里", {3}),
        ("31 February 2025", set()),
        ("13月", set()),
    ],
)
def test_months_without_a_year_are_read(text: str, months: set[int]) -> None:
    """Words that are months and something else need a preposition; no month is made up."""
    assert read_question(text, []).months == months


def test_kind_of_answer_is_read() -> None:
    """When, and the latest state of things, in both languages."""
    assert Kind.TIME in read_question("When is it due?", []).wants
    assert Kind.TIME in read_question("他什么时候回来", []).wants
    assert read_question("Where does she live now?", []).wants_latest
    assert read_question("他现在住哪里", []).wants_latest
    plain = read_question("Who painted the fence?", [])
    assert Kind.TIME not in plain.wants
    assert not plain.wants_latest


@pytest.mark.parametrize(
    ("text", "asks", "timely"),
    [
        ("Did you see it yesterday?", True, True),
        ("I sold the boat two weeks ago.", False, True),
        ("Lovely colours!", False, False),
        ("你吃饭了吗？", True, False),
        ("我们上周搬家了", False, True),
        ("We met LAST Sunday", False, True),
        ("Émile arrived in March", False, True),
        ("The lastest café of the marching band", False, False),
        ("Anna 3月 搬家", False, True),
    ],
)
def test_text_tells_whether_it_asks_and_speaks_of_time(text: str, asks: bool, timely: bool) -> None:
    """What a message is, is read once, when it is added."""
    assert (is_question(text), Kind.TIME in kinds_held(text)) == (asks, timely)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Where does she sing?", Kind.PLACE),
        ("Which cities has he seen?", Kind.PLACE),
        ("Who repaired the fence?", Kind.NAME),
        ("What is the dog called?", Kind.NAME),
        ("Why did the shop close?", Kind.REASON),
        ("Where and when did they meet?", Kind.PLACE | Kind.TIME),
        ("What colour is the fence?", Kind(0)),
        ("店为什么关门", Kind.REASON),
        ("他在哪个城市上班", Kind.PLACE),
        ("那只狗叫什么", Kind.NAME),
        ("篱笆是什么颜色", Kind(0)),
    ],
)
def test_kind_of_thing_asked_for_is_read(question: str, wanted: Kind) -> None:
    """From the form of the question; a kind that the text gives no sign of is not made up."""
    assert read_question(question, []).wants == wanted


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("We moved to Leeds.", Kind.PLACE | Kind.NAME),
        ("Thanks, Priya!", Kind(0)),
        ("Hey Priya, the kettle broke", Kind(0)),
        ('I am reading "The Long Winter".', Kind.NAME),
        ("It closed because of the rent.", Kind.REASON),
        ("The party is in May", Kind(0)),
        ("她在青岛市工作", Kind.PLACE),
        ("我在看《边城》", Kind.NAME),
        ("因为房租太贵", Kind.REASON),
        ("篱笆是绿色的", Kind(0)),
    ],
)
def test_kinds_of_things_in_a_text_are_read(text: str, held: Kind) -> None:
    """Who is spoken to is no name of interest, and a month no place."""
    assert kinds_held(text) == held


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("Which cities has Tom visited?", True),
        ("What are her hobbies?", True),
        ("How many times did the boiler fail?", True),
        ("Would Tom enjoy a cruise?", True),
        ("他去过哪些城市", True),
        ("Who repaired the fence?", False),
        ("When did Tom visit the cities?", False),
        ("How long has she been away?", False),
        ("What was the news about the bus?", False),
        ("他什么时候搬家", False),
    ],
)
def test_question_tells_whether_it_wants_several_messages(question: str, several: bool) -> None:
    """Lists, counts, what somebody ever did, and what has to be inferred."""
    assert read_question(question, []).wants_several == several


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("How are you?", 1.0),
        ("I sold the boat.", 0.0),
        ("I sold it today. And you?", 0.36),
        ("船卖了。你呢？", 0.43),
        ("", 0.0),
    ],
)
def test_share_that_asks_is_read(text: str, share: float) -> None:
    """By sentences, so that news before a question count as news."""
    assert asking_share(text) == pytest.approx(share, abs=0.01)
