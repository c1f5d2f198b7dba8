"""Cut text into terms: English stems, Chinese words, numbers and names, in any mixture.

tantivy's analyser lowers, folds accents and stems (Snowball English); rjieba cuts runs of Chinese
characters into words first, because an analyser for English takes a whole run as one word. What is
written in several ways is one term: full and half width (NFKC), traditional and simplified
characters (OpenCC), 二十八 and 28, 礼拜三 and 周三.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import rjieba
from opencc import OpenCC
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from projections.retrieval.chinese import NUMERALS, in_digits

_CHINESE_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_WEEKDAY = re.compile(r"(?:星期|礼拜)(?=[一二三四五六日天])")
_FIGURE_OR_REST = re.compile(r"\d+|\D+")
_SIMPLIFIED = OpenCC("t2s")
_LETTERS_MAX = 64
#: So many characters have no part that is a word and not one character.
_PARTLESS_MAX = 2

#: Words that carry no topic: they would only cost time, their weight (idf) is next to nothing.
_FUNCTION_WORDS = """
a an and are as at be been but by did do does for from had has have he her his how i in is it its me
my of on or our s she t that the their them they this to was we were what when where which who whom
whose why will with would you your m re ll ve d
的 了 是 在 我 你 他 她 它 们 和 与 也 都 就 吗 呢 吧 啊 这 那 有 着 过 我们 你们 他们
什么 怎么 哪 哪里 谁 几 什么时候 多少 一个 不 有没有 是不是 能不能 会不会 要不要
"""
_FUNCTION_WORDS_ZH = frozenset(_FUNCTION_WORDS.split())
#: Parts of speech that carry no topic, as rjieba tags them (ICTCLAS): pronouns, prepositions,
#: conjunctions, particles, modal words, interjections, onomatopoeia.
_FUNCTION_TAGS = ("r", "p", "c", "u", "y", "e", "o")


def _analyzer() -> TextAnalyzer:
    builder = TextAnalyzerBuilder(Tokenizer.simple())
    for part in (
        Filter.remove_long(_LETTERS_MAX),
        Filter.lowercase(),
        Filter.ascii_fold(),
        Filter.custom_stopword(_FUNCTION_WORDS.split()),
        Filter.stemmer("english"),
    ):
        builder = builder.filter(part)
    return builder.build()


_ANALYZER = _analyzer()


def terms(text: str) -> list[str]:
    """Return the terms of a text in order, with repetitions and without function words."""
    # Most texts need neither, and to see that is quicker than to look for places to change.
    if not text.isascii():
        text = _CHINESE_RUN.sub(_cut_run, unicodedata.normalize("NFKC", text))
    if "," in text:
        text = _THOUSANDS.sub("", text)
    found: list[str] = _ANALYZER.analyze(text)
    return found


def _cut_run(match: re.Match[str]) -> str:
    """Return a Chinese run as its words, their parts and their characters, with spaces between.

    Single characters find 办公楼 for 办公室; being common, they weigh little beside whole words.
    Those of function words are left out: 什 and 么 would find nothing but questions.
    """
    parts: list[str] = []
    for word in _words(_WEEKDAY.sub("周", _SIMPLIFIED.convert(match.group()))):
        if word.isdigit():
            parts.append(word)
            continue
        parts.extend(rjieba.cut_for_search(word) if len(word) > _PARTLESS_MAX else (word,))
        if len(word) > 1:
            parts.extend(word)
    return f" {' '.join(parts)} "


def _words(run: str) -> Iterator[str]:
    """Yield the words of a run without function words, numbers in digits and by themselves."""
    number = ""
    for word, tag in rjieba.tag(run):
        # A number may come in pieces: 七千, 二.
        if _is_number(word, tag):
            number += word
            continue
        yield from _FIGURE_OR_REST.findall(in_digits(number))
        number = ""
        if not _is_function_word(word, tag):
            yield word
    yield from _FIGURE_OR_REST.findall(in_digits(number))


def _is_number(word: str, tag: str) -> bool:
    """Tell whether a word is an amount (三公斤) or a date (五月), and asks for none (多少)."""
    if tag == "t":
        return word[0] in NUMERALS
    return tag == "m" and word not in _FUNCTION_WORDS_ZH


def _is_function_word(word: str, tag: str) -> bool:
    """Tell whether a word carries no topic. 每周 is tagged a pronoun, and says how often."""
    if word in _FUNCTION_WORDS_ZH or word[0] == "哪":
        return True
    return tag.startswith(_FUNCTION_TAGS) and word[0] != "每"
