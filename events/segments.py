"""Segments: the records of a log in files, as they lie in the log, sealed as they are.

A segment holds about 16 MiB of one shard's records in order, without gaps. Its bytes are

    MAGIC  zlib( frame(header) frame(record)... empty frame  frame(end) )

where a frame is a length (4 bytes, big endian) and so many bytes of msgpack. The header holds the
SHA-256 of the segment before, so that the segments of a shard are a chain: none can be left out,
put in or exchanged. The end tells how many records there must have been. A segment's name holds its
positions and its own SHA-256: a listing alone says what a backup holds.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from events.errors import CorruptLog
from events.log import BODY_BYTES_MAX, Record
from events.memory import Value

MAGIC = b"MIRIXSEG"
FORMAT_VERSION = 1
#: A segment is full when its records, not compressed, are this many bytes.
SEGMENT_BYTES = 16 * 1024 * 1024
#: No segment is larger, compressed: one record above a full one, and what zlib adds.
FILE_BYTES_MAX = SEGMENT_BYTES + BODY_BYTES_MAX + 1024 * 1024
SUFFIX = ".seg"

#: What is sealed does not get smaller, however hard one tries; envelopes do at the first level.
_COMPRESSION_LEVEL = 1
_FRAME_BYTES_MAX = BODY_BYTES_MAX + 64 * 1024
_LENGTH_BYTES = 4
_PIECE_BYTES = 256 * 1024
_POSITION_DIGITS = 20


class Segment(Value, frozen=True, kw_only=True):
    """One segment: what it must hold. `previous` is the SHA-256 of the one before ("" if none)."""

    shard: int
    first: int
    last: int
    bytes: int
    sha256: str
    previous: str

    @property
    def count(self) -> int:
        """How many records it holds."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """The name of its file, below the root of a backup."""
        first, last = (f"{position:0{_POSITION_DIGITS}d}" for position in (self.first, self.last))
        return f"log/{self.shard}/{first}-{last}-{self.sha256}{SUFFIX}"


class _Header(msgspec.Struct, frozen=True, array_like=True):
    format_version: int
    shard: int
    first: int
    previous: str


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    position: int
    kind: str
    user: str
    body: bytes


class _End(msgspec.Struct, frozen=True, array_like=True):
    last: int
    count: int


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_Header)
_frame_decoder = msgspec.msgpack.Decoder(_Frame)
_end_decoder = msgspec.msgpack.Decoder(_End)


class SegmentWriter:
    """Puts records into one segment; holds its compressed bytes until it is finished."""

    def __init__(self, shard: int, first: int, previous: str) -> None:
        self._shard = shard
        self._first = first
        self._previous = previous
        self._next = first
        self._size = 0
        self._deflate = zlib.compressobj(_COMPRESSION_LEVEL)
        self._bytes = bytearray(MAGIC)
        self._put(_encoder.encode(_Header(FORMAT_VERSION, shard, first, previous)))

    @property
    def is_full(self) -> bool:
        """Whether the next record belongs into the next segment."""
        return self._size >= SEGMENT_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether it holds no record yet."""
        return self._next == self._first

    def add(self, record: Record) -> None:
        """Put the next record in.

        Raises:
            CorruptLog: it is not the next one.
        """
        if record.position != self._next:
            raise CorruptLog(
                f"the log of shard {self._shard} goes from position {self._next - 1} to "
                f"{record.position}; records are lost: restore it from a backup"
            )
        frame = _Frame(record.position, record.kind, record.user, record.body)
        self._size += self._put(_encoder.encode(frame))
        self._next += 1

    def finish(self) -> tuple[Segment, bytes]:
        """Return what the segment holds, and its bytes."""
        assert not self.is_empty, "a segment holds at least one record"
        self._put(b"")
        self._put(_encoder.encode(_End(self._next - 1, self._next - self._first)))
        self._bytes += self._deflate.flush()
        content = bytes(self._bytes)
        segment = Segment(
            shard=self._shard,
            first=self._first,
            last=self._next - 1,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            previous=self._previous,
        )
        return segment, content

    def _put(self, frame: bytes) -> int:
        self._bytes += self._deflate.compress(len(frame).to_bytes(_LENGTH_BYTES) + frame)
        return _LENGTH_BYTES + len(frame)


async def write_segments(
    records: AsyncIterator[Record], shard: int, *, after: int, previous: str
) -> AsyncGenerator[tuple[Segment, bytes], None]:
    """Yield the records that follow `after` as segments, chained to `previous`.

    Raises:
        CorruptLog: a record is missing.
    """
    writer = SegmentWriter(shard, after + 1, previous)
    async for record in records:
        if writer.is_full:
            segment, content = writer.finish()
            yield segment, content
            writer = SegmentWriter(shard, segment.last + 1, segment.sha256)
        writer.add(record)
    if not writer.is_empty:
        yield writer.finish()


def read_segment(content: bytes, segment: Segment) -> Iterator[Record]:
    """Yield the records of a segment; nothing is decoded before its hash was found right.

    Raises:
        CorruptLog: the bytes are not those that were written; names the file and the position.
    """
    if len(content) != segment.bytes or hashlib.sha256(content).hexdigest() != segment.sha256:
        raise _corrupt(segment, "its bytes do not have the SHA-256 that they were written with", 0)
    position = segment.first - 1
    try:
        frames = _Frames(content)
        header = _header_decoder.decode(frames.take())
        if header != _Header(FORMAT_VERSION, segment.shard, segment.first, segment.previous):
            raise _corrupt(segment, f"it begins with {header}, as another segment would", 0)
        while frame := frames.take():
            found = _frame_decoder.decode(frame)
            if found.position != position + 1:
                raise _corrupt(segment, f"position {found.position} does not follow", position)
            position = found.position
            yield Record(position=position, kind=found.kind, user=found.user, body=found.body)
        end = _end_decoder.decode(frames.take())
        if end != _End(segment.last, segment.count) or position != segment.last:
            raise _corrupt(segment, f"it ends with {end}", position)
        frames.expect_end()
    except (zlib.error, msgspec.MsgspecError, ValueError) as error:
        raise _corrupt(segment, f"it cannot be read ({error})", position) from error


class _Frames:
    """Takes one frame after the other, inflating no more than it needs."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC):
            raise ValueError("it is no segment")
        self._rest = memoryview(content)[len(MAGIC) :]
        self._inflate = zlib.decompressobj()
        self._buffer = bytearray()

    def take(self) -> bytes:
        length = int.from_bytes(self._take(_LENGTH_BYTES))
        if length > _FRAME_BYTES_MAX:
            raise ValueError(f"a record of {length} bytes is larger than any can be")
        return self._take(length)

    def expect_end(self) -> None:
        if self._buffer or self._grow() or not self._inflate.eof or self._rest:
            raise ValueError("something follows its end, or its checksum is missing")

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._grow():
                raise ValueError("it is cut off")
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _grow(self) -> bool:
        """Inflate one more piece into the buffer; return whether there was any."""
        while not self._inflate.eof:
            waiting: bytes | memoryview = self._inflate.unconsumed_tail
            if not waiting:
                waiting, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
                if not waiting:
                    return False
            piece = self._inflate.decompress(waiting, _PIECE_BYTES)
            if piece:
                self._buffer += piece
                return True
        return bool(self._inflate.unused_data)


def check_chain(shard: int, segments: Sequence[Segment]) -> None:
    """See that segments follow one another from position 1, each chained to the one before.

    Raises:
        CorruptLog: one is missing, or is of another chain; names the first that does not follow.
    """
    last, previous = 0, ""
    for segment in segments:
        if segment.shard != shard or segment.first != last + 1 or segment.last < segment.first:
            raise _corrupt(segment, f"it does not follow position {last} of shard {shard}", last)
        if segment.previous != previous:
            raise _corrupt(segment, "it is not chained to the segment before", last)
        last, previous = segment.last, segment.sha256


def chain_of(shard: int, sizes: Sequence[tuple[str, int]], after: Segment | None) -> list[Segment]:
    """Return the segments among files (name, bytes) that carry on the chain after a segment.

    Reads nothing but names: whoever relies on the last of them reads it first.
    """
    found = sorted(
        (segment for name, size in sizes if (segment := _named(name, size)) is not None),
        key=lambda one: (one.first, -one.last),
    )
    chain: list[Segment] = []
    for one in found:
        tip = chain[-1] if chain else after
        if one.shard == shard and one.first == (tip.last + 1 if tip else 1):
            chain.append(msgspec.structs.replace(one, previous=tip.sha256 if tip else ""))
    return chain


def _named(name: str, size: int) -> Segment | None:
    """Return the segment that a file's name tells of; None when it is no segment's name."""
    path = PurePosixPath(name)
    parts = path.stem.split("-")
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    if not path.parent.name.isdecimal():
        return None
    segment = Segment(
        shard=int(path.parent.name),
        first=int(parts[0]),
        last=int(parts[1]),
        bytes=size,
        sha256=parts[2],
        previous="",
    )
    return segment if segment.name == name else None


def _corrupt(segment: Segment, what: str, position: int) -> CorruptLog:
    where = f" (after position {position})" if position else ""
    return CorruptLog(f"{segment.name}: {what}{where}; use another copy of this backup")
