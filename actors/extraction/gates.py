"""What is not worth keeping: questions, wishes, fiction, courtesies.

A sentence has a mood; only statements and requests to save something become memories. Fiction is a
property of the whole message: a quoted passage that somebody asks about is nobody's life.
"""

from __future__ import annotations

import re
from typing import Literal

from actors.extraction.language import Language

Mood = Literal["statement", "question", "hypothetical", "request", "courtesy"]

QUOTED = re.compile(
    r"\"[^\"\n]{1,600}\"|“[^”\n]{1,600}”|「[^」\n]{1,600}」|『[^』\n]{1,600}』"
    r"|(?<![\w])'[^'\n]{1,80}(?:'\w[^'\n]{1,80}){0,4}'(?!\w)"
)

# Without a question mark only inverted word order asks: `how I descale it`, `when we say X` tell.
_INVERTED_EN = re.compile(
    r"^(?:(?:and|so|but|ok|okay|hey|hi|also|well|btw|um|quick question|wait|oh|sorry)[,:!]? )*"
    r"(?:(?:what|when|where|who|whom|whose|why|which|how)(?:'s|s| is| are| was| were| "
    r"do| does| did| can| could| would| will| should| much| many| long| come| about| "
    r"often| far| kind| type| sort| time)\b"
    r"|(?:is|are|was|were|do|does|did|can|could|would|will|should|shall|have|has|may"
    r"|might|am|isn't|aren't|don't|doesn't|wouldn't|won't) (?:i|you|u|we|he|she|it"
    r"|they|the|my|your|our|this|that|there|a|an|any|anyone|next)\b|any (?:idea"
    r"|chance|tips|ideas)\b|wanna\b)"
)
_INDIRECT_EN = re.compile(
    r"\b(?:i wonder|i'm wondering|wondering (?:if|whether)|just curious|no idea (?:if"
    r"|whether|what)|do you (?:think|know)"
    r"|tell me (?:what|how|why|if|about)|explain|can you|could you|would you|will you)\b"
)
SAVE_EN = re.compile(
    r"\b(?:save|note|remember|keep|store|jot|hang on to|bookmark|write (?:this|that"
    r"|it)? ?down|put (?:this|that|it)|add|log|record|file)\b"
)
SAVE_ZH = re.compile(
    r"记(?:一?下|住|牢|好|录)|存(?:一?下|着|好|起来)|保存|收藏|留(?:着|一?下)|备忘"
    r"|收(?:好|着)|mark|马克"
)
_IF_EN = re.compile(
    r"\bif (?:i|we|you|he|she|they|it|someone|somebody|there|only|my|our|the|money)\b"
)
_MODAL_EN = re.compile(
    r"(?:\b(?:would|could|might|wouldn't|couldn't)\b|'d\b|\b(?:id|wed) (?:love|buy|go"
    r"|move|quit|be|never))"
)
_WISH_EN = re.compile(
    r"\b(?:i wish|if only|imagine|suppose|supposing|what if|let's say|lets say"
    r"|hypothetically|pretend|in another life|in a parallel"
    r"|one can dream|a girl can dream|dream of|dreaming of|daydream\w*|someday|one "
    r"day i(?:'ll| will| want|'d)|would (?:be|have been) (?:nice|great|fun|cool"
    r"|lovely)"
    r"|i(?:'d| would|d) (?:love|like|rather|kill|give anything|probably|be|never|move"
    r"|buy|quit|go|happily)"
    r"|(?:maybe|perhaps) (?:i|we) (?:should|could|might|will)|might (?:be|have) fun|i "
    r"might|we might|thinking (?:of|about) (?:maybe|possibly)|considering)\b"
)
_COURTESY_EN = re.compile(
    r"\b(?:see (?:you|ya|u)|(?:talk|speak|chat) (?:to you |with you )?(?:soon|later"
    r"|tomorrow|tmrw|tmr|then|again|next)|catch (?:you|up (?:later|soon))|ttyl"
    r"|have (?:a|an) (?:\w+ )?(?:\w+ )?(?:day|night|evening|week|weekend|one|time"
    r"|trip|flight)|(?:enjoy|happy) (?:your|the|mon|tues|wednes|thurs|fri|satur|sun"
    r"|new|birth|holid)"
    r"|good (?:night|morning|evening|afternoon)|sleep (?:well|tight)|how are you|long "
    r"time no see|take care|until tomorrow)"
)
_REQUEST_EN = re.compile(
    r"^(?:(?:ok|okay|hey|hi|so|and|then|now|also|just|please|pls|plz|can you|could "
    r"you|would you)[,!]? )*"
    r"(?:tell|give|show|explain|write|draft|translate|suggest|recommend|find|book"
    r"|order|make|list|help|summari[sz]e|compare|check|look|search|play|set|pick|plan"
    r"|let me know|proofread|rewrite|calculate|convert|let's|lets)\b"
)

_QUESTION_ZH = re.compile(
    r"[?？]|(?:吗|么(?<!什么)(?<!怎么)(?<!那么)(?<!这么))[～~。！!\s]*$"
    r"|(?:^|[，,])(?![^，,]*(?:都|也|没|不管|无论|不是|随便|啥的))[^，,]{0,20}(?:什么"
    r"|怎么(?!这么|也)|哪[里儿个些家种]|几[点天号]|多少|为什么|如何|谁|是不是|能不能"
    r"|可不可以|要不要|有没有|会不会|好不好|行不行)[^，,]{0,10}[～~。！!\s]*$"
)
# A closing 呢 asks only beside a question word or in a short clause: 天都黑着呢 tells.
_ASKS_WITH_NE = re.compile(
    r"(?:什么|怎么|谁|哪|几|多少|为啥|啥|咋|是不是|要不要|有没有)[^，。]*呢[～~。！!\s]*$"
    r"|^[^，。着在正]{1,7}呢[～~。！!\s]*$"
)
_HYPO_ZH = re.compile(
    r"^(?:唉|哎|啊|话说|说真的|有时候想|诶|嗯)?[，,]?(?:要是|如果|假如|假设|万一|若是"
    r"|倘若|假使|要不是)|(?:好想|真想|真希望|要是能|多希望|做梦都想|幻想|梦想(?:着"
    r"|有一天)|希望有一天|哪天(?:有钱|发财|中)|等我(?:发财|有钱|中)|想象一下|想象着?|想想而已|就好了$"
    r"|该多好|设想|恨不得|巴不得)"
)
_COURTESY_ZH = re.compile(
    r"(?:明天|明儿|下周|周[一二三四五六日]|晚点|回头|改天|下次|待会儿?"
    r"|一会儿?)(?:再)?(?:见|聊|说|联系|细聊|唠)|周末愉快|晚安|早安|早上好|晚上好|拜拜"
    r"|节日快乐|生日快乐|新年快乐|好梦|谢谢|多谢|谢啦|感谢|辛苦了"
)
_REQUEST_ZH = re.compile(
    r"^(?:请|麻烦|劳驾|能|可以)?(?:你)?(?:帮我|帮忙|替我|给我)(?!记|存|保存|收|留)"
    r"|^(?:推荐|介绍|解释|翻译|列|写|查|讲|说说|算|总结|对比)(?:一下|几|个|下)"
)

_FICTION_EN = re.compile(
    r"\b(?:fantasy|sci-?fi|fiction(?:al)?|fanfic\w*|screenplay|(?:short )?story "
    r"(?:i'm|im|i am)|my (?:novel|short story|story|script|screenplay|character"
    r"|protagonist|villain|poem|d&d|fanfic)"
    r"|(?:in|from|for) (?:a|an|the|some|my|this) (?:\w+ )?(?:novel|story|script"
    r"|screenplay|poem|song|lyrics?|play|serial|film|movie|show|series|sitcom|scene"
    r"|game|episode|anime|comic)"
    r"|the (?:protagonist|narrator|hero|heroine|main character|villain)|opening "
    r"(?:line|sentence|paragraph)|lyrics?|role-?play|write a (?:story|scene|poem"
    r"|dialogue)|dialogue|monologue|a character (?:who|called|named)|quote (?:of"
    r"|from)|one-?liner|plot|says in)\b"
)
_STRONG_FICTION_EN = re.compile(
    r"\b(?:(?:in|for) my (?:novel|short story|story|screenplay|script|fanfic|d&d "
    r"campaign|campaign|book)|my (?:main )?character\b|my (?:protagonist|narrator"
    r"|villain)"
    r"|(?:the|whose) (?:protagonist|narrator|main character|heroine|villain)"
    r"|role-?play|write (?:me )?(?:a|an) (?:\w+ )?(?:story|scene|poem|dialogue"
    r"|monologue)|pretend (?:you|to be|that)|imagine (?:you|a|that)|(?:short )?story "
    r"(?:about|where|in which)|plot (?:idea|twist)|lyrics?)\b"
)
_ABOUT_QUOTE_EN = re.compile(
    r"\b(?:translate|proofread|rewrite|rephrase|continue|grammar|sound(?:s)? (?:right"
    r"|ok|natural|too)|correct (?:this|english)|mean(?:s)? in|does (?:this|that|it) "
    r"(?:read|sound|work)|too much|polish|paraphrase|say in|who said|what does)\b"
)
_FICTION_ZH = re.compile(
    r"小说|网文|剧本|台词|歌词|角色|主角|男主|女主|主人公|反派|剧情|段子|续写|同人"
    r"|剧里|片里|电影里|书里|漫画|番里|故事里|开头|独白|人设|设定|诗|文案|配音|游戏里"
    r"|剧中|旁白|作文|剧透|里头?有句"
)
_STRONG_FICTION_ZH = re.compile(
    r"(?:我|这)?(?:小说|剧本|故事|同人文?|剧|书|游戏|漫画|电影|网文)(?:里|中)(?:的|，"
    r"|有|说|那)?(?:主角|男主|女主|角色|反派|主人公|那)?|(?:主角|男主|女主|主人公"
    r"|反派)|角色扮演|假装(?:你|我)是?|扮演|编(?:一)?个(?:故事|剧情|段子)"
    r"|写(?:一)?(?:个|篇|段|首)(?:\S{0,6})(?:故事|小说|诗|剧本|台词|文案|歌词|独白)"
)
_ABOUT_QUOTE_ZH = re.compile(
    r"翻译|润色|改写|续写|病句|语法|尬不尬|通不通|怎么说|什么意思|顺不顺|念起来"
    r"|读起来|改一?改|评价一?下|点评|仿写|造句|哪句|改得|改成|这句话?|这段话?|语气"
    r"|客气点|帮我改"
)


def is_fiction(text: str, lowered: str, language: Language) -> bool:
    """Tell whether the message is about a made-up or quoted text rather than about a life."""
    long_quote = any(len(q) >= (8 if language == "zh" else 18) for q in QUOTED.findall(text))
    if language == "zh":
        if _STRONG_FICTION_ZH.search(text) and not re.search(r"《|https?:", text):
            return True
        return long_quote and bool(_FICTION_ZH.search(text) or _ABOUT_QUOTE_ZH.search(text))
    if _STRONG_FICTION_EN.search(lowered) and "http" not in lowered:
        return True
    if long_quote and (_FICTION_EN.search(lowered) or _ABOUT_QUOTE_EN.search(lowered)):
        return True
    # `Translate: I live in Paris` has its quotation after the colon.
    return bool(
        re.match(
            r"(?:please |pls |can you )?(?:translate|proofread|rephrase|rewrite|paraphrase)\b",
            lowered,
        )
    )


def mood_of(sentence: str, lowered: str, language: Language) -> Mood:
    """Return how a sentence is meant."""
    return _mood_zh(sentence) if language == "zh" else _mood_en(lowered)


def _mood_en(lowered: str) -> Mood:
    stripped = lowered.rstrip("\"'”’) ")
    if _COURTESY_EN.search(lowered):
        return "courtesy"
    if lowered.startswith(("did you know", "fun fact", "guess what")):
        return "statement"
    saves = SAVE_EN.search(lowered)
    if stripped.endswith("?") and not (saves and _INDIRECT_EN.search(lowered)):
        return "question"
    if _INVERTED_EN.match(lowered) and not saves:
        return "question"
    if _WISH_EN.search(lowered) or (_IF_EN.search(lowered) and _MODAL_EN.search(lowered)):
        return "hypothetical"
    if _INDIRECT_EN.search(lowered) and not saves:
        return "question"
    return "request" if _REQUEST_EN.match(lowered) else "statement"


def _mood_zh(sentence: str) -> Mood:
    if _QUESTION_ZH.search(sentence) or _ASKS_WITH_NE.search(sentence):
        return "question"
    if _HYPO_ZH.search(sentence):
        return "hypothetical"
    if _COURTESY_ZH.search(sentence) and len(sentence) < 24:
        return "courtesy"
    return "request" if _REQUEST_ZH.search(sentence) else "statement"
