"""Resources to keep: links, files, books and recordings, and papers with a place where they lie."""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.extraction.finding import Finding
from actors.extraction.gates import SAVE_EN, SAVE_ZH
from actors.extraction.keys import slug
from actors.extraction.reading import Reading
from actors.extraction.secrets import URL
from actors.extraction.steps import steps_of
from events.memory import ResourceContent


class Item(NamedTuple):
    """Something to keep: its place, what kind it is, its title or address."""

    start: int
    end: int
    kind: str
    title: str
    uri: str = ""


_EXT = (
    "pdf|docx?|xlsx?|pptx?|csv|txt|md|key|pages|numbers|odt|ods|epub|mobi|jpe?g|png"
    "|heic|gif|svg|tiff?|psd|ai|dwg|dxf|stl|skp|fig|sketch"
    "|mp3|wav|m4a|flac|mp4|mov|mkv|avi|zip|rar|7z|tar|gz|ipynb|py|js|ts|json|ya?ml"
    "|sql|html?|bib|tex|gpx|ics|vcf|eml|drawio|blend|mscz|xmind|wps"
)
#: No file without one; most texts have none, and that is seen much sooner.
_ENDING = re.compile(rf"\.(?:{_EXT})(?!\w)", re.IGNORECASE)
FILE = re.compile(
    (
        rf"(?:[~/\\]?(?:[\w\u3400-\u9fff.-]{{1,60}}[/\\]){{1,12}})?[\w\u3400-\u9fff][\w\u3400"
        rf"-\u9fff()（）+-]{{0,100}}(?:\.[\w\u3400-\u9fff-]{{1,60}}){{0,4}}?\.(?:{_EXT})(?!["
        r"\w])"
    ),
    re.IGNORECASE,
)
PATH = re.compile(
    r"(?<![\w:/.])(?:~|[A-Za-z]:)?(?:[/\\][\w\u3400-\u9fff. "
    r"-]{0,40}[\w\u3400-\u9fff-]){2,12}"
)
_TITLE_WORD = r"(?:[A-Z0-9][\w'’-]*|[A-Z]\.)"
_LINKING = r"(?:of|the|and|in|on|a|an|to|for|with|from|at|&|is|de|la|le|von|der)"
_TITLE = rf"{_TITLE_WORD}(?:,? (?:{_LINKING} ){{0,3}}{_TITLE_WORD}){{0,8}}"
_BY = re.compile(
    rf"(?P<t>\"[^\"]{{2,80}}\"|“[^”]{{2,80}}”|'[^']{{2,80}}'|{_TITLE}),? (?:by|from) "
    rf"(?P<a>{_TITLE_WORD}(?: (?:{_TITLE_WORD}|de|van|von|la|le)){{0,3}})"
)
_QUOTED_TITLE = re.compile(r"\"([^\"]{2,80})\"|“([^”]{2,80})”|(?<!\w)'([^']{2,80})'(?!\w)")
_MEDIA_EN = re.compile(
    r"\b(?:reading (?:list|pile)|to-read|tbr|read(?:ing)? next|read this|must[- ]read"
    r"|worth (?:a|the|your) (?:read|listen|watch|time)|watch ?list|to-watch|book(?:s| "
    r"recommendation| tip| club)?|novel|memoir|audiobook"
    r"|podcast|documentary|docuseries|album|episode|e-?book|paper|article|essay"
    r"|textbook|cookbook|handbook|lecture|talk|course|film|movie|series|playlist"
    r"|newsletter|magazine|blog)\b"
)
_KEEP_EN = re.compile(
    r"\b(?:list|pile|queue|add|save|keep|recommend\w*|worth|must|should (?:read|watch"
    r"|listen)|have to (?:read|watch|listen|hear)|you(?:'ll| will) love|check out"
    r"|look out for|for later|bookmark|remember|put|note|shelf|remind me)\b|\bone "
    r"for\b"
)
_NAMED_EN = re.compile(
    r"(?i:\b(?:podcast|book|novel|documentary|album|film|movie|series|memoir"
    r"|audiobook|cookbook|textbook|course|newsletter)),?:? (?:(?i:called|named|titled"
    rf"|is) )?(?P<t>{_TITLE})"
)
_ADDED_EN = re.compile(
    rf"(?i:\b(?:add|put|stick|pop|save|queue)) (?P<t>{_TITLE}) (?i:to|on|in|onto|for) "
)
_LISTED_EN = re.compile(
    rf"(?i:(?:list|pile|queue|shelf|later|watch next|read next)):\s*(?P<t>{_TITLE})"
)
_DOC_EN = re.compile(
    r"\b(?:doc(?:ument)?s?|file|scan|scans|pdf|slides|deck|spreadsheet|sheet|contract"
    r"|lease|manual|photos?|pictures?|album|folder|certificate|receipts?|invoice"
    r"|notes|minutes|recipe|draft|plan|plans|blueprint|backup|report|warranty"
    r"|template|form|agreement|policy|will|deeds?|results|transcript|cv|resume"
    r"|portfolio|presentation|recording|itinerary|tickets|map|guide|handbook"
    r"|insurance papers|paperwork|papers|list)\b"
)
_PLACES_EN = (
    "drive|google drive|dropbox|onedrive|icloud|nas|folder|album|notion|sharepoint|wiki"
    "|confluence|desktop|usb(?: stick)?|hard drive|cloud|repo|evernote|obsidian"
    "|downloads|binder|filing cabinet|drawer|box file|shared space|server|bucket"
)
_PLACE_EN = re.compile(
    rf"\b(?:in|on|under|inside|into|to) (?:the |my |our |a )?(?:\w+ ){{0,3}}?(?:{_PLACES_EN})\b"
    r"|\b(?:drive|dropbox|onedrive|notion|icloud|confluence|sharepoint)\b"
)
#: What no place is without; quick to look for in a whole message, which mostly names none.
_ANY_PLACE_EN = re.compile(_PLACES_EN)
_LIES_EN = re.compile(
    r"\b(?:is|are|lives?|live|sits?|stored|saved|kept|filed|uploaded|put|moved"
    r"|dropped|stashed|find|now|'s|under|called|scanned)\b"
)
_TITLE_ZH = re.compile(r"《([^》\n]{1,60})》")
_MEDIA_ZH = re.compile(
    r"书单|片单|歌单|想看|想读|想听|推荐|安利|收藏|书|读|看|听|播客|纪录片|电影"
    r"|电视剧|剧|专辑|课程|公开课|论文|文章|小说|教程|存|记|加一?[本部个集]|追|综艺"
    r"|讲座|绘本|杂志|手册"
)
_DOC_ZH = re.compile(
    (
        r"合同|扫描件|文件|文档|表格|照片|相片|证书|发票|收据|说明书|保修卡|保单|简历|ppt"
        r"|课件|讲义|录音|视频|模板|图纸|户型图|报告|病历|体检|笔记|纪要|清单|备份|疫苗本"
        r"|证件|资料|方案|成绩单|攻略|菜谱|幻灯片|源文件|底稿|作品集|行程单|手册|设计图"
        r"|聊天记录|截图|压缩包|pdf|预算表|报价单"
    ),
    re.IGNORECASE,
)
_PLACE_ZH = re.compile(
    (
        r"网盘|云盘|相册|文件夹|硬盘|u盘|共享盘|群文件|桌面|nas|云文档|飞书|语雀|印象笔记"
        r"|石墨|钉盘|腾讯文档|金山文档|notion|onedrive|dropbox|坚果云|邮箱附件|抽屉"
        r"|收藏夹|服务器|仓库|备忘录|wiki|知识库|移动硬盘|百度云|阿里云盘|坚果|档案袋"
        r"|目录|微云"
    ),
    re.IGNORECASE,
)
_LIES_ZH = re.compile(r"[放存传在叫搁]|备份|上传|归档|挪到|移到|夹")


def items_of(reading: Reading) -> tuple[Item, ...]:
    """Return what the message gives to keep, links first; nothing in fiction."""
    if reading.fiction:
        return ()
    text = reading.text
    found: list[Item] = []
    if "://" in text or "www." in text:
        for match in URL.finditer(text):
            uri = match[0].rstrip(".,;:!?)'")
            found.append(Item(match.start(), match.start() + len(uri), "link", "", uri))
    if _ENDING.search(text):
        found += _files(text, [(i.start, i.end) for i in found])
    if not found and (text.count("/") + text.count("\\") >= 2):
        found += [
            Item(m.start(), m.end(), "file", m[0], m[0])
            for m in PATH.finditer(text)
            if re.search(r"[A-Za-z\u3400-\u9fff]{3}", m[0])
        ][:3]
    if not found:
        found += _titles(reading)
    if not found:
        found += _papers(reading)
    return tuple(found)


def _files(text: str, taken: list[tuple[int, int]]) -> list[Item]:
    found = []
    for match in FILE.finditer(text):
        if any(s < match.end() and match.start() < e for s, e in taken):
            continue
        if match.start() and text[match.start() - 1] == "@":
            continue
        start, name = match.start(), match[0]
        if "/" not in name:
            # A Chinese sentence runs into the file name; what leads to it is not part of it.
            lead = re.match(
                (
                    r"[\u3400-\u9fff]{0,20}?(?:文件名是?|名字是?|叫做?|是|为|存成了?|命名为?"
                    r"|改成了?)(?=[\u3400-\u9fff\w])"
                ),
                name,
            )
            start += lead.end() if lead else 0
        found.append(
            Item(start, match.end(), "file", text[start : match.end()], text[start : match.end()])
        )
    return found


def _titles(reading: Reading) -> list[Item]:
    text, low = reading.text, reading.low
    if reading.language == "zh" or "《" in text:
        if "《" in text and _MEDIA_ZH.search(text):
            return [
                Item(m.start(), m.end(), _media_zh(text), m[1]) for m in _TITLE_ZH.finditer(text)
            ][:6]
        return []
    media, keep = _MEDIA_EN.search(low), _KEEP_EN.search(low)
    if not media and not keep:
        return []
    for pattern in (_LISTED_EN, _ADDED_EN, _NAMED_EN, _BY):
        match = pattern.search(text)
        if not match or (pattern is _BY and not ((media and keep) or (keep and '"' in match["t"]))):
            continue
        if (pattern is _ADDED_EN and not media) or (pattern is _NAMED_EN and not keep):
            continue
        if pattern is not _BY and (by := _BY.search(text)):
            match = by
        return [Item(match.start("t"), match.end("t"), _media_en(low), match["t"].strip("\"“”'"))]
    if media and keep and (match := _QUOTED_TITLE.search(text)):
        title = next(g for g in match.groups() if g)
        return [Item(match.start(), match.end(), _media_en(low), title)]
    return []


def _papers(reading: Reading) -> list[Item]:
    chinese = reading.language == "zh"
    if not (_PLACE_ZH if chinese else _ANY_PLACE_EN).search(reading.low) or steps_of(reading):
        return []
    doc, place, lies = (_DOC_ZH, _PLACE_ZH, _LIES_ZH) if chinese else (_DOC_EN, _PLACE_EN, _LIES_EN)
    for sentence in reading.sentences:
        low = sentence.low
        if sentence.mood in ("question", "hypothetical", "courtesy"):
            continue
        where, what = place.search(low), doc.search(low)
        if where and what and lies.search(low) and what.span() != where.span():
            return [Item(sentence.start, sentence.end, "document", sentence.shown[:120])]
    return []


def _media_en(low: str) -> str:
    for word in (
        "podcast",
        "documentary",
        "film",
        "movie",
        "album",
        "series",
        "course",
        "paper",
        "article",
        "lecture",
    ):
        if word in low:
            return word
    return "video" if "watch" in low else "book"


def _media_zh(text: str) -> str:
    for word, kind in (
        ("播客", "podcast"),
        ("纪录片", "documentary"),
        ("电影", "film"),
        ("片单", "film"),
        ("剧", "series"),
        ("专辑", "album"),
        ("课", "course"),
        ("论文", "paper"),
        ("文章", "article"),
    ):
        if word in text:
            return kind
    return "book"


def find_resources(reading: Reading) -> tuple[Finding, ...]:
    """Return a finding for each link, file, title or paper that the message gives to keep."""
    findings = []
    for item in reading_items(reading):
        sentence = next((s for s in reading.sentences if s.start <= item.start < s.end), None)
        if (
            sentence
            and item.kind not in ("link", "file")
            and sentence.mood in ("question", "hypothetical")
        ):
            save = SAVE_ZH if reading.language == "zh" else SAVE_EN
            if not save.search(sentence.low):
                continue
        title = item.title or _title_from(item.uri)
        findings.append(
            Finding(
                content=ResourceContent(
                    title=title,
                    summary=reading.around(item.start, item.end, 500),
                    resource_type=_type_of(item),
                    uri=item.uri,
                ),
                key=f"resource:{(item.uri or slug(title, 8)).lower()}",
                importance=0.5,
            )
        )
    return tuple(findings)


def reading_items(reading: Reading) -> tuple[Item, ...]:
    """Return the items of the reading, worked out once."""
    found: tuple[Item, ...] | None = reading.__dict__.get("items")
    if found is None:
        found = reading.__dict__["items"] = items_of(reading)
    return found


def _title_from(uri: str) -> str:
    tail = re.split(r"[/?#]", re.sub(r"^\w+://", "", uri).rstrip("/"))[-1]
    return re.sub(r"[-_]+", " ", tail)[:100] or uri


def _type_of(item: Item) -> str:
    if item.kind == "link" and re.search(r"watch|video|youtu|bilibili|/v/|^https?://v\.", item.uri):
        return "video"
    return item.kind
