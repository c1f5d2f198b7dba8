"""Read what people have: chats, LoCoMo files, Markdown and text, as records. Pure, no network.

A reader yields `MessageRecord`, `DocumentRecord`, or `BadRecord` with the line it stands on; a bad
record never stops the ones after it. Only JSON that breaks off in the middle of an array ends its
file there, because nothing after the break can be told apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from cluster.locomo import is_sample, sample_messages
from cluster.record_values import BadRecord, DocumentRecord, MessageRecord, Record, Role
from events.ids import derived_id

CHAT_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
DOCUMENT_SUFFIXES = {".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain"}
READABLE = ", ".join(sorted(CHAT_SUFFIXES | DOCUMENT_SUFFIXES.keys()))
#: A file is binary when there is a zero byte among so many of its first ones, as git has it.
_BINARY_BYTES = 8000
_EXAMPLE = '{"role": "user", "content": "I live in Lisbon."}'
TIME_KEYS = ("created_at", "time", "timestamp", "date")
ROLES = frozenset(get_args(Role))
#: Epoch times above this are milliseconds (it is the year 5138 in seconds).
_SECONDS_MAX = 1e11


def files_of(path: Path) -> list[Path]:
    """Return the files to read under `path`: itself, or what can be read below a directory."""
    return _parted(path)[0] if path.is_dir() else [path]


def skipped_in(path: Path) -> list[Path]:
    """Return the files below a directory that are of no kind that is read; of a file, none."""
    return _parted(path)[1] if path.is_dir() else []


def _parted(directory: Path) -> tuple[list[Path], list[Path]]:
    known = CHAT_SUFFIXES | DOCUMENT_SUFFIXES.keys()
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    read = [file for file in files if file.suffix.lower() in known]
    return read, [file for file in files if file.suffix.lower() not in known]


def read_file(file: Path) -> Iterator[Record]:
    """Yield the records of one file, by its suffix."""
    suffix = file.suffix.lower()
    try:
        raw = file.read_bytes()
    except OSError as error:
        yield BadRecord(path=str(file), line=0, reason=f"cannot be read: {error.strerror}")
        return
    if suffix not in CHAT_SUFFIXES | DOCUMENT_SUFFIXES.keys():
        yield BadRecord(path=str(file), line=0, reason=f"unknown kind of file; reads {READABLE}")
    elif b"\0" in raw[:_BINARY_BYTES]:
        yield BadRecord(path=str(file), line=0, reason="a binary file; expected text")
    elif suffix in DOCUMENT_SUFFIXES:
        yield _document(file, raw, DOCUMENT_SUFFIXES[suffix])
    elif not raw.strip():
        shape = "an array of messages" if suffix == ".json" else "one JSON object a line"
        reason = f"empty file; expected {shape}, e.g. {_EXAMPLE}"
        yield BadRecord(path=str(file), line=0, reason=reason)
    elif suffix == ".json":
        yield from _read_json(file, raw)
    else:
        yield from _read_lines(file, raw)


def _document(file: Path, raw: bytes, media_type: str) -> Record:
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return BadRecord(path=str(file), line=line, reason="not valid UTF-8")
    if not text:
        return BadRecord(path=str(file), line=1, reason="empty document")
    heading = next((line for line in text.splitlines() if line.startswith("# ")), "")
    return DocumentRecord(
        title=heading.removeprefix("# ").strip() or file.stem,
        text=text,
        media_type=media_type,
        uri=file.name,
        line=1,
    )


def _read_lines(file: Path, raw: bytes) -> Iterator[Record]:
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            yield BadRecord(path=str(file), line=number, reason="not valid UTF-8")
        except ValueError as error:
            yield BadRecord(path=str(file), line=number, reason=f"not JSON: {error}")
        else:
            yield from _read_value(file, number, value)


def _read_json(file: Path, raw: bytes) -> Iterator[Record]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        yield BadRecord(path=str(file), line=line, reason="not valid UTF-8")
        return
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] == "[":
        yield from _read_array(file, text, start)
        return
    try:
        whole = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        yield BadRecord(path=str(file), line=line, reason=f"not JSON: {error}")
        return
    yield from _read_value(file, 1, whole)


def _read_array(file: Path, text: str, start: int) -> Iterator[Record]:
    """Yield the records of a JSON array element by element, so that each knows its line."""
    decoder = json.JSONDecoder()
    at = _skip(text, start + 1)
    line, counted = 1, 0
    while at < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            broken = getattr(error, "lineno", line)
            reason = f"not JSON from here on, the rest of the file is left out: {error}"
            yield BadRecord(path=str(file), line=broken, reason=reason)
            return
        yield from _read_value(file, line, value)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    if at >= len(text):
        line += text.count("\n", counted)
        yield BadRecord(path=str(file), line=line, reason="the JSON array is not closed")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _read_value(file: Path, line: int, value: Any) -> Iterator[Record]:
    """Yield what one JSON value holds: a LoCoMo sample, a chat with its messages, or a message."""
    if is_sample(value):
        yield from sample_messages(value, str(file), line)
    elif isinstance(value, dict) and isinstance(value.get("messages"), list):
        conversation = value.get("conversation_id") or value.get("conversation") or value.get("id")
        for number, message in enumerate(value["messages"]):
            if isinstance(message, dict) and conversation:
                message = {"conversation": conversation, **message}
            yield _message(file, line, message, number)
    else:
        yield _message(file, line, value, 0)


def _message(file: Path, line: int, value: Any, number: int) -> Record:
    try:
        return _checked_message(file, line, value, number)
    except ValueError as error:
        return BadRecord(path=str(file), line=line, reason=str(error))


def _checked_message(file: Path, line: int, value: Any, number: int) -> MessageRecord:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with role and content, found {_shape(value)}")
    content = _text(value.get("content"))
    role = value.get("role", "user")
    if role not in ROLES:
        raise ValueError(f"role is {role!r}; expected one of {', '.join(sorted(ROLES))}")
    told = value.get("external_id") or value.get("id")
    conversation = value.get("conversation_id") or value.get("conversation") or file.stem
    return MessageRecord(
        role=role,
        content=content,
        name=str(value.get("name") or ""),
        created_at=_time(value),
        conversation=str(conversation),
        # Derived from file and place, so that reading the same file again adds nothing twice.
        external_id=str(told) if told else derived_id("rec", file.name, line, number, content),
        line=line,
    )


def _text(content: Any) -> str:
    """Return the text of a message: a string, or the text parts of a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise ValueError(f"content is {_shape(content)}; expected text")
    if not content.strip():
        raise ValueError("content is empty")
    return content


def _time(value: dict[str, Any]) -> datetime | None:
    key = next((key for key in TIME_KEYS if value.get(key) not in (None, "")), None)
    if key is None:
        return None
    told = value[key]
    try:
        if isinstance(told, bool):
            raise TypeError
        if isinstance(told, int | float):
            return datetime.fromtimestamp(told / 1000 if told > _SECONDS_MAX else told, UTC)
        read = datetime.fromisoformat(told)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{key} is {told!r}; expected an ISO date-time or seconds") from error
    # A time without a zone is taken as UTC, as the HTTP API does.
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _shape(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", type(None): "missing"}
    kind = type(value).__name__
    return names.get(type(value), f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}")
