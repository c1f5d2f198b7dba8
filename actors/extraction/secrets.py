"""Where secret values stand in a text: passwords, codes, numbers of papers, contacts, addresses.

The search starts from the values, which are rare, not from the words: a stretch that has the shape
of a value is a secret when a label that goes with the shape stands near it. Only passwords that are
plain words are found from their label. Every pattern is linear in the length of the text.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from actors.extraction.addresses import find_addresses
from actors.extraction.vocabulary import words

Kind = Literal["password", "code", "token", "card", "id", "phone", "email", "address"]


class Secret(NamedTuple):
    """A secret value: its place, what it is, whether it no longer holds, and where its label is."""

    start: int
    end: int
    kind: Kind
    stale: bool
    label: tuple[int, int]


LABELS: tuple[tuple[Kind, str], ...] = (
    (
        "token",
        (
            r"(?:api|access|secret|auth|bearer|recovery|encryption|ssh|product|activation"
            r"|licen[cs]e|webhook|deploy)[ -]?(?:key|token|secret)s?|\btoken\b"
            r"|\bkey\b(?=\s*(?:is|:|=|for|：|是))|密钥|秘钥|令牌|序列号|激活码|恢复码|授权码"
            r"|(?<![a-z])key(?![a-z])|(?<![a-z])token(?![a-z])"
        ),
    ),
    (
        "password",
        (
            r"\bpass(?:word|code|phrase|wd)s?\b|\bpwd\b|\bpw\b|\bpasskey\b|wi-?fi (?:key"
            r"|code)|\blogin(?: details)?\b|密码|口令|暗号|密匙|登录"
        ),
    ),
    (
        "code",
        (
            r"(?<!promo )(?<!zip )(?<!area )(?<!dress )(?<!source )(?<!error )(?<!discount "
            r")(?<!qr )(?<!bar)\bcodes?\b(?! (?:review|freeze|base|of))|\bpin(?:s| code| "
            r"number)?\b|(?<![a-z])pin(?![a-z])|\bcombo\b|\bcombination\b|\bpasscode\b"
            r"|\bpuk\b|\b(?:lock|key ?safe|safe|keypad|alarm|gate|door|buzzer|padlock"
            r"|locker)(?: [\w' ]{1,30}?)?(?: is\b| opens with\b|'s\b| code is\b| ?=|:| now\b)"
            r"|\bopens "
            r"with\b|(?:锁|钥匙盒|保险箱|柜|大门|门)(?:现在)?(?:是|：|:|改成|换成)|门禁码?"
            r"|开门码|取件码|解锁码|验证码|大门码|锁码|保险柜|保险箱|安全码|柜子码|(?<=门)码"
        ),
    ),
    (
        "card",
        (
            r"(?:credit|debit|bank|visa|master)[ -]?card\b|\bcard (?:number|no)\b|\bcard\b"
            r"|\bvisa\b|\biban\b|\bamex\b|(?:银行卡|信用卡|工资卡|储蓄卡|借记卡|公交卡|饭卡"
            r"|社保卡|医保卡|购物卡|卡)(?:卡)?号?码?"
        ),
    ),
    (
        "id",
        r"passport|licen[cs]e|national insurance|\bni (?:number|no)\b|\bssn\b|social "
        r"security|\btax\b|\butr\b|\bvat\b|member(?:ship)?|loyalty|library card|\bnhs\b"
        r"|policy|insurance|account|sort code|student (?:id|number|no)|employee|staff "
        r"(?:id|number|no)|frequent[- ]fl[iy]er|mileage|registration|number plate"
        r"|licen[cs]e plate|\bplate\b|reference|\bref\b|customer (?:number|no|id)|serial"
        r"|booking|case number|\bid\b(?: card| number| no)?|patient|\bvin\b|\bsku\b|steam"
        r"|chassis|contract number|meter"
        r"|护照|驾照|驾驶证|身份证|社保|医保|税号|纳税人|识别号|统一社会信用代码|会员"
        r"|常旅客|里程|学号|工号|保单|车牌|账号|帐号|账户|户号|编号|订单号|证号|通行证"
        r"|港澳|行驶证|公积金|房产证|病历号|就诊卡|借书证|读者证|微信号?|\bqq\b|单号"
        r"|档案号",
    ),
    (
        "phone",
        (
            r"\b(?:tele)?phone\b|\bmobile\b|\bcell(?:phone)?\b|\bnumber\b|\bno\.|\btel\b"
            r"|\blandline\b|whats ?app|\bring\b|\bcall\b|\btext\b|\breach\b|hotline"
            r"|\bext(?:ension)?\b|\bfax\b|\bcontact\b|\bdial\b|电话|手机|座机|号码|联系方式"
            r"|热线|固话|致电|打给|拨|传真|分机|号(?=[是：: ]|码)"
        ),
    ),
)
_LABEL = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in LABELS))
# A quick look that spares most messages the whole search.
_MAYBE = re.compile(r"\d|@|pass|pwd|密码|口令|暗号|地址", re.IGNORECASE)

EMAIL = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,24}){1,4}")
URL = re.compile(r"(?:https?://|www\.)[^\s，。；！？）】》”\"<>]{1,2000}")
_PAPERS = r"\b[A-Z]{1,3} ?\d{2}(?: \d{2}){2} ?[A-Z]\b"
# Every character is looked at a bounded number of times: what has no digit in it is taken whole,
# as `none`, instead of being tried again from each of its characters. Only papers begin in there.
_VALUE = re.compile(
    r"(?P<iban>\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b)"
    rf"|(?P<papers>{_PAPERS})"
    r"|(?P<digits>[+(]{0,2}\b\d{1,8}\)?(?:[ .–-]\(?\d{1,8}\)?){1,8}(?:[Xx]\b)?[#*]?)"
    # A digit of another script behind the last ASCII character, or else one of ASCII.
    r"|(?P<token>[!-~]*+\d[!-~]*+|[!-/:-~]*+\d[!-~]*+)"
    rf"|(?P<none>[!-/:-~]+?(?={_PAPERS})|[!-/:-~]++)"
)
_CLOSERS = ".,;:?!)]}>'\"…"
_NOT_A_VALUE = re.compile(
    (
        r"(?:[£$€¥~≈]|\d++(?:[.,]\d*+)?(?:st|nd|rd|th|am|pm|kg|km|cm|mm|g|ml|min|mins|h|hr|hrs"
        r"|k|m|%|°|x|gb|mb|s|€|£|\$)?$|\d{1,2}[:.]\d\d(?:am|pm)?$"
        r"|\d{1,4}[-/]\d{1,2}[-/]\d{1,4}$)"
    ),
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[#*]?[A-Za-z]{0,4}-?\d{3,12}[A-Za-z]{0,2}[#*]?|\d{1,6}(?:[ "
    r".–-]\d{1,6}){1,6}[#*]?|[#*]?\d+[#*]\d*[#*]?|[A-Z0-9]{4,10}"
)
_PLAIN = re.compile(
    (
        r"(?:pass(?:word|code|phrase|wd)|\bpwd|\bpw\b|密码|口令|暗号)(?:'s| is| ="
        r"|\s?[:=：]| now is| to| are| will be| 是|是|改成了?|换成了?|改为|为"
        r"|变成)\s*[\"'“‘「]?(?P<v>[!-~]{4,64}|(?<=[\"“「])[^\"”」]{2,60})"
    ),
    re.IGNORECASE,
)
_PLAIN_STOP = words(
    "wrong weak the same expired too not strong secure required that this there here "
    "your mine still also just now what when with safe good bad long short easy "
    "easier hard written changed saved stored different hidden secret really always "
    "never been being under somewhere going reset working correct incorrect invalid "
    "taped"
)
_STALE = re.compile(
    r"(?P<old>\b(?:old|previous|former|not|no longer|instead of|rather than|used to "
    r"be|was|from|dead|forget|isn't|wasn't)\b|不是|不再是|原来|原先|旧|以前|之前|别用"
    r"|从|作废|忘掉|老(?=密码|的|号))"
    r"|(?P<new>\b(?:new|now|to|it's|is|but|its|became)\b|换成|改成|改为|变成|现在|新"
    r"|换了|是|到)",
    re.IGNORECASE,
)
_DEAD = re.compile(
    (
        r"[)）\s]*+(?:(?:is|are|was)\s*+)?(?:dead|gone|expired|no longer|doesn't work|stopped"
        r"|any ?more|out of date|不用了|作废|失效|废了|别用|过期|不能用|停用|不行了"
        r"|没用了|那个不)"
    ),
    re.IGNORECASE,
)


def scan_secrets(text: str) -> tuple[Secret, ...]:
    """Return every secret value of the text in order, the outdated ones marked."""
    if not _MAYBE.search(text):
        return ()
    taken = _Taken(text)
    for link in URL.finditer(text):
        taken.add(*link.span())
    found = [
        Secret(m.start(), m.end(), "email", False, m.span())
        for m in EMAIL.finditer(text)
        if not taken.holds(*m.span()) and "." not in m[0][-1]
    ]
    for secret in found:
        taken.add(secret.start, secret.end)
    for start, end in find_addresses(text):
        if not taken.holds(start, end):
            found.append(Secret(start, end, "address", False, (start, start)))
            taken.add(start, end)
    labels = [(m.start(), m.end(), _kind(m)) for m in _LABEL.finditer(_lowered(text))]
    if labels or "+" in text:
        found += _labelled(text, labels, taken)
    for secret in found:
        taken.add(secret.start, secret.end)
    found += _plain_passwords(text, taken)
    return tuple(sorted(found))


class _Taken:
    """Which characters of a text belong to something that was found."""

    def __init__(self, text: str) -> None:
        self._marks = bytearray(len(text))

    def add(self, start: int, end: int) -> None:
        self._marks[start:end] = b"\x01" * (end - start)

    def holds(self, start: int, end: int) -> bool:
        """Say whether any of these characters does."""
        return self._marks.find(1, start, end) >= 0


def _lowered(text: str) -> str:
    """Return the text in lower case with every character in its place."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text


def _labelled(text: str, labels: list[tuple[int, int, Kind]], taken: _Taken) -> list[Secret]:
    found: list[Secret] = []
    reach = 0
    for match in _VALUE.finditer(text):
        if match.lastgroup == "none":
            continue
        start, end = _trimmed(text, *match.span())
        if start >= end or taken.holds(start, end):
            continue
        while reach < len(labels) and labels[reach][1] <= start:
            reach += 1
        near = labels[max(0, reach - 4) : reach][::-1] + labels[reach : reach + 1]
        value = text[start:end]
        for begin, finish, kind in near:
            if _goes_with(text, value, (start, end), (begin, finish), kind):
                found.append(Secret(start, end, kind, _is_stale(text, start, end), (begin, finish)))
                break
        else:
            if value.startswith("+") and sum(c.isdigit() for c in value) >= 9:
                found.append(Secret(start, end, "phone", False, (start, start)))
    return found


def _goes_with(
    text: str, value: str, place: tuple[int, int], label: tuple[int, int], kind: Kind
) -> bool:
    after = label[0] >= place[1]
    begin, end = (place[1], label[0]) if after else (label[1], place[0])
    if end - begin > (30 if after else 110) or "\n\n" in (gap := text[begin:end]):
        return False
    breaks = len(re.findall(r"[.!?](?=\s)|[。！？]", gap))
    if breaks > (0 if after else 1):
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    if kind == "card":
        return digits >= 8
    if kind == "phone":
        return 7 <= digits <= 15 and letters == 0
    if kind == "id":
        return (
            digits >= 3
            and digits + letters >= 5
            and not re.search(r"[a-z]{4,}|[/\\]", value)
            and not _is_calendar(value)
        )
    if kind == "token":
        return len(value) >= 6 and digits >= 1 and letters >= 3 and " " not in value
    if kind == "code":
        return (
            bool(_CODE.fullmatch(value))
            and digits >= 3
            and not _is_calendar(value)
            and len(gap) <= 80
            and not _is_amount(text, place)
        )
    mixed = bool(letters) and bool(digits) and len(value) >= 5 and not _NOT_A_VALUE.fullmatch(value)
    return (
        (mixed or (digits >= 4 and not _is_calendar(value)))
        and len(gap) <= 70
        and not _is_amount(text, place)
    )


def _is_calendar(value: str) -> bool:
    return bool(
        re.fullmatch(
            (
                r"\d{1,2}[:.]\d\d|\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}/\d{1,2}(?:/\d{2,4})?"
                r"|\d+(?:st|nd|rd|th|am|pm)"
            ),
            value,
        )
    )


def _is_amount(text: str, place: tuple[int, int]) -> bool:
    before, after = text[max(0, place[0] - 1) : place[0]], text[place[1] : place[1] + 8].lstrip()
    return before in ("£", "$", "€", "¥") or bool(
        re.match(
            (
                r"(?:euros?|pounds|dollars|quid|people|times|days|weeks|years|pages|块|元|人|天"
                r"|年|次|页|岁)"
            ),
            after,
        )
    )


def _plain_passwords(text: str, taken: _Taken) -> list[Secret]:
    found = []
    for match in _PLAIN.finditer(text):
        start, end = _trimmed(text, *match.span("v"))
        value = text[start:end]
        if (
            (len(value) < 4 and value.isascii())
            or value.lower() in _PLAIN_STOP
            or taken.holds(start, end)
        ):
            continue
        label_end = match.start("v")
        found.append(
            Secret(start, end, "password", _is_stale(text, start, end), (match.start(), label_end))
        )
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the place without the punctuation of the sentence around it."""
    while start < end and text[start] in "([{<'\"=:;,":
        start += 1
    opened = "(" in text[start:end]
    while end > start and text[end - 1] in _CLOSERS:
        # A bang that the sentence goes on after belongs to the value, as in `Tulip99! for now`.
        if text[end - 1] == "!" and re.match(r"[ ,][a-z(]|[，,]", text[end : end + 2]):
            break
        if text[end - 1] == ")" and opened:
            break
        end -= 1
    value = text[start:end]
    cut = re.search(r"[=:](?=[^/])", value)
    if cut and not re.match(r"\d+:\d", value):
        start += cut.end()
    return start, end


def _is_stale(text: str, start: int, end: int) -> bool:
    clause = re.split(r"[,;，；。]|\. ", text[max(0, start - 60) : start])[-1]
    verdict = None
    for verdict in _STALE.finditer(clause):  # noqa: B007  the last one decides
        pass
    if _DEAD.match(text, end):
        return True
    return verdict is not None and verdict.lastgroup == "old"


def _kind(match: re.Match[str]) -> Kind:
    return match.lastgroup  # type: ignore[return-value]  # the groups are named after the kinds


def mask(
    text: str, spans: tuple[tuple[int, int], ...] | list[tuple[int, int]], offset: int = 0
) -> str:
    """Return the text with the spans (places in the whole, from `offset`) shown as dots."""
    parts, done = [], 0
    for start, end in sorted(spans):
        begin, finish = max(start - offset, done), min(end - offset, len(text))
        if begin < finish:
            parts += [text[done:begin], "•••"]
            done = finish
    return "".join(parts) + text[done:]
