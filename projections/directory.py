"""Who may come in and who is known: service keys in use, and people seen before."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from events.catalogue import ServiceKeyIssued, ServiceKeyRevoked, UserRegistered
from events.envelope import NOBODY, Event
from events.memory import Value


class ServiceKey(Value, frozen=True, kw_only=True):
    """A service key in use: its keyed hash, its id and the organisation that it acts for."""

    digest: str
    key_id: str
    tenant: str


class DirectoryProjection:
    """Service keys by digest; registered people by internal id."""

    name = "directory"
    version = 1
    kinds = frozenset(
        kind.__name__ for kind in (ServiceKeyIssued, ServiceKeyRevoked, UserRegistered)
    )

    def __init__(self) -> None:
        self.keys: dict[str, ServiceKey] = {}
        self.people: dict[str, UserRegistered] = {}

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        match event.payload:
            case ServiceKeyIssued(digest=digest, key_id=key_id):
                self.keys[digest] = ServiceKey(
                    digest=digest, key_id=key_id, tenant=event.envelope.tenant
                )
            case ServiceKeyRevoked(key_id=gone):
                self.keys = {digest: key for digest, key in self.keys.items() if key.key_id != gone}
            case UserRegistered() as person:
                self.people.setdefault(event.user, person)
            case _:
                pass

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each person's entry, and the keys under `system`, as msgpack."""
        parts = {user: msgspec.msgpack.encode(person) for user, person in self.people.items()}
        if self.keys:
            parts[NOBODY] = msgspec.msgpack.encode(list(self.keys.values()))
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        keys = msgspec.msgpack.decode(parts.get(NOBODY, b"\x90"), type=list[ServiceKey])
        self.keys = {key.digest: key for key in keys}
        self.people = {
            user: msgspec.msgpack.decode(part, type=UserRegistered)
            for user, part in parts.items()
            if user != NOBODY
        }
