"""Keys: the normalised name of what a memory is about, so that a later one supersedes it."""

from __future__ import annotations

import re

from actors.extraction.vocabulary import words

_WORD = re.compile(r"[a-z][a-z'-]+|\d+|[\u3400-\u9fff]+")
_COMMON = words(
    "the a an is are was were be been of for at in on to from with and or but my our "
    "your his her their its it's it i we you he she they i'm im i've that this there "
    "here now new old please pls just not no any more longer again still so me us "
    "him them up as by ok okay fyi btw save keep remember note down number code "
    "password don't dont every always never will do does has have had can"
)
_PARTICLES = re.compile(
    r"记一?下|记住|存一?下|的|了|是|我们?|你|把|就|都|也|换成|改成|原来|现在|以后"
    r"|一下|不用|别忘|帮忙|帮"
)


def slug(text: str, words: int = 4) -> str:
    """Return the first content words of the text, joined by underscores."""
    parts: list[str] = []
    for part in _WORD.findall(text.lower()):
        if part.isascii():
            if part not in _COMMON:
                parts.append(part.removesuffix("'s"))
        else:
            parts += [piece[:8] for piece in _PARTICLES.split(part) if piece]
        if len(parts) >= words:
            break
    return "_".join(parts[:words])
