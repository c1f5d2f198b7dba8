"""What kind of thing a question asks for, and which kinds a text holds.

Who asks where wants a text with a place in it. Kinds are read from the form of the text alone, once
when it is added: which words are names is told by capitals and quotes, in Chinese by marks and
characters that places end with.

The kinds of a text are kept in snapshots: whoever reads them otherwise raises the version of
`RetrievalProjection`.
"""

from __future__ import annotations

import re
from enum import IntFlag

from projections.retrieval.dates import MONTHS, WEEKDAYS

_CALENDAR = "|".join(name.capitalize() for name in (*MONTHS, *WEEKDAYS))


class Kind(IntFlag):
    """Kinds of things, as bits."""

    TIME = 1
    PLACE = 2
    NAME = 4
    REASON = 8


_TIME_EN = re.compile(
    r"\b(yesterday|today|tonight|tomorrow|ago|last|next|since|weekend|weeks?|months?|years?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|recently|just (?:got|had|went|came)"
    rf"|{'|'.join(name for name in MONTHS if name != 'may')}|(?:19|20)\d{{2}})\b"
)
_TIME_ZH = re.compile(
    r"昨[天晚]|今[天晚早]|明[天晚早]|前天|后天|[上下这]个?[周月]|周末|星期|礼拜|去年|今年|明年|刚刚"
    r"|[\d一二三四五六七八九十]个?[月号日点]|初[一二三四五六七八九十]|周[一二三四五六日天]|[年月][初底]"
)
_PLACE_EN = re.compile(
    rf"\b(?:in|at|to|from|near|around|visit\w*) (?:the )?(?!{_CALENDAR})[A-Z][a-z]"
)
_PLACE_ZH = re.compile(
    r"[在去到从往住回][^\s，。！？、《“]{1,8}?[省市区县镇村路街道国州岛湾城园馆店院楼山湖海站场校家里]"
)
# Not the name of who is spoken to ("Thanks, Mel!"), which every other message holds.
_NAME_EN = re.compile(
    rf"(?<=[a-z:;] )(?<!\b[Hh]ey )(?<!\b[Hh]i )(?!{_CALENDAR})[A-Z][a-z]"
    rf"|, (?!{_CALENDAR})[A-Z][\w'’-]++(?! *[!,.?])[ \w]|\"[^\"]{{3,60}}\"|“[^”]{{3,60}}”"
)
_NAME_ZH = re.compile(r"《[^》]+》|“[^”]{2,20}”|叫|名字|[A-Za-z]{2,}")
_REASON_EN = re.compile(
    r"\b(?:because|inspired|reason|ma[dk]es? me|wanted to|so (?:i|we|that))\b|'cause\b"
)
_REASON_ZH = re.compile(r"因为|所以|为了|由于|原因|怪不得|导致|觉得|怕")

_WANTS = (
    (
        Kind.TIME,
        re.compile(
            r"\b(when|what (?:date|day|month|year|time)|which (?:day|month|year)|how long|since)\b"
            r"|什么时候|何时|哪天|哪一天|哪几天|几号|几月|几点|哪年|多久|多长时间",
            re.I,
        ),
    ),
    (
        Kind.PLACE,
        re.compile(
            r"\bwhere\b|\b(?:which|what) (?:\w+ )?(?:city|cities|country|countries|states?|places?"
            r"|towns?|locations?|areas?)\b"
            r"|哪里|哪儿|哪个(?:城市|国家|地方|省|区|小区|酒店)|什么地方|哪座城市",
            re.I,
        ),
    ),
    (
        Kind.NAME,
        re.compile(
            r"\bwho(?:m|se)?\b|\bnames?\b|\bcalled\b|\btitled?\b"
            r"|\b(?:which|what) (?:\w+ )?(?:books?|movies?|games?|shows?|series|songs?|bands?"
            r"|artists?|authors?|company|companies|brands?|teams?)\b"
            r"|谁|叫什么|名字|哪本书|什么书|哪部|哪首|哪家|什么牌子",
            re.I,
        ),
    ),
    (
        Kind.REASON,
        re.compile(r"\bwhy\b|\breasons?\b|\binspire|\bmotivat|为什么|为何|原因|怎么会|理由", re.I),
    ),
)

_SEVERAL = re.compile(
    r"^(?:(?:in|from|at|on|to|for|with|of) )?(?:what|which)(?: \w+){0,3}? "
    r"(?!(?:is|was|has|does|this|his|its|always|news)\b|\w*(?:s|ou|u)s\b)[a-z/]{2,}s\b(?!['’])"
    r"|^(?:what|who|which)(?: \w+)? are\b"
    r"|^(?:does|do|did|is|are|was|were|has|have|would|could|can|will)\b"
    r"|\b(?:how many|has|have|would|could|might|likely|potentially|probably)\b"
    r"|哪些|哪几|分别|各|都|几次|可能|会不会|有没有|是不是",
    re.I,
)
_ONE_TIME = re.compile(r"^when\b|\bhow long\b|什么时候|多久|多长时间", re.I)


def kinds_held(text: str) -> Kind:
    """Return the kinds of things that a text holds."""
    kinds = Kind(0)
    # Every text passes here: lowered first, and only what may be Chinese looked through twice, it
    # takes a quarter of the time of patterns that ignore case.
    lower = text.lower()
    if _TIME_EN.search(lower):
        kinds |= Kind.TIME
    if _REASON_EN.search(lower):
        kinds |= Kind.REASON
    if _PLACE_EN.search(text):
        kinds |= Kind.PLACE
    if _NAME_EN.search(text):
        kinds |= Kind.NAME
    if not text.isascii():
        for kind, pattern in (
            (Kind.TIME, _TIME_ZH),
            (Kind.PLACE, _PLACE_ZH),
            (Kind.NAME, _NAME_ZH),
            (Kind.REASON, _REASON_ZH),
        ):
            if pattern.search(text):
                kinds |= kind
    return kinds


def kinds_wanted(question: str) -> Kind:
    """Return the kinds of things that a question asks for."""
    kinds = Kind(0)
    for kind, pattern in _WANTS:
        if pattern.search(question):
            kinds |= kind
    return kinds


def wants_several(question: str) -> bool:
    """Tell whether an answer is likely to rest on several messages of several days.

    So it is where many things are asked for ("which cities", "how many"), what somebody ever did
    ("where has she camped"), or what follows from what is known ("would he enjoy").
    """
    return _SEVERAL.search(question) is not None and _ONE_TIME.search(question) is None
