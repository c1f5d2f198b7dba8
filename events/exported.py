"""Events in clear, one a line: a shard or one person's part of it, for people and for tests.

The first line is a header: the format, the shard, the positions, how it was filtered. Then comes
one event a line: the envelope's fields by name, the position, the payload with bytes in base64. The
payload of an erased person is null: the event took place, and what it said is gone.

A payload is written in the shape of the program that writes it (`payload_version`), and read in
today's: an older one is upcast as the log's own are. An upcaster sees JSON values here, times and
bytes as text: it moves and renames, and never computes with them.

Without a filter every position from the first to the last is there; a gap is an altered file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from events.catalogue import CATALOGUE, Payload, PayloadType
from events.codec import UPCASTERS, Upcaster
from events.envelope import Envelope, Event
from events.errors import CommandRejected, CorruptLog
from events.journal import EventReader
from events.memory import Value

FORMAT_VERSION = 1
#: No line is longer: a body of the largest size, with its bytes in base64 and its text escaped.
_LINE_BYTES_MAX = 32 * 1024 * 1024


class ExportHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `filtered` says that events of others than `user` were left out.

    Positions go from `first` to `last_position`, both included.
    """

    format: Literal["mirix-events"]
    format_version: int
    shard: int
    first: int
    last_position: int
    filtered: bool = False
    user: str = ""


class _Line(Value, frozen=True, kw_only=True):
    position: int
    event_id: str
    type: str
    version: int
    shard: int
    tenant: str
    user: str
    entity: str
    recorded_at: datetime
    causation_id: str
    correlation_id: str
    producer: str
    sealed: bool
    payload_version: int
    payload: msgspec.Raw

    @property
    def is_erased(self) -> bool:
        return bytes(self.payload) == b"null"

    @property
    def envelope(self) -> Envelope:
        return Envelope(*(getattr(self, name) for name in Envelope.__struct_fields__))


_header_decoder = msgspec.json.Decoder(ExportHeader)
_line_decoder = msgspec.json.Decoder(_Line)
_fields_decoder = msgspec.json.Decoder(dict[str, Any])


async def write_events(
    reader: EventReader,
    file: IO[bytes],
    *,
    user: str = "",
    first: int = 1,
    last: int | None = None,
    tell: Callable[[int], None] = lambda position: None,
) -> int:
    """Write the events from `first` to `last` (default: the end as of now) and return how many.

    Args:
        reader: where the events are.
        file: what is written to; what a person said stands there in clear.
        user: only those of this opaque user id; empty: all.
        first: the first position, from 1.
        last: the last position.
        tell: told each position that was written.

    Raises:
        CommandRejected: there are no such positions.
        CorruptLog: the log lost or altered something.
    """
    end = await reader.last_position()
    until = end if last is None else last
    is_empty = end == until == 0 and first == 1
    if not (is_empty or 1 <= first <= until <= end):
        raise CommandRejected(
            f"positions {first} to {until} are not all there: the log of shard {reader.shard} "
            f"has 1 to {end}"
        )
    header = ExportHeader(
        format="mirix-events",
        format_version=FORMAT_VERSION,
        shard=reader.shard,
        first=first,
        last_position=until,
        filtered=user != "",
        user=user,
    )
    file.write(msgspec.json.encode(header) + b"\n")
    count = 0
    async with (
        aclosing(reader.read(first - 1, until, None, user or "*")) as events,
        aclosing(reader.envelopes(first - 1, until)) as envelopes,
    ):
        readable = await anext(events, None)
        async for position, envelope in envelopes:
            if user and envelope.user != user:
                continue
            payload = None
            if readable is not None and readable.position == position:
                payload = readable.payload
                readable = await anext(events, None)
            file.write(_line(position, envelope, payload))
            count += 1
            tell(position)
    return count


def _line(position: int, envelope: Envelope, payload: Payload | None) -> bytes:
    fields = {
        "position": position,
        **msgspec.structs.asdict(envelope),
        "payload_version": envelope.version if payload is None else payload.version,
        "payload": payload,
    }
    return msgspec.json.encode(fields) + b"\n"


class ExportedEvents:
    """The events of an exported file, typed and in today's shape (`EventReader`)."""

    def __init__(
        self,
        path: Path,
        header: ExportHeader,
        *,
        catalogue: Mapping[str, PayloadType] = CATALOGUE,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self.path = path
        self.header = header
        self._catalogue = catalogue
        self._upcasters = upcasters
        self._decoders = {name: msgspec.json.Decoder(kind) for name, kind in catalogue.items()}

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        catalogue: Mapping[str, PayloadType] = CATALOGUE,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> ExportedEvents:
        """Open a file by its header; the events are checked when they are read.

        Raises:
            CommandRejected: it cannot be read, or is no such file, or of a newer program.
        """
        try:
            with path.open("rb") as file:
                header = _header_decoder.decode(file.readline(_LINE_BYTES_MAX))
        except OSError as error:
            raise CommandRejected(f"{path} cannot be read: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CommandRejected(
                f"{path} line 1: not the header of exported events ({error}); "
                "`mirix export` makes such files"
            ) from error
        if header.format_version > FORMAT_VERSION:
            raise CommandRejected(
                f"{path} has format {header.format_version}, this program knows {FORMAT_VERSION}; "
                "read it with the newer program"
            )
        return cls(path, header, catalogue=catalogue, upcasters=upcasters)

    @property
    def shard(self) -> int:
        """The shard that the events are from."""
        return self.header.shard

    async def last_position(self) -> int:
        """Return the position up to which events were exported."""
        return self.header.last_position

    async def at(self, positions: Sequence[int]) -> list[Event]:
        """Return the events at these positions, in the order given, as far as the file has them.

        Raises:
            CorruptLog: a position is beyond the end, or a line is not what was written.
        """
        wanted = frozenset(positions)
        found = {
            line.position: self._event(number, line)
            for number, line in self._lines(min(wanted, default=1) - 1, max(wanted, default=0))
            if line.position in wanted and not line.is_erased
        }
        return [found[position] for position in positions if position in found]

    async def read(
        self,
        after: int = 0,
        until: int | None = None,
        kinds: frozenset[str] | None = None,
        user: str = "*",
    ) -> AsyncGenerator[Event, None]:
        """Yield the events with `after < position <= until`; those of erased users are left out.

        Raises:
            CorruptLog: a line is not what was written; names the file and the line.
        """
        for number, line in self._lines(after, until):
            if line.is_erased or user not in ("*", line.user):
                continue
            if kinds is None or line.type in kinds:
                yield self._event(number, line)

    async def envelopes(
        self, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[int, Envelope], None]:
        """Yield positions and envelopes, those of erased users too.

        Raises:
            CorruptLog: a line is not what was written; names the file and the line.
        """
        for _, line in self._lines(after, until):
            yield line.position, line.envelope

    def _lines(self, after: int, until: int | None) -> Iterator[tuple[int, _Line]]:
        """Yield the wanted lines with their numbers; all before them are checked as well."""
        header = self.header
        end = header.last_position if until is None else until
        if max(after, end) > header.last_position:
            raise CorruptLog(
                f"{self.path} ends at position {header.last_position}, but position "
                f"{max(after, end)} was asked for"
            )
        number, seen = 1, header.first - 1
        with self.path.open("rb") as file:
            file.readline(_LINE_BYTES_MAX)
            while raw := file.readline(_LINE_BYTES_MAX):
                number += 1
                line = self._decoded(number, raw)
                self._check_order(number, line, seen)
                seen = line.position
                if seen > end:
                    return
                if seen > after:
                    yield number, line
        if not header.filtered and seen < end:
            raise self._wrong(number, f"the file ends at position {seen} instead of {end}")

    def _decoded(self, number: int, raw: bytes) -> _Line:
        try:
            line = _line_decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._wrong(number, f"not an event ({error})") from error
        if line.shard != self.shard:
            raise self._wrong(number, f"an event of shard {line.shard}, not {self.shard}")
        return line

    def _check_order(self, number: int, line: _Line, seen: int) -> None:
        follows = line.position > seen if self.header.filtered else line.position == seen + 1
        if not follows or line.position > self.header.last_position:
            raise self._wrong(number, f"position {line.position} does not follow {seen}")
        if self.header.user and line.user != self.header.user:
            raise self._wrong(number, f"an event of {line.user}, not {self.header.user}")

    def _event(self, number: int, line: _Line) -> Event:
        payload = self._typed(number, line)
        return Event(envelope=line.envelope, payload=payload, position=line.position)

    def _typed(self, number: int, line: _Line) -> Payload:
        kind = self._catalogue.get(line.type)
        if kind is None:
            raise self._wrong(number, f"event type {line.type} is not known here")
        if line.payload_version > kind.version:
            raise self._wrong(
                number, f"version {line.payload_version} of {line.type} is of a newer program"
            )
        try:
            if line.payload_version == kind.version:
                return self._decoders[line.type].decode(line.payload)
            fields = _fields_decoder.decode(line.payload)
            for version in range(line.payload_version, kind.version):
                upcast = self._upcasters.get((line.type, version))
                if upcast is None:
                    raise self._wrong(number, f"no upcaster for version {version} of {line.type}")
                fields = upcast(fields)
            return msgspec.convert(fields, kind)
        except msgspec.MsgspecError as error:
            raise self._wrong(number, f"not a payload of {line.type} ({error})") from error

    def _wrong(self, number: int, what: str) -> CorruptLog:
        return CorruptLog(f"{self.path} line {number}: {what}")
