"""Read what Chinese writes in its own way: number words, and the short forms of names.

Pure. The words of a text (`words_tantivy`) and what a question names (`question`) are read with it.
"""

from __future__ import annotations

import re

_DIGITS = {"〇": 0, "零": 0, "两": 2} | {
    char: at for at, char in enumerate("一二三四五六七八九", 1)
}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8}
#: What a number is written with.
NUMERALS = "".join((*_DIGITS, *_UNITS, *_MYRIADS))

_RUN = re.compile(f"[{NUMERALS}]+")
_SPELT_MIN = 3
_GIVEN_MIN = 2
_NAME = re.compile(r"[\u4e00-\u9fff]{3,4}")
#: The surnames of nine people in ten, and those of two characters.
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任"
    "卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔"
    "向常汤康易乔赖文樊兰施殷洪翟安颜倪牛温芦季俞章鲁葛伍申尤毕聂焦柳邢岳齐梅庄辛管祝左涂谷时舒耿卜"
    # The same as they are written traditionally.
    "張劉陳楊黃趙吳孫馬鄭謝許韓鄧馮蕭葉蘇呂盧鐘譚陸賈鄒龍賀顧龔萬錢戴嚴湯溫蘆魯畢聶齊莊蔣韋閆賴時塗"
)
_SURNAMES_OF_TWO = (
    *("欧阳", "司马", "上官", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容"),
    *("司徒", "令狐", "东方", "端木", "南宫", "独孤", "宇文", "长孙"),
)
#: What a surname is followed by where the given name is not said.
_TITLES = frozenset(
    (
        *("老师", "医生", "大夫", "护士", "教授", "教练", "律师", "师傅", "老板", "经理", "主任"),
        *("总监", "先生", "女士", "小姐", "太太", "同学", "阿姨", "叔叔", "伯伯", "奶奶", "爷爷"),
    )
)


def in_digits(text: str) -> str:
    """Return the text with its number words in digits: 三月二十八号 as 3月28号."""
    return _RUN.sub(lambda match: _figure(match.group()), text)


def given_name(name: str) -> str | None:
    """Return the given name within a full Chinese name (晓雯 of 林晓雯), or None.

    Nobody is called by a given name of one character alone: it is left with its surname.
    """
    if not _NAME.fullmatch(name):
        return None
    of_two = name.startswith(_SURNAMES_OF_TWO)
    given = name[2:] if of_two else name[1:]
    if len(given) < _GIVEN_MIN or given in _TITLES or not (of_two or name[0] in _SURNAMES):
        return None
    return given


def _figure(word: str) -> str:
    """Return a number word in digits, itself when it is none (七八: "seven or eight")."""
    if all(char in _DIGITS for char in word):
        if len(word) == 1 or len(word) >= _SPELT_MIN:
            return "".join(str(_DIGITS[char]) for char in word)
        return word
    value = _value(word)
    return word if value is None else str(value)


def _value(word: str) -> int | None:
    """Return what a number word with units says, or None when it is not well formed.

    The last digit takes a tenth of the unit before it where that is not 十: 七千二 is 7200.
    """
    total = section = 0
    digit: int | None = None
    last = 1
    for char in word:
        if char in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[char]
            last = 10 if digit == 0 else last
        elif char in _UNITS:
            last = _UNITS[char]
            section += (1 if digit is None and last == 10 else digit or 0) * last
            digit = None
        else:
            last = _MYRIADS[char]
            section += digit or 0
            if not total + section:
                return None
            # 万 counts what stands right before it, 亿 all so far: 三亿五千万, 两万亿.
            total = (total + section) * last if char == "亿" else total + section * last
            section, digit = 0, None
    if digit:
        section += digit * (last // 10 if last > 10 else 1)
    return total + section or None
