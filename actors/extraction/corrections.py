"""Corrections: which words of an earlier fact no longer hold, and which dates are cancelled."""

from __future__ import annotations

import re

from actors.extraction.reading import Reading
from actors.extraction.vocabulary import words

_CUE_EN = re.compile(
    r"\b(?:correction|scratch (?:that|what)|actually|not\b.{1,40}\b(?:any ?more"
    r"|anymore|any longer|now|but|it's|it is)|no longer|isn't|aren't|wasn't|doesn't"
    r"|don't|after all|i was wrong|my mistake|misspoke|wrong|instead|moved"
    r"|rescheduled|postponed|brought forward|pushed|changed|switched|swapped|left"
    r"|quit|used to|forget what|ignore what|update|these days|replaced|not)\b"
)
_CUE_ZH = re.compile(
    r"更正|纠正|说错|记错|搞错|弄错|记岔|不对|其实|不是|改(?:到|成|为|在|时间|期|了)"
    r"|换(?:到|成|了)|推迟|提前|延期|取消|不再|已经不|早就不|不[^，。]{1,8}了|现在是"
    r"|之前说|原来|原先|本来|搬到|搬去|离开|作废|不用|更新"
)
_WHAT = r"(?P<w>[\w'’&./ -]{2,40}?)"
_STOP = (
    r"(?=\s*(?:[,.;:!?)(]|—|–| - |\bany ?more\b|\banymore\b|\bany longer\b|\bafter "
    r"all\b|\bbut\b|\bnow\b|\band\b|\bbecause\b|\bit's\b|\bsince\b|\bby the way\b|$))"
)
_OLD_EN = tuple(
    re.compile(p)
    for p in (
        (
            r"\b(?:isn't|aren't|is not|are not|wasn't|was not) (?:actually |really |even "
            rf")?(?:an? |the |in |at |on |called |my |our |from )?{_WHAT}{_STOP}"
        ),
        (
            r"\bno longer (?:an? |the |in |at |on |with |live in |live at |work at |work for "
            rf"|working at |working for |living in |eat(?:ing)? |drink |a )?{_WHAT}{_STOP}"
        ),
        (
            r"\b(?:i've|i have|i|we've|we|she's|he's|she|he|just) (?:just |recently |finally "
            r")?(?:left|quit|stopped|gave up|given up|dropped|sold|ditched) (?:the |my |our "
            rf"|being |doing |working at |at )?{_WHAT}{_STOP}"
        ),
        (
            r"\b(?:instead of|rather than|moved from|switched from|changed from|away from|not "
            rf"from) (?:an? |the |in |at |on )?{_WHAT}(?=\s*(?:[,.;:!?)(]|\bto\b|\bbut\b|$))"
        ),
        (
            r"\b(?:don't|do not|doesn't|does not) (?:live|work|eat|drink|like|teach|study"
            r"|play|drive|have|own|use|go by)(?: in| at| for| to| with)? (?:an? |the "
            rf")?{_WHAT}{_STOP}"
        ),
        (
            r"\b(?:used to (?:be|live|work|eat|drive|have|study|play)(?: in| at| for| with)?) "
            rf"(?:an? |the )?{_WHAT}{_STOP}"
        ),
        (
            r"(?:^|[,:;.!—-] |\bit's |\bis |\bare |\band |\bhe's |\bshe's |\bi'm |\bthey're "
            rf")not (?:an? |the |in |at |on |called )?{_WHAT}{_STOP}"
        ),
        (
            r"\b(?:i|we) (?:said|told you|wrote|mentioned) (?:it was |that |an? |the |in "
            rf")?{_WHAT}(?=\s*(?:[,.;:!?)]|\bbut\b|\bearlier\b|\bbefore\b|$))"
        ),
    )
)
_OLD_ZH = tuple(
    re.compile(p)
    for p in (
        r"不(?:再)?是(?P<w>[^，。；！,;!了而]{1,14})(?:了|而是|[，。；！,;!]|$)",
        (
            r"(?:已经|早就|早|现在)?(?:不在|离开"
            r"|不住(?:在)?)(?P<w>[^，。；！,;!了]{2,10})(?:了|[，。；！,;!]|$)"
        ),
        (
            r"(?:从|由)(?P<w>[^，。；！,;!]{1,12}?)(?:搬到|搬去|换到|换成|改到|改成|改为|跳槽"
            r"|转到|跳到|推迟|提前|挪到|调到)"
        ),
        r"不(?:用|必|需要)(?:再)?先?(?P<w>[^，。；！,;!了再]{1,10})",
        (
            r"(?:已经|早就|早|现在|我|她|他)[^，。]{0,4}?不(?:再)?(?P<w>(?:吃|喝|住|教|做|开"
            r"|养|学|练|抽|用|叫|当|干|打|跑|玩|追)[^，。；！,;!了]{0,8})了"
        ),
        (
            r"(?:原来|原先|之前|以前|原定|本来|旧)(?:的|是|说|定|记|说的|记的|约的|定的|说是"
            r"|在|定在|约在)+(?P<w>[^，。；！,;!]{1,12}?)(?:作废|不用|改|换|挪|[，。；！,;!]"
            r"|$)"
        ),
        r"(?:不|没)(?:叫|姓|属)(?P<w>[^，。；！,;!了]{1,8})",
        r"(?:把|将)(?P<w>[^，。；！,;!]{1,10}?)(?:改成|改为|换成|改到|挪到)",
        r"别再?按(?P<w>[^，。；！,;!]{1,10}?)(?:来|算)",
    )
)
_EMPTY = words(
    "sure it that this there so true bad good too much only just really going me you "
    "what allowed enough working well over yet all bothered at all kidding happy "
    "great able to here cheap easy fun"
)
# A date that follows one of these is the one that the correction cancels.
_CANCELS_EN = re.compile(
    r"\b(?:not|isn't|instead of|rather than|from|no longer|were supposed to be"
    r"|wasn't|won't be|supposed to be)\s+(?:on |for |the |until )*$"
)
_CANCELS_ZH = re.compile(
    r"(?:不是|不在|从|由|原定|本来|原来|本来是|原先|之前说|之前约|取消|原本|不再是"
    r"|原定于?|定在|说的?|把)(?:的|是|在|定)?$"
)
_MOVES_EN = re.compile(
    r"\b(?:moved|moves|rescheduled|postponed|brought forward|pushed|changed|shifted"
    r"|delayed|swapped|bumped|instead|any ?more|correction|put back|now)\b"
)
_MOVES_ZH = re.compile(r"改|推迟|提前|延期|挪|换到|调到|不是|更正|说错|记错|顺延")


def replaced_phrases(reading: Reading) -> tuple[str, ...]:
    """Return the words of facts that the message ends, in its own spelling."""
    cached: tuple[str, ...] | None = reading.__dict__.get("replaced")
    if cached is None:
        cached = reading.__dict__["replaced"] = _phrases(reading)
    return cached


def _phrases(reading: Reading) -> tuple[str, ...]:
    chinese = reading.language == "zh"
    if not (_CUE_ZH if chinese else _CUE_EN).search(reading.low):
        return ()
    found: list[str] = []
    for pattern in _OLD_ZH if chinese else _OLD_EN:
        for match in pattern.finditer(reading.low):
            words = reading.show(*match.span("w")).strip(" '’.-")
            if (
                words
                and "•••" not in words
                and words.lower() not in _EMPTY
                and not words.lower().startswith(("sure", "that ", "to ", "going"))
            ):
                found.append(words)
    return tuple(dict.fromkeys(found))[:4]


def replaced_facts(reading: Reading) -> tuple[str, ...]:
    """Return the replaced words that are no dates."""
    return tuple(w for w in replaced_phrases(reading) if not _is_date(reading, w))


def replaced_dates(reading: Reading) -> tuple[str, ...]:
    """Return the replaced words that are dates."""
    return tuple(w for w in replaced_phrases(reading) if _is_date(reading, w))


def _is_date(reading: Reading, words: str) -> bool:
    from actors.extraction.dates import resolve_en
    from actors.extraction.dates_zh import resolve_zh

    resolve = resolve_zh if reading.language == "zh" else resolve_en
    return bool(resolve(words.lower(), reading.utterance.said_at.date()))


def is_cancelled(lowered: str, start: int, end: int, chinese: bool) -> bool:
    """Tell whether the date at this place of the sentence is one that a correction cancels."""
    before, after = lowered[max(0, start - 24) : start], lowered[end : end + 16]
    if (_CANCELS_ZH if chinese else _CANCELS_EN).search(before):
        return True
    if chinese:
        return bool(
            re.match(
                (
                    r"(?:的)?(?:不行|不算|(?<=的)取消|那个?(?:取消|作废)|改(?:到|成|为|在)|挪到|推迟到"
                    r"|提前到)"
                ),
                after,
            )
        )
    return bool(
        re.match(r" (?:is (?:off|cancelled|out)|any ?more|anymore|no longer|doesn't work)", after)
    )


def is_move(lowered: str, chinese: bool) -> bool:
    """Tell whether the sentence moves an appointment to another time."""
    return bool((_MOVES_ZH if chinese else _MOVES_EN).search(lowered))
