"""Episodic memory: what happened or will happen, with the days that the text gives it.

A sentence is an event when it is a statement, says when (a day, a range, vaguely in the past), and
tells of something done. Dates of habits, greetings and cancelled appointments are none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.extraction import date_words_en, dates_zh, semantic_en, semantic_zh, words_en, words_zh
from actors.extraction.core import find_core
from actors.extraction.corrections import is_cancelled, is_move, replaced_dates
from actors.extraction.finding import Finding
from actors.extraction.keys import slug
from actors.extraction.reading import Clause, Reading
from actors.extraction.resource import reading_items
from actors.extraction.steps import steps_of
from actors.extraction.timespan import Mention, Span, Tense
from events.memory import EpisodicContent

_FIRST_EN = re.compile(r"\b(?:i|we|i'm|i've|i'd|i'll|we're|we've|we'll|my|our|me|us|im|ive)\b")
_NOW = re.compile(
    r"today|tonight|this (?:morning|afternoon|evening|week|month|year|weekend)|tonite"
    r"|2day|2nite|lately|recently|soon|now|earlier|今|这周|这个?月|本周|本月|最近|刚"
)
_CREDENTIAL = re.compile(
    r"\b(?:pass(?:word|code)|code|pin|number|no\.|key|token|address|email|mobile"
    r"|phone|licen[cs]e|passport|card)\b|密码|口令|账号|卡号|证号|会员号|护照|驾照"
    r"|地址|邮箱|电话|手机|门禁|密钥"
)
_STATIVE_EN = re.compile(
    r"^(?:(?:so|really|just|still|god|ugh|man|oh|well|hey|hi|lol|i'm|im|i am|it's|its"
    r"|i feel|feeling|i've been|been|today is|today's|today was|what a|such a|am) "
    r")+(?:\w+ ){0,2}(?:tired|bored|hot|cold|busy|exhausted|sleepy|swamped|stressed"
    r"|sad|happy|good|great|bad|lazy|hungry|knackered|nice|lovely|warm|freezing|sick "
    r"of|rainy|sunny|long|fine|okay|ok|gorgeous|grey)\b[^,;]{0,30}$"
)
_STATIVE_ZH = re.compile(
    r"今[天儿晚早日][^，。]{0,3}(?:好|真|太|很|超|特别|有点|也太|怎么这么"
    r"|这么)[^，。]{0,8}$|(?:天气|心情|状态|运气)[^，。]{0,8}(?:好|差|不错|糟|丧)|^唉"
)
_HABIT_ZH_SHOP = re.compile(
    r"(?:不开|休息|闭馆|关门|营业|开门|打烊|公休|店休|出诊|放假|免费|打折|半价|不在"
    r"|限行)"
)
_FACT_EN = re.compile(
    r"\b(?:is|are|it's|they're) (?:always |usually |only )?(?:shut|closed|open|free"
    r"|half price|busy|packed|quiet)\b"
)


class Event(NamedTuple):
    """A sentence that tells an event, with its days (none when vague) and its number."""

    number: int
    sentence: Clause
    span: Span | None
    tense: Tense


_SAYING = re.compile(r"\bas they say\b|\bas the saying goes\b|\bis history\b|老话|俗话|常言|古人")


def find_events(reading: Reading) -> tuple[Finding, ...]:
    """Return what happened or will happen; nothing from steps, fiction, questions."""
    if not reading.own_voice or steps_of(reading) or _SAYING.search(reading.low):
        return ()
    items = reading_items(reading)
    rules = semantic_zh if reading.language == "zh" else semantic_en
    events: list[Event] = []
    for number, sentence in enumerate(reading.sentences):
        if sentence.mood not in ("statement", "request") or rules.is_definition(sentence):
            continue
        if any(sentence.start <= i.start < sentence.end for i in items):
            continue
        events += _events_of(reading, sentence, number, bool(items))
    dated = [e for e in events if e.span]
    if not dated and not events:
        events = _undated(reading) if not items else []
    findings = [_finding(reading, event, dated or events) for event in (dated or events[:1])]
    replaced = replaced_dates(reading)
    if findings and replaced:
        findings[0] = _with_replaced(findings[0], replaced)
    return tuple(findings)


def _with_replaced(finding: Finding, replaced: tuple[str, ...]) -> Finding:
    return Finding(
        content=finding.content, key=finding.key, importance=finding.importance, replaces=replaced
    )


def _events_of(reading: Reading, sentence: Clause, number: int, strict: bool) -> list[Event]:
    chinese = reading.language == "zh"
    tense = _tense(sentence, chinese)
    if is_move(sentence.low, chinese) and not date_words_en.VAGUE.search(sentence.low):
        tense = "future"
    mentions = [m for m in sentence.mentions(tense) if _counts(sentence, m, chinese)]
    if mentions and is_move(sentence.low, chinese):
        mentions = _after_move(sentence, mentions, chinese)
    chosen = _distinct(sentence, mentions)
    found = []
    for mention in chosen:
        clause = _clause_at(sentence, mention)
        if len(chosen) > 1 or chinese:
            own = (
                tense
                if is_move(clause.low, chinese)
                else _tense(clause, chinese)
                if mention.end - mention.start + 2 < len(clause.text)
                else tense
            )
            again = [
                m
                for m in clause.mentions(own)
                if m.start + clause.start == mention.start + sentence.start
            ]
            mention = mention._replace(span=again[0].span if again else mention.span)
        if _tells_event(reading, sentence, clause, mention, chinese, strict):
            found.append(Event(number, sentence, mention.span, tense))
    if found or mentions or strict:
        return found
    vague = (dates_zh.VAGUE if chinese else date_words_en.VAGUE).search(sentence.plain)
    if vague and tense == "past" and not _is_habit(sentence, chinese) and not sentence.secret:
        first = "我" in reading.low or chinese or _FIRST_EN.search(sentence.plain)
        core = any(sentence.shown in getattr(f.content, "text", "") for f in find_core(reading))
        if first and not core and len(sentence.text) > (8 if chinese else 20):
            return [Event(number, sentence, None, tense)]
    return []


def _counts(sentence: Clause, mention: Mention, chinese: bool) -> bool:
    if is_cancelled(sentence.low, mention.start, mention.end, chinese):
        return False
    before = sentence.low[max(0, mention.start - 12) : mention.start]
    if chinese:
        return not re.search(r"(?:每|逢|除了|到|自|自从|生于|一到)$", before) or (
            mention.grain == "day" and before.endswith("到")
        )
    return not re.search(
        (
            r"\b(?:every|each|most|since|until|till|by|expires|expire|valid|except|than"
            r"|for)\s+(?:the )?$"
        ),
        before,
    ) or (bool(re.search(r"\b(?:until|till|by|for)\s+$", before)) and mention.grain == "day")


def _after_move(sentence: Clause, mentions: list[Mention], chinese: bool) -> list[Mention]:
    """Of several dates of a moved appointment only the last holds."""
    moved = (
        re.search(
            r"改到|改成|改为|推迟到|提前到|挪到|换到|调到|是(?=周|星期|下|明|后)|顺延到",
            sentence.low,
        )
        if chinese
        else re.search(r"\b(?:to|it's|now|but)\b", sentence.low)
    )
    later = [m for m in mentions if moved and m.start >= moved.start()]
    return (later or mentions)[-1:] if moved else mentions


def _distinct(sentence: Clause, mentions: list[Mention]) -> list[Mention]:
    """Drop a wider time around a narrower one, and the twin of `Saturday 14 March`."""
    kept: list[Mention] = []
    for mention in mentions:
        before = kept[-1] if kept else None
        if before and before.span and mention.span:
            if before.span.first <= mention.span.first and mention.span.last <= before.span.last:
                kept[-1] = mention
                continue
            if mention.span.first <= before.span.first and before.span.last <= mention.span.last:
                continue
            if mention.start - before.end <= 3:
                kept[-1] = max(
                    before,
                    mention,
                    key=lambda m: any(c.isdigit() for c in sentence.low[m.start : m.end]),
                )
                continue
        kept.append(mention)
    return kept


def _clause_at(sentence: Clause, mention: Mention) -> Clause:
    place = sentence.start + mention.start
    return next((c for c in sentence.clauses if c.start <= place < c.end), sentence)


def _tense(clause: Clause, chinese: bool) -> Tense:
    low = clause.plain
    if chinese:
        future, past = words_zh.FUTURE.search(low), words_zh.PAST.search(low)
        return "past" if past and not (future and future.start() < past.start()) else "future"
    past = next((m for m in words_en.PAST.finditer(low) if m[0] not in words_en.NOT_PAST), None)
    future = words_en.FUTURE.search(low)
    return "past" if past and not (future and future.start() < past.start()) else "future"


def _is_weekly(clause: str, written: str) -> bool:
    """Tell whether a bare Chinese weekday is one of every week: 只有周二, 周一不开."""
    if not re.fullmatch(r"(?:周|星期|礼拜)[一二三四五六日天末]", written):
        return False
    return bool(
        _HABIT_ZH_SHOP.search(clause)
        or re.search(rf"(?:只有|只在|除了|到了|都是){written}", clause)
        or re.search(rf"{written}(?:上午|下午|晚上)?(?:只|不|都|一般|通常|固定|才|限)", clause)
    )


def _is_habit(clause: Clause, chinese: bool) -> bool:
    return bool((dates_zh.HABIT if chinese else date_words_en.HABIT).search(clause.plain))


def _tells_event(
    reading: Reading,
    sentence: Clause,
    clause: Clause,
    mention: Mention,
    chinese: bool,
    strict: bool,
) -> bool:
    written = sentence.low[mention.start : mention.end]
    exact = mention.grain == "day" and not _NOW.search(written)
    if clause.secret or (sentence.secret and _CREDENTIAL.search(clause.low)):
        return False
    if _is_habit(clause, chinese) and not (exact and _tense(clause, chinese) == "past"):
        return False
    low = sentence.plain
    if not exact:
        # `Busy this weekend. We're repainting the shed.`: the next sentence tells what is done.
        after = next((s for s in reading.sentences if s.start >= sentence.end), None)
        if after and after.mood == "statement" and not after.mentions("future"):
            low = f"{low} {after.plain}"
    if chinese:
        if _STATIVE_ZH.search(sentence.low) and not words_zh.EVENT.search(low.replace(written, "")):
            return False
        if _is_weekly(clause.low, written):
            return False
        rest = re.sub(r"[^\u3400-\u9fff\w]", "", low.replace(written, ""))
        told = low.replace(written, "")
        event = bool(words_zh.EVENT.search(told) or words_zh.PAST.search(told))
        return (event and len(rest) >= 3) or (exact and not strict and len(rest) >= 4)
    if _STATIVE_EN.match(clause.low) or len(sentence.words) < 3:
        return False
    if _FACT_EN.search(clause.low) and not _FIRST_EN.search(clause.low):
        return mention.grain != "vague" and exact
    past = any(m[0] not in words_en.NOT_PAST for m in words_en.PAST.finditer(low))
    event = bool(words_en.EVENT.search(low) or words_en.FUTURE.search(low)) or past
    if strict:
        return event and exact and bool(_FIRST_EN.search(low))
    if (
        mention.grain in ("month", "year")
        and not _FIRST_EN.search(reading.low)
        and not words_en.EVENT.search(low)
    ):
        return past or bool(words_en.FUTURE.search(low))
    return event or (exact and len(sentence.words) >= 4)


def _undated(reading: Reading) -> list[Event]:
    """Find a life event told without a time, when the message holds nothing dated."""
    chinese = reading.language == "zh"
    if reading.secrets:
        return []
    life = words_zh.LIFE if chinese else words_en.LIFE
    for number, sentence in enumerate(reading.sentences):
        if sentence.mood != "statement" or sentence.secret or _is_habit(sentence, chinese):
            continue
        if life.search(sentence.plain) and len(sentence.text) >= (8 if chinese else 24):
            if not chinese and re.search(
                r"\b(?:not|n't|if|saw that|had to say|got it|got you|had no)\b", sentence.plain
            ):
                continue
            if any(sentence.shown in getattr(f.content, "text", "") for f in find_core(reading)):
                continue
            return [Event(number, sentence, None, "past")]
    return []


def _finding(reading: Reading, event: Event, events: list[Event]) -> Finding:
    others = {e.number for e in events} - {event.number}
    first = last = event.number
    while first - 1 >= 0 and first - 1 not in others and event.number - first < 2:
        first -= 1
    while last + 1 < len(reading.sentences) and last + 1 not in others and last - event.number < 3:
        last += 1
    details = reading.show(reading.sentences[first].start, reading.sentences[last].end)
    span = event.span
    summary = event.sentence.shown
    if len(summary) > 240:
        summary = summary[:239] + "…"
    return Finding(
        content=EpisodicContent(
            event_type=_type_of(event, reading),
            summary=summary,
            details=details[:800],
            actor=reading.utterance.speaker,
            occurred_at=span.first.isoformat() if span else "",
            occurred_until=span.last.isoformat() if span and span.last != span.first else "",
        ),
        key=f"event:{slug(_without_time(event.sentence, reading))}",
        importance=0.6 if span else 0.45,
    )


def _without_time(sentence: Clause, reading: Reading) -> str:
    text = sentence.shown.lower()
    for mention in sentence.mentions("future"):
        text = text.replace(sentence.low[mention.start : mention.end], " ")
    return text


def _type_of(event: Event, reading: Reading) -> str:
    today = reading.utterance.said_at.date()
    if event.span and event.span.first > today:
        low = event.sentence.low
        return (
            "appointment"
            if re.search(
                r"appoint|dentist|doctor|meeting|interview|预约|复查|面试|开会|见客户|签", low
            )
            else "plan"
        )
    return "event" if event.span or event.tense == "past" else "plan"
