"""Number words in digits, and the short forms of names."""

from __future__ import annotations

import pytest

from projections.retrieval.chinese import given_name, in_digits
from projections.retrieval.kinds import Kind, kinds_held
from projections.retrieval.question import read_question


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("三", "3"),
        ("十", "10"),
        ("十五", "15"),
        ("二十八号", "28号"),
        ("一百五十二", "152"),
        ("二百零五", "205"),
        ("一千零二十", "1020"),
        ("两万三", "23000"),
        ("七千二", "7200"),
        ("一百八", "180"),
        ("十一万二", "112000"),
        ("三亿五千万", "350000000"),
        ("二零三一年", "2031年"),
        ("第三次", "第3次"),
    ],
)
def test_number_words_become_digits(written: str, wanted: str) -> None:
    """With units, spelt digit by digit, and with the last unit left out as people speak."""
    assert in_digits(written) == wanted


@pytest.mark.parametrize("written", ["七八", "万", "一二三十", "星期", ""])
def test_text_stays_when_it_says_no_one_number(written: str) -> None:
    """Seven or eight is not 78, and a unit alone is no number."""
    assert in_digits(written) == written


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("林晓雯", "晓雯"), ("欧阳娜娜", "娜娜"), ("上官婉儿", "婉儿")],
)
def test_given_name_is_what_follows_the_surname(name: str, wanted: str) -> None:
    """Friends and family leave the surname out."""
    assert given_name(name) == wanted


@pytest.mark.parametrize("name", ["陈浩", "欧阳锋", "王老师", "小助手", "Mark", "user", ""])
def test_no_given_name_when_nobody_is_called_by_it(name: str) -> None:
    """A single character, a title and what is no Chinese name are not names by themselves."""
    assert given_name(name) is None


def test_question_names_a_speaker_by_the_given_name() -> None:
    """The name goes, as a full one does, from the text that is looked for."""
    question = read_question("晓雯是哪天入职的？", ["林晓雯", "陈浩"])
    assert question.speakers == {"林晓雯"}
    assert question.bare == "是哪天入职的？"


@pytest.mark.parametrize("text", ["三月十五号拿钥匙", "初四回杭州", "礼拜三开会", "月底到期"])
def test_text_speaks_of_time_when_its_numbers_are_words(text: str) -> None:
    """Dates are seldom written in digits where people talk."""
    assert Kind.TIME in kinds_held(text)
