"""Cutting text into terms."""

from __future__ import annotations

import pytest

from projections.retrieval.words_tantivy import terms


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The runners were running", ["runner", "run"]),
        ("Zoë's café", ["zoe", "cafe"]),
        ("It cost 12,500 euro on 2026-03-02", ["cost", "12500", "euro", "2026", "03", "02"]),
        ("What did we do?", []),
        ("", []),
    ],
)
def test_english_terms_are_stems_without_function_words(text: str, wanted: list[str]) -> None:
    """Case, accents, endings and thousands separators do not part what belongs together."""
    assert terms(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我昨天在图书馆看书", {"昨天", "图书馆", "看书"}),
        ("下周去上海出差", {"下周", "上海", "出差"}),
        ("妈妈的新手机是 iPhone 15", {"妈妈", "手机", "iphon", "15"}),
        ("用Python写脚本", {"python", "脚本"}),
    ],
)
def test_chinese_terms_are_words_when_text_is_mixed(text: str, wanted: set[str]) -> None:
    """Chinese runs are cut into words wherever they touch letters and digits."""
    assert wanted <= set(terms(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("會議改到禮拜三", "会议改到星期三"),
        ("房租七千二", "房租7200"),
        ("五月三号", "5月3号"),
        ("二零三一年到期", "2031年到期"),
        ("ＰＭ２．５超标", "PM2.5超标"),
    ],
)
def test_terms_are_the_same_however_it_is_written(one: str, other: str) -> None:
    """Traditional and simplified, number words and digits, full and half width are one term."""
    assert terms(one) == terms(other)


def test_chinese_function_words_leave_nothing_behind() -> None:
    """A word that asks is no term, nor are its characters; how often something is, stays."""
    assert terms("为什么他们没有和我们一起去，是不是因为什么") == terms("没有一起去")
    assert "每周" in terms("每周几次")
