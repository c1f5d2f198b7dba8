"""Postal addresses in English and Chinese, by their shape and the words that lead to them."""

from __future__ import annotations

import re

_STREET = (
    "Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Row|Close|Court|Ct|Drive|Dr|Way|Place|Pl"
    "|Square|Sq|Terrace|Crescent"
    "|Gardens|Grove|Hill|Mews|Boulevard|Blvd|Quay|Walk|Wharf|Parade|Alley|Rise|View"
    "|Path|Yard|Gate|Bank|Park"
)
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|(?:[A-Z]{2} )?\d{5}"
_EN = re.compile(
    rf"(?:(?:[Ff]lat|[Aa]pt\.?|[Aa]partment|[Uu]nit|[Ss]uite) \w{{1,5}}, "
    rf")?\b\d{{1,5}}[a-zA-Z]? (?:[A-Z][\w'’-]{{1,20}} ){{1,4}}(?:{_STREET})\b"
    rf"(?:,? (?:[Ff]lat|[Aa]pt\.?|[Uu]nit) \w{{1,5}})?(?:, [A-Z][a-z'’-]+(?: "
    rf"[A-Z][a-z'’-]+){{0,2}})*(?:,? (?:{_POSTCODE})\b)?"
    r"|\b[A-ZÄÖÜ][\wäöüß-]{2,30}(?:straße|strasse|str\.|weg|gasse|platz|allee|ring) "
    r"\d{1,4}[a-z]?(?:, \d{4,5} [A-ZÄÖÜ][\wäöüß-]+)?"
)
_LED_EN = re.compile(
    (
        r"(?:address|write to|letters?|moved|send|post|deliver|ship|parcel|package|mail"
        r"|lives? at|living at|moved to|postcode|forward|find (?:us|me|him|her|them) at"
        r"|located at|over at|stay(?:s|ing)? at)"
    ),
    re.IGNORECASE,
)
_AFTER_LABEL = re.compile(
    (
        r"\baddress(?: is|'s| now|:| =)+\s*(?P<v>[^\n;!?]{8,120}?)(?=$|[\n;!?]|\. |, "
        r"(?:please|pls|don't|dont|in case|ring|just|so|and|but|if)\b)"
    ),
    re.IGNORECASE,
)

_HAN = r"[\u4e00-\u9fff]"
_LEVEL = "省|市|区|县|镇|乡|路|街|巷|弄|道|村|胡同|小区|花园|公寓|大厦|苑|家园|广场|新城|里"
_TAIL = (
    r"\d+[A-Za-z]?(?:(?:号楼|号院|号|弄|栋|幢|座|单元|室|层|楼|户|房|门|-|之)"
    rf"(?:{_HAN}{{2,6}}(?:小区|花园|公寓|大厦|苑|家园|广场|中心|城))?"
    r"(?:\d+[A-Za-z]?|[A-Z]座?|[一二三四五六七八九十]{1,3}(?=单元|层|楼|栋))*)*"
)
# The digit is looked for first: most places have none, and need no second look.
_ZH = re.compile(rf"(?={_HAN}{{3,52}}+\d){_HAN}{{2,30}}?(?:{_LEVEL})(?:{_HAN}{{0,20}}?){_TAIL}")
_LEAD_ZH = re.compile(
    r"(?:寄到|寄去|寄往|寄给\S{1,3}?|送到|送去|发到|地址(?:是|为|改成了?|改为|换成了?"
    r"|在)?|住址(?:是)?|住在|搬到了?|家住|住|位于|坐落在|收件|都在|就在|在|到|是|改成"
    r"|换成|填|写|寄)"
)
_LED_ZH = re.compile(r"寄|地址|住址|收件|收货|快递|住在|家住|送到|包裹|邮")


def find_addresses(text: str) -> list[tuple[int, int]]:
    """Return the places of postal addresses.

    An English street with a number counts only after words of sending or living or with a postcode:
    `dinner at 14 Mill Lane` is a place of an event, not an address to keep.
    """
    found = []
    for match in _EN.finditer(text):
        window = text[max(0, match.start() - 90) : match.start()]
        if _LED_EN.search(window) or re.search(rf"(?:{_POSTCODE})$", match[0]):
            found.append(match.span())
    if not found and "ddress" in text:
        for match in _AFTER_LABEL.finditer(text):
            value = match["v"].rstrip(" .,")
            if "@" not in value and "http" not in value and re.search(r"\d", value):
                found.append((match.start("v"), match.start("v") + len(value)))
    if _LED_ZH.search(text) or ("号" in text and re.search(r"[市区县镇].{0,12}[路街巷]", text)):
        found += _chinese(text)
    return found


def _chinese(text: str) -> list[tuple[int, int]]:
    found = []
    for match in _ZH.finditer(text):
        start = match.start()
        level = re.search(_LEVEL, match[0])
        until = match[0][: level.start()] if level else match[0]
        leads = list(_LEAD_ZH.finditer(until))
        if leads:
            start += leads[-1].end()
        body = text[start : match.end()]
        strong = re.search(r"号|栋|幢|单元|室|弄", body)
        led = _LED_ZH.search(text, max(0, match.start() - 20), start) or _LED_ZH.search(
            text, match.end(), match.end() + 20
        )
        if strong and len(body) >= 6 and (led or len(re.findall(_LEVEL, body)) >= 3):
            found.append((start, match.end()))
    return found
