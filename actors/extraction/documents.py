"""Documents: their chunks, and what the rules find in them section by section."""

from __future__ import annotations

import re
from datetime import datetime

from actors.extraction.finding import Finding, Utterance
from actors.extraction.keys import slug
from actors.extraction.language import HAN, sentences
from actors.extraction.procedural import find_procedures
from actors.extraction.reading import Reading
from actors.extraction.secrets import mask, scan_secrets
from actors.extraction.semantic import find_facts
from actors.extraction.vault import find_vault
from events.memory import ProceduralContent, ResourceContent

CHUNK_CHARS = 800
_HEADING = re.compile(
    r"^(?:#{1,6}\s+.+|.+\n[=-]{3,}|第[一二三四五六七八九十\d]+[章节条].{0,40}"
    r"|[一二三四五六七八九十]+、.{1,40})$"
)
# A document is read in at most this many sections; its chunks hold all of it.
SECTIONS_MAX = 200


def chunk(text: str) -> tuple[str, ...]:
    """Return the text in chunks of about 800 characters (half of that in Chinese, which is denser).

    A heading opens a chunk; paragraphs stay whole when they fit, else they part at sentence ends.
    """
    sample = text[:4000]
    size = CHUNK_CHARS // 2 if len(HAN.findall(sample)) * 3 > len(sample) else CHUNK_CHARS
    chunks: list[str] = []
    current = ""
    for block in _blocks(text):
        heading = bool(_HEADING.match(block))
        for part in _parts(block, size):
            if current and (
                len(current) + len(part) + 2 > size or (heading and len(current) > size // 3)
            ):
                chunks.append(current)
                current = ""
            current = f"{current}\n\n{part}" if current else part
    if current:
        chunks.append(current)
    return tuple(chunks)


def _blocks(text: str) -> list[str]:
    return [
        b.strip()
        for b in re.split(r"\n[ \t]*\n|(?=^#{1,6}\s)", text.replace("\r\n", "\n"), flags=re.M)
        if b.strip()
    ]


def _parts(block: str, size: int) -> list[str]:
    if len(block) <= size:
        return [block]
    parts: list[str] = []
    current = ""
    for piece in sentences(block):
        text = piece.text
        while len(text) > size:
            cut = text.rfind(" ", size // 2, size)
            cut = cut if cut > 0 else size
            if current:
                parts.append(current)
                current = ""
            parts.append(text[:cut].strip())
            text = text[cut:].strip()
        if current and len(current) + len(text) + 1 > size:
            parts.append(current)
            current = ""
        joint = "" if not current or HAN.match(text[:1] or "") else " "
        current = f"{current}{joint}{text}"
    return [*parts, current] if current else parts


def extract_document(
    title: str, text: str, said_at: datetime, uri: str = ""
) -> tuple[Finding, ...]:
    """Return a resource for the document and what its sections hold for other tiers.

    Args:
        title: the document's title.
        text: its Markdown or plain text.
        said_at: when it was handed over; relative dates count from there.
        uri: where it came from, when it has an address.
    """
    found: list[Finding] = [document_finding(title, text, uri)]
    for heading, body in _sections(text)[:SECTIONS_MAX]:
        reading = Reading(
            Utterance(
                text=f"{heading}\n{body}" if heading else body, said_at=said_at, speaker="document"
            )
        )
        found += (_titled(f, heading) for f in find_procedures(reading))
        found += find_vault(reading)
        reading.__dict__["items"] = ()
        found += find_facts(reading)
    return tuple({(f.key, f.secret): f for f in found}.values())


def document_finding(title: str, text: str, uri: str = "") -> Finding:
    """Return the resource that a document is: its title, what it begins with, and all its text."""
    shown = mask(text, [(s.start, s.end) for s in scan_secrets(text)])
    title = mask(title, [(s.start, s.end) for s in scan_secrets(title)])
    return Finding(
        content=ResourceContent(
            title=title,
            summary=_summary(shown),
            resource_type="document",
            uri=uri,
            chunks=chunk(shown),
        ),
        key=f"resource:{(uri or slug(title, 8)).lower()}",
        importance=0.6,
    )


def _titled(finding: Finding, heading: str) -> Finding:
    content = finding.content
    if not isinstance(content, ProceduralContent) or not heading:
        return finding
    described = (
        content.description
        if heading in content.description
        else f"{heading}: {content.description}"
    )
    return Finding(
        content=ProceduralContent(
            entry_type=content.entry_type,
            description=described.replace(f"# {heading}", heading),
            steps=content.steps,
        ),
        key=f"howto:{slug(heading)}",
        importance=finding.importance,
    )


def _sections(text: str) -> list[tuple[str, str]]:
    """Return (heading, body) pairs; a body without a heading has an empty one."""
    found: list[tuple[str, str]] = []
    heading, body = "", ""
    for block in _blocks(text):
        if _HEADING.match(block.split("\n")[0]):
            if body:
                found.append((heading, body))
            first, _, rest = block.partition("\n")
            heading, body = first.lstrip("# ").strip(), rest
        elif len(body) + len(block) > 3000:
            found.append((heading, body))
            body = block
        else:
            body = f"{body}\n{block}" if body else block
    return [*found, (heading, body)] if body else found


def _summary(text: str) -> str:
    picked = ""
    for block in _blocks(text[:6000]):
        if _HEADING.match(block):
            continue
        for piece in sentences(block):
            picked = f"{picked} {piece.text}".strip()
            if len(picked) >= 200:
                return picked[:400]
    return picked[:400]
