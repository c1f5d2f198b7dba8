"""Chinese time expressions: the table of what people write and the days that it means.

`resolve_zh(text, today, tense)` works like its English twin: longer readings stand first, a stretch
that one rule took is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from actors.extraction.timespan import (
    Grain,
    Mention,
    Span,
    Tense,
    day,
    day_of,
    day_of_month,
    month,
    month_of,
    nearest_date,
    nearest_day_of_month,
    nearest_month,
    nearest_weekday,
    shift_days,
    week,
    weekday_of_week,
    weekend,
    year,
)

Rule = Callable[[re.Match[str], date, Tense], Span | None]

DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2, "半": 0}
WEEKDAYS = (
    {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6} | {str(i + 1): i for i in range(7)}
)
YEARS = {
    "大前年": -3,
    "前年": -2,
    "去年": -1,
    "今年": 0,
    "明年": 1,
    "后年": 2,
    "上一年": -1,
    "来年": 1,
}
DAYS = {"大前": -3, "前": -2, "昨": -1, "今": 0, "明": 1, "后": 2, "大后": 3}
FIXED = {
    "元旦": (1, 1),
    "圣诞": (12, 25),
    "圣诞节": (12, 25),
    "平安夜": (12, 24),
    "国庆": (10, 1),
    "国庆节": (10, 1),
    "情人节": (2, 14),
    "儿童节": (6, 1),
    "六一": (6, 1),
    "双十一": (11, 11),
    "劳动节": (5, 1),
    "跨年夜": (12, 31),
}

_N = r"(?P<n>\d{1,3}|[一二三四五六七八九十两俩]{1,3})"
_D = r"(?P<d>\d{1,2}|[一二三四五六七八九十]{1,3})"
_M = r"(?P<m>\d{1,2}|十[一二]?|[一二三四五六七八九])"
_W = r"(?:周|星期|礼拜)(?P<w>[一二三四五六日天1-7])"
_REL = r"(?P<rel>上上|下下|上|下|这|本|今)(?:一)?(?:个)?"
_Y = r"(?P<y>大前年|前年|去年|今年|明年|后年|(?<![十百几多余两三])来年|(?:19|20)\d\d年)"


def number_zh(text: str) -> int:
    """Return the value of a number below one hundred, in digits or Chinese numerals."""
    if text.isdigit():
        return int(text)
    tens, found, ones = text.rpartition("十")
    if not found:
        return DIGITS.get(text[-1], 0)
    return DIGITS.get(tens, 1) * 10 + (DIGITS.get(ones, 0) if ones else 0)


def _offset(rel: str) -> int:
    return {"上上": -2, "上": -1, "下": 1, "下下": 2}.get(rel, 0)


def _year(text: str, today: date) -> int:
    return int(text[:4]) if text[:4].isdigit() else today.year + YEARS[text]


def _away(match: re.Match[str], today: date) -> Span | None:
    sign = -1 if match["s"] in ("前", "以前", "之前") else 1
    count, unit = sign * number_zh(match["n"]), match["u"]
    if "月" in unit:
        return month(today, count)
    if "年" in unit:
        return year(today.year + count)
    return shift_days(today, count * (1 if unit in ("天", "日") else 7))


def _month_day(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    m, d = number_zh(match["m"]), number_zh(match["d"])
    if match["y"]:
        return day_of(_year(match["y"], today), m, d)
    return nearest_date(today, m, d, tense)


def _month_only(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    m = number_zh(match["m"])
    whole = month_of(_year(match["y"], today), m) if match["y"] else nearest_month(today, m, tense)
    return _edge(whole, match["edge"])


def _edge(whole: Span | None, edge: str | None) -> Span | None:
    if whole and edge and edge.endswith("底"):
        return day(whole.last)
    return whole


def _numeric(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    return nearest_date(today, int(match["m"]), int(match["d"]), tense)


def _days_of_month(match: re.Match[str], today: date, tense: Tense) -> Span | None:
    last = nearest_date(today, number_zh(match["m"]), number_zh(match["d"]), tense)
    first = last and day_of(last.first.year, last.first.month, number_zh(match["d0"]))
    return Span(first.first, last.first) if first and last and first <= last else last


_D0 = _D.replace("<d>", "<d0>")
RULES: tuple[tuple[str, Grain, Rule], ...] = (
    (
        r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)",
        "day",
        lambda m, t, _: day_of(int(m["y"]), int(m["m"]), int(m["d"])),
    ),
    (
        (
            rf"{_N}(?:个)?(?P<u>天|日|周|星期|礼拜|月|年)(?P<s>以前|之前|前|以后|之后|后)(?!半"
            r"|面(?!试|签|谈|诊)|天)"
        ),
        "day",
        lambda m, t, _: _away(m, t),
    ),
    (rf"{_M}月{_D0}[号日]?(?:到|至|-|~|—|–){_D}[号日]", "span", _days_of_month),
    (rf"{_Y}?(?:的)?{_M}月(?:份)?{_D}[号日]", "day", _month_day),
    (
        rf"{_REL}月{_D}[号日]",
        "day",
        lambda m, t, _: day_of_month(month(t, _offset(m["rel"])), number_zh(m["d"])),
    ),
    (
        rf"{_REL}月(?P<edge>底|末|初|中旬?)",
        "month",
        lambda m, t, _: _month_edge(month(t, _offset(m["rel"])), m["edge"]),
    ),
    (
        (
            rf"{_Y}?(?:的)?(?<![个\d第]){_M}月(?:份)?(?P<edge>底|末)?(?!\d"
            r"|[一二三四五六七八九十])"
        ),
        "month",
        _month_only,
    ),
    (
        r"(?<![一二两三四五六七八九十\d])月(?P<edge>底|末)",
        "day",
        lambda m, t, _: _month_edge(month(t, 0), "底"),
    ),
    (rf"{_REL}月", "month", lambda m, t, _: month(t, _offset(m["rel"]))),
    (rf"{_REL}(?:周末|礼拜末|星期末)", "span", lambda m, t, _: weekend(t, _offset(m["rel"]))),
    (
        rf"{_REL}{_W}",
        "day",
        lambda m, t, _: weekday_of_week(t, WEEKDAYS[m["w"]], _offset(m["rel"])),
    ),
    (rf"{_REL}(?:周|星期|礼拜)(?!年)", "span", lambda m, t, _: week(t, _offset(m["rel"]))),
    (
        r"周末",
        "span",
        lambda m, t, tense: weekend(t, -1 if tense == "past" and t.weekday() < 5 else 0),
    ),
    (
        rf"(?<!每)(?<!每个){_W}",
        "day",
        lambda m, t, tense: nearest_weekday(t, WEEKDAYS[m["w"]], tense),
    ),
    (
        r"(?P<k>大前|大后|前|昨|今|明|后)(?:天|儿(?!童|子)|日(?!志|报))",
        "day",
        lambda m, t, _: shift_days(t, DAYS[m["k"]]),
    ),
    (
        r"(?P<k>前|昨|今|明|后)(?:晚|早|夜)(?!餐|饭)",
        "day",
        lambda m, t, _: shift_days(t, DAYS[m["k"]]),
    ),
    (r"(?:刚才|刚刚|今儿个)", "day", lambda m, t, _: shift_days(t, 0)),
    (
        rf"{_Y}(?P<edge>年?底|年末)?(?!级)",
        "year",
        lambda m, t, _: _year_edge(year(_year(m["y"], t)), m["edge"]),
    ),
    (
        (
            rf"(?<![\d月第.]){_D}号(?!线|楼|店|院|门|仓|室|机|桌|位|房|车|码|服|球|选手|柜"
            r"|电池|馆|厅)"
        ),
        "day",
        lambda m, t, tense: nearest_day_of_month(t, number_zh(m["d"]), tense),
    ),
    (
        r"(?P<f>圣诞节?|元旦|平安夜|国庆节?|情人节|儿童节|劳动节|双十一|跨年夜)",
        "day",
        lambda m, t, tense: nearest_date(t, *FIXED[m["f"]], tense),
    ),
    (r"(?<![\d/])(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\d/])", "day", _numeric),
)
VAGUE = re.compile(
    r"小时候|有一次|有一回|有次|有回|那年|那会儿?|那时候?|当年|好多年前"
    r"|[很多若干几]年前|多年前|前几天|前两天|前阵子"
    r"|前段时间|最近|刚(?=[^才刚好需])|之前(?=我|在|去)|以前在|(?:读|上|念)(?:大学"
    r"|高中|初中|小学|本科|研究生)(?:的)?(?:时候|那|时)"
    r"|大[一二三四](?:时|那|的时候)|[刚]?毕业(?:那年|时|的时候)|过年(?:的时候|那)"
    r"|暑假|寒假|头一回|第一次|曾经|早些年|早年"
    r"|过(?:几|两)天|去年(?:夏|冬|春|秋)天|今年(?:夏|冬|春|秋)天?"
)
HABIT = re.compile(
    r"每(?!次都要)|平时|一般|通常|经常|总是|总(?=在|会)|都(?=是周|在周|不开|休)|从来"
    r"|老是|一到|逢"
)
_COMPILED = tuple((re.compile(p), g, f) for p, g, f in RULES)
_ANY = re.compile(r"[天儿日晚早夜月周年号刚]|星期|礼拜|\d[/-]\d|圣诞|元旦|国庆|节|双十一")


def _month_edge(whole: Span | None, edge: str) -> Span | None:
    if whole is None:
        return None
    if edge in ("底", "末"):
        return day(whole.last)
    first, last = (1, 10) if edge == "初" else (11, 20)
    return Span(whole.first.replace(day=first), whole.first.replace(day=last))


def _year_edge(whole: Span | None, edge: str | None) -> Span | None:
    return day(whole.last) if whole and edge else whole


def resolve_zh(text: str, today: date, tense: Tense = "future") -> tuple[Mention, ...]:
    """Return the time expressions of a Chinese text, resolved against `today`."""
    if not _ANY.search(text):
        return ()
    found: list[Mention] = []
    for pattern, grain, rule in _COMPILED:
        for match in pattern.finditer(text):
            if any(m.start < match.end() and match.start() < m.end for m in found):
                continue
            try:
                span = rule(match, today, tense)
            except (OverflowError, ValueError):
                continue  # beyond the calendar: it fixes no date
            if span is None:
                continue
            exact: Grain = grain
            if span.first == span.last:
                exact = "day"
            elif grain == "day":
                exact = "span"
            found.append(Mention(match.start(), match.end(), span, exact))
    found.sort()
    merged: list[Mention] = []
    for mention in found:
        before = merged[-1] if merged else None
        if (
            before
            and before.span
            and mention.span
            and text[before.end : mention.start] in ("到", "至", "-", "~", "—")
            and mention.span.last >= before.span.first
        ):
            whole = Span(before.span.first, mention.span.last)
            merged[-1] = Mention(before.start, mention.end, whole, "span")
            continue
        merged.append(mention)
    return tuple(merged)
