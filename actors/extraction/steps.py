"""Ordered steps in a message: numbered, with arrows, or told with first, then, finally.

A story told in order is not a procedure: steps are orders or habits, so past tense ends the search.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.extraction.reading import Reading


class Steps(NamedTuple):
    """Ordered steps and the stretch of the message that they take."""

    start: int
    end: int
    steps: tuple[str, ...]


_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩"
_MARK = re.compile(
    r"(?P<circled>[①-⑩])\s*"
    r"|第(?P<zh>[一二三四五六七八九十]|\d{1,2})步[是：:，,、\s]*"
    r"|\bstep\s+(?P<step>\d{1,2}|one|two|three|four|five|six|seven|eight)\b\s*[:.)\-–,—]?\s*"
    r"|(?:(?<=[\s：:。；;,，）)!！])|^)(?P<n>\d{1,2})(?:\s?[)）]|[.．](?!\d)|、|\.\s)\s*"
    r"|[（(](?P<round>\d{1,2})[)）]\s*"
    r"|(?:(?<=[\s：:。；;,，）)!！])|^)[（(](?P<hz>[一二三四五六七八九十])[)）]\s*"
    r"|(?:^|(?<=\n)|(?<=[：:；;，,。]))(?P<bare>[一二三四五六七八九])(?:、|是(?=[^\s]{2}))\s*"
    r"|(?<!\w)(?P<key>[1-9]\ufe0f?\u20e3)\s*",
    re.IGNORECASE,
)
#: What no mark is without: most texts have none of it, which is seen much sooner.
_MARKED = re.compile(r"\d|[①-⑩一二三四五六七八九十]|step", re.IGNORECASE)
_WORDS = {
    w: i for i, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"], 1)
}
_HAN = {c: i for i, c in enumerate("一二三四五六七八九十", 1)}
_POINTED = re.compile("[>→⇒➡⟶]")
_ARROW = re.compile(r"\s*(?:->|→|=>|⇒|➡️?|⟶|>>| > )\s*")
_BULLET = re.compile(r"(?:^|\n)\s*[-*•·]\s+([^\n]+)")
_THEN_EN = re.compile(
    r"(?:^|(?<=[,;.:!\n—–-] )|(?<=[,;\n]))(?:and |but )?(?:(?P<first>first(?:ly)?(?! "
    r"of all)(?! (?:time|day|one))|start by|begin by|to start|step one)"
    r"|(?P<next>then(?! again)|next(?! (?:week|month|year|time|mon|tue|wed|thu|fri"
    r"|sat|sun))|after that|afterwards|after which|second(?:ly)?|third(?:ly)?"
    r"|fourth(?:ly)?|finally|lastly|last(?! (?:week|month|year|night|time|mon|tue|wed"
    r"|thu|fri|sat|sun))|last of all|once (?:that's|that is|it's) done))[,:]?\s+",
)
_AND_THEN_EN = re.compile(r" and (?:then|finally|lastly) ")
_THEN_ZH = re.compile(
    r"(?:(?<=[，,；;。：:\n\s])|^)(?:(?P<first>首先|第一(?!次|天|个|名|步)|先(?!生"
    r"|说好|不|前))|(?P<next>然后|接着|接下来|随后|之后|其次|第[二三四五](?!步|天|次"
    r"|个|名)|再(?!说|也|见|者)|最后(?!一)|末了|完了|而后|等[^，。]{1,10}(?:再"
    r"|后))(?:再|就)?)[，,：:]?\s*"
)
_PAST_EN = re.compile(
    r"^(?:(?:we|i|he|she|they|it|you) (?:\w+ed|went|had|got|took|saw|came|was|were"
    r"|did|made|said|ate|ran|drove|left|found|met|fell|broke|lost)\b|(?:someone"
    r"|somebody|he|she|they|it|the|my|our|his|her|wow|no|yes|nothing|everyone"
    r"|there)\b|\w+ed (?:the|a|my|our|to|by)\b|went\b|had\b|got\b|took\b|saw\b|came\b"
    r"|was\b|were\b|did\b|made\b|i'm\b|i'll\b|i've\b|we'll\b)"
)
CUE_EN = re.compile(
    r"\b(?:how (?:to|i|we|you)|steps?|recipe|routine|ritual|procedure|process"
    r"|instructions?|method|my way|order|workflow|checklist|the way (?:i|we|to)"
    r"|here's how|this is how|note to self|to \w+ (?:the|a|my|your|our)|short version"
    r"|in short|like (?:this|so)|goes|drill|guide|reset|if .{2,60}[:,]|whenever|trick"
    r"|works like|fix|setup|system|every (?:morning|night|evening|sunday|day|week)"
    r"|before bed|what works|always do|shut ?down|start ?up|protocol)\b"
)
CUE_ZH = re.compile(
    r"步骤|流程|方法|做法|怎么|这么[弄走做办搞来]|这样[弄走做办搞来操]|教程|简单说"
    r"|顺序|那套|办法|操作|记一?下|泡法|法[：:]|正确|备忘|攻略|套路|三步|两步|四步"
    r"|几步|固定|雷打不动|习惯|窍门|诀窍|秘诀|指南|规矩|程序|仪式|每天|每晚|每次|口诀"
    r"|手续|配方|要领|做[^，。]{1,8}[：:]"
)
_PAST_ZH = re.compile(
    r"[去吃看买到完见逛聊喝做找](?:了|过)(?![，,。]?(?:就|再))|昨|上周|上个月|去年"
    r"|前天"
)
_FUTURE_ZH = re.compile(
    r"明天|明儿|后天|下周|这周|周[一二三四五六日末]|今天|今晚|下个月|\d[号日]|下午"
    r"|假期|元旦|国庆|暑假"
)


_THANKS = re.compile(r"\b(?:thank|thanks|bye|wow|congrats)\b|谢|拜拜|晚安|恭喜|厉害")


def find_steps(reading: Reading) -> Steps | None:
    """Return the ordered steps of the message, or none."""
    if not reading.own_voice and (reading.fiction or reading.utterance.role != "assistant"):
        return None
    return (
        _numbered(reading.text)
        or _arrows(reading.text)
        or _told(reading)
        or _bullets(reading)
        or _listed(reading)
    )


def steps_of(reading: Reading) -> Steps | None:
    """Return the steps of the reading, worked out once."""
    if "steps" not in reading.__dict__:
        reading.__dict__["steps"] = find_steps(reading)
    found: Steps | None = reading.__dict__["steps"]
    return found


def _numbered(text: str) -> Steps | None:
    if not _MARKED.search(text):
        return None
    runs: list[list[re.Match[str]]] = []
    for match in _MARK.finditer(text):
        kind, value = match.lastgroup or "", _value(match)
        for run in runs:
            if run[-1].lastgroup == kind and value == len(run) + 1:
                run.append(match)
                break
        else:
            if value == 1:
                runs.append([match])
    best = max(runs, key=len, default=[])
    if len(best) < 2 or (best[0].lastgroup in ("bare",) and len(best) < 3):
        return None
    bounds = [m.start() for m in best[1:]] + [_end_of_last(text, best)]
    steps = tuple(
        text[m.end() : stop].strip(" \n\t,，;；。.") for m, stop in zip(best, bounds, strict=True)
    )
    return Steps(best[0].start(), bounds[-1], steps) if all(steps) else None


def _end_of_last(text: str, marks: list[re.Match[str]]) -> int:
    start = marks[-1].end()
    newline = text.find("\n", start)
    if newline >= 0:
        return newline
    stop = re.compile(r"[。！!？?]|\.(?=\s+[A-Z])").search(text, start)
    return stop.end() if stop else len(text)


def _value(match: re.Match[str]) -> int:
    kind = match.lastgroup or ""
    written = match[kind].lower()
    if kind == "circled":
        return _CIRCLED.index(written) + 1
    if kind == "key":
        return int(written[0])
    return int(written) if written.isdigit() else _HAN.get(written) or _WORDS.get(written, 0)


def _arrows(text: str) -> Steps | None:
    if not _POINTED.search(text):
        return None
    for line in re.finditer(r"[^\n]+", text):
        arrows = list(_ARROW.finditer(line[0]))
        if len(arrows) < 2:
            continue
        head = line[0][: arrows[0].start()]
        lead = max(
            (
                m.end()
                for m in re.finditer(
                    r"[:：。!！]\s*|\.\s+|[\U0001F300-\U0001FAFF]\s+|[,，](?=[^,，]*$)\s*", head
                )
            ),
            default=0,
        )
        tail = re.compile(r"[，,。.;；!！\n]").search(line[0], arrows[-1].end())
        stop = tail.start() if tail else len(line[0])
        edges = [lead] + [a.end() for a in arrows]
        stops = [a.start() for a in arrows] + [stop]
        steps = tuple(line[0][a:b].strip() for a, b in zip(edges, stops, strict=True))
        if all(steps):
            return Steps(line.start() + lead, line.start() + stop, steps)
    return None


def _told(reading: Reading) -> Steps | None:
    chinese = reading.language == "zh"
    text, low = reading.text, reading.low
    pattern = _THEN_ZH if chinese else _THEN_EN
    marks = [(*m.span(), m.lastgroup) for m in pattern.finditer(low)]
    if not chinese and marks:
        marks += [
            (m.start(), m.end(), "next")
            for m in _AND_THEN_EN.finditer(low)
            if m.start() > marks[0][0]
            and not any(s < m.end() and m.start() < e for s, e, _ in marks)
        ]
        marks.sort()
    firsts = [i for i, m in enumerate(marks) if m[2] == "first"]
    if firsts:
        marks = marks[firsts[0] :]
    if not marks or sum(1 for m in marks if m[2] == "next") < (1 if firsts else 2):
        return None
    cue = (CUE_ZH if chinese else CUE_EN).search(low)
    begin = marks[0][0] if firsts else _first_without_word(low, marks[0][0])
    edges = [(m[0], m[1]) for m in marks]
    if not firsts:
        edges.insert(0, (begin, begin))
    last = re.compile(r"[。！!？?\n]|[.](?=\s|$)").search(low, edges[-1][1])
    end = last.start() if last else len(low)
    stops = [e[0] for e in edges[1:]] + [end]
    steps = tuple(
        text[e[1] : stop].strip(" ,，;；。.\n") for e, stop in zip(edges, stops, strict=True)
    )
    if any(_THANKS.search(s.lower()) for s in steps):
        return None
    if len(steps) < (2 if firsts and cue else 3) or not all(
        len(s) > (1 if chinese else 2) for s in steps
    ):
        return None
    if not cue and (
        low[begin:end].count("?")
        or (not chinese and len(re.findall(r"[.!?]\s", low[begin:end])) > len(steps))
    ):
        return None
    stories = (
        _stories_zh(low, begin, end, steps)
        if chinese
        else sum(bool(_PAST_EN.match(s.lower())) for s in steps)
    )
    return None if stories * 3 > len(steps) else Steps(begin, end, steps)


def _stories_zh(low: str, begin: int, end: int, steps: tuple[str, ...]) -> int:
    sentence = low[max(0, low.rfind("。", 0, begin)) : end]
    if (_FUTURE_ZH.search(low[max(0, begin - 16) : begin]) and not CUE_ZH.search(low)) or re.search(
        r"昨天|昨晚|上周|前天|刚才", sentence
    ):
        return len(steps)
    return sum(bool(_PAST_ZH.search(s)) for s in steps)


def _first_without_word(low: str, before: int) -> int:
    """Return where the first step begins when no word such as `first` marks it."""
    head = low[:before].rstrip(" ,，;；.\n")
    starts = [
        m.end()
        for m in re.finditer(r"[:：。！!？?\n]\s*|[.]\s+|\s[-–—]\s|[，,](?=[^，,]*$)\s*", head)
    ]
    return max((s for s in starts if s < len(head) - 2), default=0)


def _bullets(reading: Reading) -> Steps | None:
    if "\n" not in reading.text or not (CUE_ZH if reading.language == "zh" else CUE_EN).search(
        reading.low
    ):
        return None
    found = list(_BULLET.finditer(reading.text))
    if len(found) < 2:
        return None
    return Steps(found[0].start(), found[-1].end(), tuple(m[1].strip() for m in found))


_LEAD_EN = re.compile(
    r"(?:^|[.!?]\s)(?:to [a-z][^:.!?\n]{3,80}|[^:.!?\n]{0,60}\b(?:routine|ritual|how "
    r"(?:to|i|we)|steps|recipe|procedure|order|drill|method|trick|checklist"
    r"|way)\b[^:.!?\n]{0,40})[:,]\s+"
)
_LEAD_ZH = re.compile(
    r"(?:步骤|流程|方法|做法|顺序|泡法|办法|那套|这么[弄走做办]|这样[弄走做办]|操作"
    r"|法|套路|程序|仪式|习惯|日程)[^：:，。\n]{0,10}[：:]\s*"
)


def _listed(reading: Reading) -> Steps | None:
    """Read a plain list after a how-to lead: items parted by commas, the last one told as last."""
    chinese = reading.language == "zh"
    lead = (_LEAD_ZH if chinese else _LEAD_EN).search(reading.low)
    if not lead or (not chinese and lead[0].rstrip()[-1] == ","):
        return None
    start = lead.end()
    stop = re.compile(r"[。！!？?\n]|[.](?=\s|$)").search(reading.low, start)
    end = stop.start() if stop else len(reading.text)
    parts = re.split(r"[，,、；;]\s*|\s+(?:and )?then\s+", reading.text[start:end])
    steps = tuple(
        re.sub(r"^(?:and |then |and then |finally |lastly |然后|最后|再|接着|先)", "", p).strip()
        for p in parts
        if p.strip()
    )
    if len(steps) < 3 or any(len(s) > (40 if chinese else 90) for s in steps):
        return None
    last = parts[-1].lower()
    ordered = "then" in reading.low[start:end] or re.search(
        r"然后|最后|再|接着|\band\b|routine|ritual|order|steps|步骤|流程|顺序|那套|仪式|习惯",
        reading.low,
    )
    if re.match(r"(?:i|we|he|she|it|the|my)\b", steps[0].lower()) or not (ordered and last):
        return None
    return Steps(start, end, steps)
