"""Whom or what a Chinese sentence states a lasting fact about."""

from __future__ import annotations

import re

from actors.extraction import words_zh
from actors.extraction.reading import Clause, Reading
from actors.extraction.words_zh import FAMILY, OTHERS, PLACE, SURNAME, TITLE

_HAN = r"[\u4e00-\u9fff]"
# After 小 and 老 these surnames make ordinary words: 小区, 老师, 小时.
_NO_NAME = "区师时"
_RELATIVE = (
    rf"(?:(?:我|我们|咱|他|她|俺)(?:们)?(?:家)?(?:的)?(?:{_HAN}{{0,4}}的)?)?(?:大学"
    rf"|高中|前|新来的|隔壁的?|楼[上下]的?)?(?:{OTHERS})"
)
_KIN = rf"(?:我|我们|咱|他|她|俺)(?:们)?(?:家)?(?:的)?(?:{FAMILY})"
_TITLED = rf"(?:[{SURNAME}]{_HAN}?(?:{TITLE})|(?:小|老|阿)[{SURNAME}](?![{_NO_NAME}]))"
_PLACE_NOUN = rf"(?:(?:{_HAN}|[A-Za-z0-9]){{0,12}}?(?:{PLACE})|\d{{1,3}}路)"
_PREDICATE = (
    r"(?:是(?!不是|谁|什么)|不是|会(?!议|不会|员)|不会|能|不能|可以|喜欢|不喜欢"
    rf"|最?讨厌|最?爱|最?怕|不爱|恨|受不了|住|养|做|在[^，。]{{1,10}}(?:工作|上班|教书"
    rf"|当|读|做|开|住)|有(?!事|空|点|没有)|没有|没(?=[^，。]{{1,4}}位|停|电梯|空调"
    r"|网)|只(?!是|好|能说)|不(?!错|行|好意思|想|知道|舒服|见)|特别|很|超|超级|非常"
    r"|挺|可(?=会|爱|有)|擅长|精通|懂|教|当|开(?!心|始|会|完)|卖|收(?=现金|费|\d)"
    rf"|对[^，。]{{1,8}}(?:过敏|很|特别|感兴趣)|信|吃|喝|说|姓|叫|属|每|一般|平时|经常"
    r"|总|从来|周[一二三四五六日末]|星期|逢|老(?=是|爱|坏|迟)|英语|就|都|原来是"
    r"|以前是|毕业于|来自|老家|得|要(?=预约|排队|提前|刷|交|收|换乘)"
    rf"|一[^，。]{{1,8}}就|靠|专门|专|还会|干|写|跑|开车|管|负责|也|大约|大概|最|人称"
    rf"|外号|早上|晚上|下午|中午|上午|凌晨|今年{_HAN}{{1,3}}岁|已婚|单身|家在)"
)
_PERSON = re.compile(
    rf"(?P<r>{_KIN}|{_RELATIVE})(?P<n>(?:{_TITLED}|{_HAN}{{2,3}}?(?={_PREDICATE})))?"
    rf"|(?P<k>(?<=[跟和找问见给陪请])(?!我|你|他|她){_HAN}{{1,2}}(?:叔|姨|哥|姐|总|婶"
    rf"|伯|嫂|爷|奶奶|老师|师傅|医生|教练|主任|经理))|(?P<t>(?<!{_HAN}){_TITLED}"
    rf"|(?<=[的是跟和，,。、问找让叫给]){_TITLED})"
)
_SUBJECT = re.compile(
    r"(?:^|(?<=[，,。！：:；\s（]))(?:对了|顺便说|说一下哈?|补充|提醒|话说|另外|还有"
    r"|而且|其实|哦|嗯|诶|听说|据说|更正一下|原来|但|不过|因为"
    rf"|so)?[，,：:]?(?P<s>(?:{_KIN}|(?:{_HAN}{{1,8}}的)?{_RELATIVE})(?:{_TITLED}"
    rf"|{_HAN}{{0,4}}?)|(?:{_HAN}{{1,8}}的)?{_TITLED})(?:这个?人|他|她|人|自己|现在"
    rf"|目前)?(?P<p>{_PREDICATE})"
)
_THING = re.compile(
    r"(?:^|(?<=[，,。！：:；\s]))(?:对了|顺便说|说一下哈?|补充|提醒|另外|还有|注意"
    rf"|话说)?[，,：:]?(?P<s>(?:{_HAN}{{1,8}}的)?(?:{_HAN}{{0,8}}?(?:那|这)(?:家|个|间"
    rf"|座|条))?{_PLACE_NOUN})(?P<p>{_PREDICATE})"
)
_PRONOUN = re.compile(
    r"(?:^|[，,。！；\s])(?:不过|而且|听说|因为|但|听人说|她们?|他们?)?(?:他|她"
    rf"|人家)(?:这个?人|家|这人)?(?P<p>{_PREDICATE})"
)
_DISCOVERY = re.compile(
    r"(?:原来(?!的|是你|如此|这样|在)|冷知识|小知识|涨知识|才知道|才发现|刚知道"
    r"|刚学到|据说|听说(?=[^他她我]{2,})|没想到|你知道吗|居然(?=[^，。]{0,8}(?:会|能"
    r"|是|不|没有|有))|竟然(?=[^，。]{0,8}(?:会|能|是|不|没有|有))|研究(?:发现|说"
    r"|表明)|科普|第一次知道|今天学到|长见识|豆知识|趣闻|告诉你个|科学家|敢信)"
)
_DEFINES = re.compile(
    r"[“「『\"‘](?P<q>[^”」』\"’]{1,16})[”」』\"’][，,]?(?:就|其实|意思|的意思"
    r"|在我们这儿?)*(?:是指|指的?是|意思(?:就)?是|就是|是|=|等于|代表|表示|其实是"
    r"|说的是|的意思)|(?:意思(?:就)?是|指的(?:就)?是|是指|的简称|的缩写|简称|缩写是"
    r"|黑话|暗语|行话|俗称|管[^，。]{1,12}叫|我们(?:叫|管)[^，。]{1,12}(?:叫|做))"
)
_CONTACT = re.compile(r"地址|电话|号码|密码|邮箱|账号|手机|口令|门禁|卡号")
_CONTRARY = re.compile(
    r"(?!我|你|他|她|这|那|它)(?P<s>[\u4e00-\u9fff]{2,5})(?:其实|居然|竟然|根本)(?:有|会|是|不|没|能)"
)
_SELF = re.compile(r"^(?:我(?!们?(?:家|的)?(?:" + FAMILY + "|" + OTHERS + r"))|咱们?(?!家)|俺)")
_EVENTFUL = re.compile(
    r"昨|前天|明[天儿]|后天|上周|下周|这周末|上个月|下个月|今[天晚早]|刚刚?(?!好)"
    r"|终于|\d[号日](?!楼|线|门|店)|要来|来了|走了|回来|出发|到了|病了|去了|结婚了"
    r"|生了|辞职了"
)
_CHITCHAT = re.compile(
    r"^(?:你|这|那(?!家|个|间|条|边)|太|真|好|哈|谢|辛苦|没|不|别|再|还|快|笑死|绝了"
    r"|服了)"
)


def person_in(sentence: Clause) -> str:
    """Return the last person that the sentence brings up, or an empty string."""
    found = ""
    for match in _PERSON.finditer(sentence.text):
        found = match["t"] or match["k"] or (match["n"] or match["r"])
        if found:
            break
    return found


def is_about_other(clause: Clause) -> bool:
    """Tell whether the clause names a person or goes on about one."""
    return bool(person_in(clause) or _PRONOUN.search(clause.text))


def is_definition(sentence: Clause) -> bool:
    """Tell whether the sentence says what a word means."""
    return bool(_DEFINES.search(sentence.low))


def fact_subject(sentence: Clause, subject: str, reading: Reading) -> str:
    """Return what the sentence states a lasting fact about, or an empty string."""
    low = sentence.plain
    if defined := _DEFINES.search(sentence.low):
        return defined["q"] or low[: defined.start()].split("，")[-1][-12:] or "term"
    told = [c for c in sentence.clauses if not c.secret]
    known = subject
    for clause in told:
        text = clause.text
        if sentence.secret and _CONTACT.search(text):
            continue
        eventful = bool(_EVENTFUL.search(text)) or (
            bool(words_zh.PAST.search(text))
            and not re.search(
                r"过(?:奖|敏)|拿过|当过|养了|[多几\d]年|老是?坏|不[^，。]{1,5}了", text
            )
        )
        found = _SUBJECT.search(text)
        if found and not eventful and not _is_self(found["s"]) and not _weak(text, found):
            return found["s"]
        pronoun = _PRONOUN.search(text)
        person = person_in(clause)
        if pronoun and not eventful and (known or person):
            return known or person
        thing = _THING.search(text)
        if (
            thing
            and not eventful
            and not _SELF.match(text)
            and not _CHITCHAT.match(text)
            and _lasting(sentence.text)
        ):
            return thing["s"]
        known = person or known
    if (found := _DISCOVERY.search(low)) and not _EVENTFUL.search(low):
        rest = low[found.end() :].lstrip("：:，, ")
        if len(rest) >= 4 and not _SELF.match(rest) and not rest.startswith(("你", "他", "她")):
            return (
                re.split(r"[，,。]|根本|其实|会|不|是|有|能|的|放|可以|只|也|没", rest)[0][:12]
                or rest[:6]
            )
    if found := _CONTRARY.match(low):
        return found["s"]
    if name := _named_by_tagger(told, reading):
        return name
    return ""


def _is_self(subject: str) -> bool:
    return subject in ("我", "我们", "咱", "咱们", "我家", "我们家")


def _weak(text: str, found: re.Match[str]) -> bool:
    """Tell whether the predicate only passes on a saying, a feeling or an order of the moment."""
    rest = text[found.start("p") :]
    return bool(
        re.match(
            (
                r"(?:说(?!话|[^，。]{0,4}[语话])|让|叫(?!做)|给我|帮我|就(?:行|好|是说)|都说|也说"
                r"|要我|特别(?:想|感谢)|很(?:开心|高兴|生气|累|忙)|不(?:在家?$|来|去)|会(?:来|到"
                r"|给|帮|去)|可以(?:吗|来))"
            ),
            rest,
        )
    )


def _lasting(text: str) -> bool:
    return bool(
        re.search(
            (
                r"只|不(?!错)|没|周[一二三四五六日末]|每|都|总|老(?=坏|是)|要(?:预约|排队|提前)"
                r"|免费|现金|关门|开门|营业|会员|停车|早上|晚上|点(?:前|后|半|钟)?|有|是|可以|能"
                r"|贵|便宜|收|卖|特别|很"
            ),
            text,
        )
    )


_NAMED = re.compile(
    r"(?:更正一下|说错了|记错了|对了|原来|听说|其实|不过|还有"
    rf"|补充一下)?[，,：:]?(?:{_HAN}{{1,8}}(?:的"
    rf"|家))?(?:{OTHERS})?(?P<s>{_HAN}{{2,4}}?)(?:这个?人|他|她)?"
    r"(?P<p>不是|是|会|不会|能|不能|吃不了|喝不了|碰不得|受不了|喜欢|不喜欢|讨厌"
    r"|最?爱|最?怕|不吃|不喝|不碰|已经不|早就不|不再|不在[^，。]{1,10}了|现在(?:是|在"
    r"|做|住)|对[^，。]{1,8}过敏|住在?|养|在[^，。]{1,10}(?:工作|上班|当|教|做|开)"
    r"|擅长|只吃|只喝|特别|很|每|有|教|做|精通|开了|一般|平时"
    r"|周[一二三四五六日末])(?P<o>[^，。]{2,})"
)


def _named_by_tagger(told: list[Clause], reading: Reading) -> str:
    """Find a person's name that no title marks, followed by a predicate: 佩佩会弹琴."""
    for clause in told:
        match = _NAMED.match(clause.text)
        if match and not _EVENTFUL.search(clause.text) and _looks_like_name(match["s"]):
            return match["s"]
    return ""


_COMMON = re.compile(
    r"[我你他她它这那哪谁啥怎什都也就还不没很太真好再又才只已要会能可想觉应该如果虽因所"
    r"而且或者但今明昨上下前后大小多少几每有无是在的了着过吗呢吧啊哦嗯]|以后|时候"
    r"|感觉|天气|时间|事情|公司|朋友|同事|老师|医生|学校|孩子|工作|周末|晚上|早上"
    r"|中午|问题|东西|手机|电脑|密码"
)


def _looks_like_name(word: str) -> bool:
    if _COMMON.search(word):
        return False
    import rjieba  # its dictionary takes 33 MB; of nine agents only this tier's asks for it

    tags = rjieba.tag(word)
    if len(word) == 2 and word[0] == word[1]:
        return True
    return bool(tags[0][1].startswith("nr")) and (len(tags) == 1 or word[0] in SURNAME)
