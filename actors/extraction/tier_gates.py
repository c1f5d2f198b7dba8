"""A look before a model is asked: may there be anything for this tier in the text?

A gate costs well under a millisecond and errs towards asking: what it lets through in vain costs a
short output, what it holds back is lost to the model (though never what the rules would find). It
never asks about greetings, mere questions, fiction and empty texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from actors.extraction.finding import Utterance
from actors.extraction.masking import PLACEHOLDER
from actors.extraction.reading import Clause, Reading
from events.memory import Tier

#: A courtesy of more characters than this may hold something beside it.
COURTESY_CHARS_MAX = {"en": 60, "zh": 24}

_GREETING = re.compile(
    r"\b(?:hi|hiya|hey|hello|yo|howdy|good (?:morning|afternoon|evening|night|day)|morning"
    r"|thanks|thank you|thx|ty|cheers|ta|please|sorry|ok|okay|k|kk|cool|great|nice|perfect|awesome"
    r"|sure|yes|yeah|yep|no|nope|nah|lol|lmao|wow|oh|ah|hmm+|haha\w*|hehe\w*|bye|goodbye|ciao"
    r"|there|again|so much|very much|a lot|a million|everyone|all|again|you'?re welcome"
    r"|no problem|no worries|got it|sounds good|well done|you'?re (?:a star|the best|great))\b"
    r"|你好呀?|您好|大家好|嗨|哈喽|在吗|在么|在不在|早安|早上好|早啊?|中午好|下午好|晚上好|晚安"
    r"|谢谢你?|谢啦|多谢|感谢|辛苦了?|好的|好滴|好吧|行|可以|收到|明白了?|知道了|嗯+|哦+|噢+|哈+|嘿+"
    r"|拜拜|再见|回见|不客气|没事|没关系|不好意思|抱歉|对不起|是的|对的?|你真(?:棒|好|靠谱|厉害)"
    r"|[啦呀啊哦呢吧哈了～~]"
)
_LETTER = re.compile(r"\w")

_SELF = re.compile(
    r"\b(?:i|i'm|im|i've|ive|i'd|i'll|me|my|mine|myself|we|we're|our|ours|us|call|never|always"
    r"|don't|dont|please|prefer|speak|answer|reply|allerg\w*|intoleran\w*|vegan|vegetarian"
    r"|diabet\w*|coeliac|celiac|pregnant|married|single|retired|born|live[sd]?|work(?:s|ed|ing)?)\b"
    r"|我|咱|俺|本人|自己|家里?|叫|别|不要|请|以后|一直|从不|过敏|忌口|不耐|吃素|喜欢|讨厌|爱|怕"
)
_TIME = re.compile(
    r"\b(?:was|were|had|did|went|came|got|will|'ll|going|gonna|today|tonight|yesterday|tomm?orr?ow"
    r"|morning|afternoon|evening|night|noon|week\w*|month|year|mon\w*|tues\w*|wednes\w*|thurs\w*"
    r"|fri\w*|satur\w*|sun\w*|jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*"
    r"|dec\w*|ago|last|next|since|until|just|back|once|appointment|meeting|flight|trip|party"
    r"|birthday|wedding|\w{3,}(?:ed|ing)|\d+(?:st|nd|rd|th|am|pm))\b|\d"
    r"|了|过|要|会|去|来|刚|昨|今|明|后天|前天|周|星期|礼拜|月|号|日|天|年|点|早|晚|曾|正在|准备|打算"
)
_HOW = re.compile(
    r"->|→|=>|⇒|(?:^|\s)(?:\d{1,2}[.):、]|[-*•])\s*\S|[①-⑳]"
    r"|\b(?:first|then|next|after|before|finally|last|step\w*|how|recipe|routine|order|way|method"
    r"|instructions?|always|whenever|every time|if)\b"
    r"|先|再|然后|接着|最后|之后|步骤?|第[一二三四五六七八九十\d]|流程|做法|方法|办法|怎么|这么|那套|每次|每天"
    r"|固定|教程|配方|菜谱|套路"
)
_KEEP = re.compile(
    r"https?:|www\.|\w\.(?:[a-z]{2,5}\d?)\b|/\w+/|[《「『\"“]"
    r"|\b(?:book|novel|read\w*|article|paper|blog|post|video|film|movie|series|podcast|episode|album"
    r"|song|playlist|link|file|folder|doc\w*|pdf|slides?|sheet|notes?|manual|guide|tutorial|template"
    r"|scan|photo\w*|drive|nas|repo\w*|save|bookmark|keep|list|pile|by)\b"
    r"|书|文章|论文|博客|帖|视频|电影|剧|播客|专辑|歌|链接|网址|文件|文档|资料|合同|表格|幻灯|模板|教程"
    r"|相册|照片|网盘|收藏|存|留|保存|片单|书单|清单|公众号|小程序|课"
)
_VAULT = re.compile(
    r"\d{3}|@|\b(?:pass\w*|pwd|pin|puk|code|key|token|secret|login|log in|credential\w*|account"
    r"|card|iban|passport|licen[cs]e|id|number|phone|mobile|cell|call|e-?mail|mail|address|street"
    r"|road|lane|avenue|flat|apartment|post ?code|zip|contact|lock|safe|combination|membership"
    r"|wi-?fi)\b"
    r"|密码|口令|暗号|密钥|令牌|验证码|门禁|账号|帐号|账户|卡号|卡|护照|驾照|身份证|号码?|电话|手机|座机"
    r"|邮箱|邮件|地址|住址|路|街|巷|弄|号楼|微信|联系|锁|保险箱|会员|车牌|编号"
)


def gate(tier: Tier, utterance: Utterance, *, document: bool = False) -> bool:
    """Tell whether a model is worth asking about a text (as it is masked) for a tier."""
    reading = Reading(utterance)
    if not _LETTER.search(reading.low) or reading.fiction:
        return False
    if document:
        return _LOOKS[tier](reading.low)
    told = [sentence for sentence in reading.sentences if _tells(sentence, reading)]
    # What a tier looks for may stand in a greeting or question beside the sentence that tells.
    return bool(told) and _LOOKS[tier](reading.low)


def _tells(sentence: Clause, reading: Reading) -> bool:
    """Tell whether a sentence says something: not only asks, dreams, greets or thanks."""
    if sentence.mood in ("question", "hypothetical"):
        return False
    if sentence.mood == "courtesy" and len(sentence.text) <= COURTESY_CHARS_MAX[reading.language]:
        return False
    return len(_LETTER.findall(_GREETING.sub(" ", sentence.low))) >= 2


def _found(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: bool(pattern.search(text))


_LOOKS: dict[Tier, Callable[[str], bool]] = {
    "core": _found(_SELF),
    "episodic": _found(_TIME),
    # Any statement may be a fact about something.
    "semantic": lambda text: True,
    "procedural": _found(_HOW),
    "resource": _found(_KEEP),
    "knowledge_vault": lambda text: bool(PLACEHOLDER.search(text) or _VAULT.search(text)),
}
