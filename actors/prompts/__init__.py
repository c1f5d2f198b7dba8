"""Prompts: files, versioned by name, so that a recorded generation says exactly what it was asked.

`extraction/semantic@1` is the file `extraction/semantic@1.md` beside this one. A file that is in
use is never changed: a better one gets the next number. `{{name}}` stands for a value; who fills a
prompt gives all of them. `conversation_text` writes messages the way all prompts show them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from actors.extraction.masking import plain
from actors.extraction.secrets import mask, scan_secrets
from actors.models.port import Turn
from events.memory import Value
from projections.conversations import Message

#: Of the conversation around what is asked, and of one message in it, in characters.
CONVERSATION_CHARS_MAX = 6000
MESSAGE_CHARS_MAX = 1500

ROOT = Path(__file__).parent
_PLACE = re.compile(r"\{\{(\w+)\}\}")


class Prompt(Value, frozen=True, kw_only=True):
    """One prompt file: its name with version, its text, and the text's SHA-256."""

    name: str
    text: str
    sha256: str

    def fill(self, **values: str) -> str:
        """Return the text with every `{{name}}` replaced by its value; values are not read again.

        Raises:
            KeyError: a value is missing or left over.
        """
        wanted = set(_PLACE.findall(self.text))
        if wanted != values.keys():
            odd = ", ".join(sorted(wanted ^ values.keys()))
            raise KeyError(f"prompt {self.name}: {odd} missing or left over")
        return _PLACE.sub(lambda place: values[place[1]], self.text)


@cache
def prompt(name: str) -> Prompt:
    """Return a prompt by name and version.

    Raises:
        KeyError: there is no such file.
    """
    file = ROOT / f"{name}.md"
    if not file.is_file():
        raise KeyError(f"there is no prompt {name}: {file} is missing")
    text = file.read_text(encoding="utf-8").strip()
    return Prompt(name=name, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def conversation_text(messages: Iterable[Message], summary: str = "") -> str:
    """Return messages one a line, `[2026-01-07 09:30] Ann: ...`, after a summary of older ones.

    Secrets are blotted out: they are nothing for a model, which may be somebody else's. Further
    lines of a message are indented, so that none can pass for another message. When there is more
    than a prompt has room for, the oldest are left out, and a long one is cut.
    """
    lines: list[str] = []
    room = CONVERSATION_CHARS_MAX
    for message in reversed(list(messages)):
        speaker = on_one_line(message.name or message.role)
        said = plain(without_secrets(message.content))[:MESSAGE_CHARS_MAX]
        said = "\n    ".join(said.splitlines())
        line = f"[{message.said_at:%Y-%m-%d %H:%M}] {speaker}: {said}"
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    return "\n".join([*([f"(before: {summary})"] if summary else []), *reversed(lines)])


def on_one_line(name: str) -> str:
    """Return a name as it can stand in a line of a prompt, which it does not end."""
    return " ".join(plain(name).split())


def without_secrets(text: str) -> str:
    """Return a text with its secret values blotted out."""
    return mask(text, [(secret.start, secret.end) for secret in scan_secrets(text)])


def dialogue_hash(turns: Iterable[Turn]) -> str:
    """Return the SHA-256 of a whole dialogue as it was asked: what `prompt_hash` records."""
    digest = hashlib.sha256()
    for turn in turns:
        for part in (turn.role, turn.name, turn.content, turn.tool_call_id):
            digest.update(part.encode())
            digest.update(b"\x1f")
        for call in turn.tool_calls:
            digest.update(f"{call.id}\x1f{call.name}\x1f{call.arguments}\x1e".encode())
        digest.update(b"\x1e")
    return digest.hexdigest()
