"""Cut text into terms: English stems, Chinese words, numbers and names, in any mixture.

tantivy's analyser lowers, folds accents and stems (Snowball English); rjieba cuts runs of Chinese
characters into words first, because an analyser for English takes a whole run as one word.
"""

from __future__ import annotations

import re

import rjieba
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

_CHINESE_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LETTERS_MAX = 64

#: Words that carry no topic: they would only cost time, their weight (idf) is next to nothing.
_FUNCTION_WORDS = """
a an and are as at be been but by did do does for from had has have he her his how i in is it its me
my of on or our s she t that the their them they this to was we were what when where which who whom
whose why will with would you your m re ll ve d
的 了 是 在 我 你 他 她 它 们 和 与 也 都 就 吗 呢 吧 啊 这 那 有 着 过 我们 你们 他们
什么 怎么 哪 哪里 谁 几 什么时候 多少 一个
"""


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
        text = _CHINESE_RUN.sub(_cut_run, text)
    if "," in text:
        text = _THOUSANDS.sub("", text)
    found: list[str] = _ANALYZER.analyze(text)
    return found


def _cut_run(match: re.Match[str]) -> str:
    """Return a Chinese run as its words, their parts and their characters, with spaces between.

    Single characters find 办公楼 for 办公室; being common, they weigh little beside whole words.
    """
    run = match.group()
    parts = [*rjieba.cut_for_search(run), *run]
    return f" {' '.join(parts)} "
