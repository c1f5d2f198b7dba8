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
