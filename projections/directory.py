"""Who may come in and who is known: service keys in use, assistant profiles, people seen before."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from events.catalogue import (
    AssistantCreated,
    AssistantDeleted,
    ServiceKeyIssued,
    ServiceKeyRevoked,
    UserRegistered,
)
from events.envelope import NOBODY, Event
from events.memory import Value


class ServiceKey(Value, frozen=True, kw_only=True):
    """A service key in use: its keyed hash, its id and the organisation that it acts for."""

    digest: str
    key_id: str
    tenant: str


class _Organisations(Value, frozen=True, kw_only=True):
    """What of the directory is nobody's own, as a snapshot keeps it."""

    keys: tuple[ServiceKey, ...] = ()
    assistants: dict[str, str] = {}


class DirectoryProjection:
    """Service keys by digest; the organisation of each assistant profile; people by internal id."""

    name = "directory"
    version = 2
    kinds = frozenset(
        kind.__name__
        for kind in (
            AssistantCreated,
            AssistantDeleted,
            ServiceKeyIssued,
            ServiceKeyRevoked,
            UserRegistered,
        )
    )

    def __init__(self) -> None:
        self.keys: dict[str, ServiceKey] = {}
        self.people: dict[str, UserRegistered] = {}
        #: The organisation that an assistant profile in use belongs to.
        self.assistants: dict[str, str] = {}

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        match event.payload:
            case ServiceKeyIssued(digest=digest, key_id=key_id):
                self.keys[digest] = ServiceKey(
                    digest=digest, key_id=key_id, tenant=event.envelope.tenant
                )
            case ServiceKeyRevoked(key_id=gone):
                self.keys = {digest: key for digest, key in self.keys.items() if key.key_id != gone}
            case AssistantCreated(profile=profile):
                self.assistants[profile.id] = event.envelope.tenant
            case AssistantDeleted(assistant_id=gone):
                self.assistants.pop(gone, None)
            case UserRegistered() as person:
                self.people.setdefault(event.user, person)
            case _:
                pass

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each person's entry, and what is nobody's own under `system`, as msgpack."""
        parts = {user: msgspec.msgpack.encode(person) for user, person in self.people.items()}
        if self.keys or self.assistants:
            known = _Organisations(keys=tuple(self.keys.values()), assistants=self.assistants)
            parts[NOBODY] = msgspec.msgpack.encode(known)
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        known = msgspec.msgpack.decode(parts.get(NOBODY, b"\x80"), type=_Organisations)
        self.keys = {key.digest: key for key in known.keys}
        self.assistants = known.assistants
        self.people = {
            user: msgspec.msgpack.decode(part, type=UserRegistered)
            for user, part in parts.items()
            if user != NOBODY
        }
