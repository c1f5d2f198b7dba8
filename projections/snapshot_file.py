"""One state in one file: a header, then each person's part, sealed with that person's key.

    digest of the header | length of the header | header | part | part | ...
        32 bytes         |        4 bytes       |

The header says where each part lies, so that one person's is read without the others. The digest
(SHA-256) covers the header, each part's seal authenticates the part for this projection, version
and position, and the header holds the state's hash: whatever was altered, cut off or swapped is
found when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

import msgspec

from events.durable_file import write_whole
from events.errors import CorruptLog, KeyDestroyed
from events.memory import Value
from events.sealing import KeyRing
from projections.base import Projection, hash_parts

FORMAT_VERSION = 2
_DIGEST_BYTES = 32
_LENGTH_BYTES = 4
_PREFIX_BYTES = _DIGEST_BYTES + _LENGTH_BYTES


class _Header(Value, frozen=True, kw_only=True):
    """What a file holds; `parts` gives each user's offset behind the header and length, in bytes.

    `state_hash` is the projection's over all parts.
    """

    format_version: int
    projection: str
    version: int
    position: int
    state_hash: str
    parts: dict[str, tuple[int, int]]


def write_state(path: Path, projection: Projection, position: int, keys: KeyRing) -> None:
    """Write the projection's state as of `position` durably in the place of `path`."""
    associated = _associated(projection, position)
    sealed: dict[str, bytes] = {}
    parts = dict(projection.snapshot())
    for user in list(parts):
        try:
            sealed[user] = keys.seal(user, parts[user], associated)
        except KeyDestroyed:
            # Erased since: what is hashed must be what is stored.
            del parts[user]
    header = msgspec.msgpack.encode(
        _Header(
            format_version=FORMAT_VERSION,
            projection=projection.name,
            version=projection.version,
            position=position,
            state_hash=hash_parts(parts),
            parts=dict(_spans(sealed)),
        )
    )
    digest = hashlib.sha256(header).digest()
    write_whole(path, digest, len(header).to_bytes(_LENGTH_BYTES), header, *sealed.values())


def read_state(
    path: Path, projection: Projection, position: int, keys: KeyRing, user: str | None = None
) -> dict[str, bytes]:
    """Return the parts of the state as of `position` in clear, or only that of `user`.

    Parts of people who were erased since are left out, as if never seen.

    Raises:
        CorruptLog: the file is not whole, or is of another format, projection, version or position.
        FileNotFoundError: it is not there (any more).
    """
    with path.open("rb") as file:
        header, start = _read_header(file, path, projection, position)
        associated = _associated(projection, position)
        spans = header.parts
        if user is not None:
            spans = {user: spans[user]} if user in spans else {}
        parts: dict[str, bytes] = {}
        for one, (offset, length) in spans.items():
            file.seek(start + offset)
            try:
                parts[one] = keys.open(one, file.read(length), associated)
            except KeyDestroyed:
                continue
    # One part is authenticated by its seal; all together must also be all that there were.
    whole = user is None and len(parts) == len(header.parts)
    if whole and hash_parts(parts) != header.state_hash:
        raise CorruptLog(f"the parts of {path.name} do not give its state hash")
    return parts


def _read_header(
    file: BinaryIO, path: Path, projection: Projection, position: int
) -> tuple[_Header, int]:
    """Return the header, and where the parts begin."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    prefix = file.read(_PREFIX_BYTES)
    length = int.from_bytes(prefix[_DIGEST_BYTES:])
    # Checked before the read: a flipped bit may ask for gigabytes.
    if len(prefix) < _PREFIX_BYTES or _PREFIX_BYTES + length > size:
        raise CorruptLog(f"{path.name} is cut off")
    raw = file.read(length)
    if hashlib.sha256(raw).digest() != prefix[:_DIGEST_BYTES]:
        raise CorruptLog(f"the header of {path.name} does not fit its digest")
    try:
        header = msgspec.msgpack.decode(raw, type=_Header)
    except msgspec.MsgspecError as error:
        raise CorruptLog(f"the header of {path.name} is not one of ours: {error}") from error
    found = (header.format_version, header.projection, header.version, header.position)
    if found != (FORMAT_VERSION, projection.name, projection.version, position):
        raise CorruptLog(f"{path.name} is of another format, projection, version or position")
    start = _PREFIX_BYTES + length
    if size != start + sum(length for _, length in header.parts.values()):
        raise CorruptLog(f"{path.name} is not as long as its header says")
    return header, start


def _spans(sealed: Mapping[str, bytes]) -> Iterator[tuple[str, tuple[int, int]]]:
    offset = 0
    for user, part in sealed.items():
        yield user, (offset, len(part))
        offset += len(part)


def _associated(projection: Projection, position: int) -> bytes:
    return f"snapshot {projection.name} {projection.version} {position}".encode()
