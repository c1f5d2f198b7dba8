"""How an event is written: typed values on one side, checked bytes on the other.

A body is msgpack of `[format_version, envelope, guard, payload]`:

- `envelope` is msgpack of `Envelope`, in clear; it is what sealing is bound to.
- `payload` is msgpack of the event's struct; when `envelope.sealed`, AES-256-GCM of it.
- `guard` is the keyed checksum of a clear payload, and empty for a sealed one (GCM has its own).

Every step of `decode` fails closed. Bits that differ, an envelope that is not that of the subject
it lies under, a type or version that this program does not know: each is `CorruptLog` and names the
position. An older version is upcast as a plain dictionary, step by step, before typed decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from events.catalogue import CATALOGUE, Payload, PayloadType
from events.envelope import NOBODY, Envelope, Event, NewEvent
from events.errors import CorruptLog, KeyDestroyed
from events.log import NewRecord, Record
from events.sealing import KeyRing, Opener, SealBroken

FORMAT_VERSION = 1

#: Takes the fields of one version and returns those of the next.
Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
#: (event type, version that is read) -> upcaster to the version after it.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}


class _Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    format_version: int
    envelope: bytes
    guard: bytes
    payload: bytes


_encoder = msgspec.msgpack.Encoder()
_body_decoder = msgspec.msgpack.Decoder(_Body)
_envelope_decoder = msgspec.msgpack.Decoder(Envelope)
_plain_decoder = msgspec.msgpack.Decoder(dict[str, Any])


class Codec:
    """Turns events into records and back, with the keys of one key ring."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        catalogue: Mapping[str, PayloadType] = CATALOGUE,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self.keys = keys
        self._catalogue = catalogue
        self._upcasters = upcasters
        self._decoders: dict[str, msgspec.msgpack.Decoder[Payload]] = {
            name: msgspec.msgpack.Decoder(kind) for name, kind in catalogue.items()
        }

    def encode(self, event: NewEvent, shard: int, recorded_at: datetime) -> NewRecord:
        """Return the record of `event`, sealed when its payload is personal.

        Raises:
            KeyDestroyed: the user was erased; nothing more is recorded about them.
            TypeError: the payload is not in the catalogue (a programmer error).
            ValueError: a personal payload belongs to nobody (a programmer error).
        """
        kind = type(event.payload)
        name = kind.__name__
        if self._catalogue.get(name) is not kind:
            raise TypeError(f"{name} is not an event of the catalogue")
        if kind.personal and event.user == NOBODY:
            raise ValueError(f"{name} is personal: it needs the user whose key seals it")
        envelope = _encoder.encode(
            Envelope(
                event_id=event.event_id,
                type=name,
                version=kind.version,
                shard=shard,
                tenant=event.tenant,
                user=event.user,
                entity=event.entity,
                recorded_at=recorded_at,
                causation_id=event.causation_id,
                correlation_id=event.correlation_id,
                producer=event.producer,
                sealed=kind.personal,
            )
        )
        payload = _encoder.encode(event.payload)
        if kind.personal:
            guard, payload = b"", self.keys.seal(event.user, payload, envelope)
        else:
            guard = self.keys.checksum(envelope, payload)
        body = _encoder.encode(_Body(FORMAT_VERSION, envelope, guard, payload))
        return NewRecord(kind=name, user=event.user, record_id=event.event_id, body=body)

    def decode(self, record: Record) -> Event:
        """Return the event of `record`.

        Raises:
            CorruptLog: the bytes are not what was written, or are from a newer program.
            KeyDestroyed: the user was erased.
        """
        return self._decode(record, self.keys.opener())

    def decode_each(self, records: Iterable[Record]) -> Iterator[Event]:
        """Yield the events of `records` in their order; those of erased users are left out.

        Keys are looked up once for all: meant for the records of a moment, not for a whole log.

        Raises:
            CorruptLog: as `decode`.
        """
        opener = self.keys.opener()
        for record in records:
            try:
                event = self._decode(record, opener)
            except KeyDestroyed:
                continue  # for every reader it is as if it had never been said
            yield event

    def _decode(self, record: Record, opener: Opener) -> Event:
        try:
            body = _body_decoder.decode(record.body)
            if body.format_version != FORMAT_VERSION:
                raise _corrupt(record, f"body format {body.format_version} is not known here")
            # Nothing inside is decoded, let alone believed, before it is known to be authentic.
            payload_bytes = self._authentic(record, body, opener)
            envelope = _envelope_decoder.decode(body.envelope)
            if envelope.type != record.kind or envelope.user != record.user:
                raise _corrupt(record, "the envelope belongs under another subject")
            payload = self._typed(record, envelope, payload_bytes)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _corrupt(record, f"the bytes are not an event ({error})") from error
        except SealBroken as error:
            raise _corrupt(record, error.message) from error
        return Event(envelope=envelope, payload=payload, position=record.position)

    def envelope(self, record: Record) -> Envelope:
        """Return the clear part of `record` alone, also where the payload's key is destroyed.

        Without the payload a sealed envelope is not authenticated: for finding events, not for
        believing what they say. `decode` checks.

        Raises:
            CorruptLog: the bytes are not what was written.
        """
        try:
            body = _body_decoder.decode(record.body)
            envelope = _envelope_decoder.decode(body.envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _corrupt(record, f"the bytes are not an event ({error})") from error
        if envelope.type != record.kind or envelope.user != record.user:
            raise _corrupt(record, "the envelope belongs under another subject")
        return envelope

    def _authentic(self, record: Record, body: _Body, opener: Opener) -> bytes:
        """Return the payload in clear; a body without a guard is a sealed one."""
        if not body.guard:
            return opener.open(record.user, body.payload, body.envelope)
        if self.keys.checksum(body.envelope, body.payload) != body.guard:
            raise SealBroken("the checksum does not fit envelope and payload")
        return body.payload

    def _typed(self, record: Record, envelope: Envelope, payload: bytes) -> Payload:
        kind = self._catalogue.get(envelope.type)
        if kind is None:
            raise _corrupt(record, f"event type {envelope.type} is not known here")
        if envelope.version == kind.version:
            return self._decoders[envelope.type].decode(payload)
        if envelope.version > kind.version:
            raise _corrupt(
                record,
                f"version {envelope.version} of {envelope.type} is newer than this program "
                f"(it knows {kind.version}); run the newer program",
            )
        fields = _plain_decoder.decode(payload)
        for version in range(envelope.version, kind.version):
            upcast = self._upcasters.get((envelope.type, version))
            if upcast is None:
                raise _corrupt(record, f"no upcaster for version {version} of {envelope.type}")
            fields = upcast(fields)
        return msgspec.convert(fields, kind)


def encode_payload(payload: Payload) -> bytes:
    """Return the bytes of a payload as they are sealed or checksummed: what golden files hold."""
    return _encoder.encode(payload)


def decode_payload(
    name: str,
    version: int,
    payload: bytes,
    *,
    catalogue: Mapping[str, PayloadType] = CATALOGUE,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Payload:
    """Return the payload that was written as `version` of event `name`, in today's shape.

    Raises:
        KeyError: the type is unknown or a step between the versions has no upcaster.
    """
    kind = catalogue[name]
    fields = _plain_decoder.decode(payload)
    for step in range(version, kind.version):
        fields = upcasters[(name, step)](fields)
    return msgspec.convert(fields, kind)


def _corrupt(record: Record, what: str) -> CorruptLog:
    return CorruptLog(
        f"position {record.position} ({record.kind} of {record.user}): {what}; "
        "nothing may be served from this log until it is restored",
        record.position,
    )
