"""From the ids that clients choose to the opaque ones that envelopes carry.

A client may name its users by e-mail address and its conversations by subject line. Those names
stay in sealed payloads; envelopes, subjects and logs carry keyed hashes of them (HMAC-SHA-256),
which nobody without the master key can link to a name.
"""

from __future__ import annotations

import re

from events.envelope import NOBODY
from events.ids import derived_id, keyed_id, random_id, shard_of
from events.keystore import KeyStore
from events.memory import Value

DEFAULT_USER = "default"
DEFAULT_CONVERSATION = "default"

#: Shapes that hold no name: UUID, 32 hexadecimal digits (W3C trace id), ULID, our own request ids.
_OPAQUE = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9A-HJKMNP-TV-Z]{26}|req_[a-z2-7]{26}",
    re.ASCII,
)


class Person(Value, frozen=True, kw_only=True):
    """The person that a request is about; `NOBODY` when it is about none."""

    tenant: str
    external_id: str
    id: str
    shard: int


class Identities(Value, frozen=True, kw_only=True):
    """Makes opaque ids; `key` is derived from the master key for this purpose alone."""

    key: bytes
    shards: int

    @classmethod
    def of(cls, keystore: KeyStore, shards: int) -> Identities:
        """Return the identities of a system."""
        return cls(key=keystore.derive("user-ids"), shards=shards)

    def person(self, tenant: str, external_id: str | None) -> Person:
        """Return the person that a tenant's client calls `external_id`."""
        name = DEFAULT_USER if external_id is None else external_id
        user = keyed_id("usr", self.key, tenant, name)
        return Person(tenant=tenant, external_id=name, id=user, shard=shard_of(user, self.shards))

    def conversation(self, user: str, conversation_id: str) -> str:
        """Return the token of a conversation that the client calls `conversation_id`."""
        return keyed_id("cnv", self.key, user, conversation_id)

    def message(self, user: str, conversation: str, external_id: str) -> str:
        """Return a message id: the same one for the same `external_id`, else a random one."""
        if not external_id:
            return random_id("msg")
        return derived_id("msg", user, conversation, external_id)

    def correlation(self, request_id: str) -> str:
        """Return the request id as envelopes may carry it: itself when opaque, else keyed."""
        if _OPAQUE.fullmatch(request_id):
            return request_id
        return keyed_id("req", self.key, "request", request_id)


def nobody(tenant: str, shard: int) -> Person:
    """Return the author of events that belong to no person, such as assistant profiles."""
    return Person(tenant=tenant, external_id="", id=NOBODY, shard=shard)
