"""Small files that a power cut leaves whole: the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_whole(path: Path, *content: bytes) -> None:
    """Put `content`, piece after piece, in the place of `path`; readable by its owner only."""
    draft = _draft(path, *content)
    try:
        draft.replace(path)
    except BaseException:  # whatever stops it, the draft must not stay
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


@contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of `path`, durably, when the block ends well."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
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


def _draft(path: Path, *content: bytes) -> Path:
    """Write a file beside `path`, through to the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
