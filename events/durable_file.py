"""Small files that a power cut leaves whole: the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, durably; readable by its owner only."""
    draft = _draft(path, content)
    try:
        draft.replace(path)
    except BaseException:  # whatever stops it, the draft must not stay
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Write `path` durably unless it is there: of several processes, the first one's stands."""
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _draft(path: Path, content: bytes) -> Path:
    """Write a file beside `path`, through to the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
