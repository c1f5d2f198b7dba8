"""Service keys: issued once in clear, kept as keyed hashes, looked up for every request.

A key is 256 random bits, so a fast hash is enough. The pepper (derived from the master key) makes
the digests in the log useless to whoever reads the log. Because a caller cannot know the digest of
a guess, the time of a lookup among digests tells nothing about any key: that is what makes it safe
to look a digest up in a dictionary instead of comparing with each in constant time.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Mapping

import structlog

from events.catalogue import ServiceKeyIssued
from events.envelope import NewEvent
from events.errors import Misconfigured, Unauthenticated
from events.ids import derived_id
from events.keystore import KeyStore
from serve.backend import Backend

log = structlog.get_logger(__name__)

DEFAULT_TENANT = "default"
PRESET_CHARS_MIN = 8
KEY_CHARS_MAX = 512
#: Unknown keys make the gateway read the keys anew, at most this often.
REFRESH_PAUSE_S = 1.0
#: Access is kept in the first shard, wherever users live.
ACCESS_SHARD = 0


def pepper_of(keystore: KeyStore) -> bytes:
    """Return the key under which service keys are hashed."""
    return keystore.derive("service-keys")


def issue_key() -> str:
    """Return a new service key, 256 random bits; show it once and keep only its digest."""
    return f"mirix_{secrets.token_urlsafe(32)}"


def digest_of(key: str, pepper: bytes) -> str:
    """Return the keyed hash of a service key (HMAC-SHA-256, hex)."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogateescape"), "sha256").hex()


class ServiceKeys:
    """The keys in use, as this replica last read them."""

    def __init__(
        self,
        backend: Backend,
        pepper: bytes,
        *,
        age_s_max: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._pepper = pepper
        self._age_s_max = age_s_max
        self._now_s = now_s
        self._known: Mapping[str, tuple[str, str]] = {}
        self._read_at_s = float("-inf")
        self._reading = asyncio.Lock()

    async def authenticate(self, key: str) -> tuple[str, str]:
        """Return key id and tenant of a service key.

        Raises:
            Unauthenticated: it is empty, too long, not known or no longer in use.
            Unavailable: the keys cannot be read at the moment.
        """
        if not key or len(key) > KEY_CHARS_MAX:
            raise Unauthenticated(
                "send a service key in X-API-Key or as Authorization: Bearer <key>"
            )
        digest = digest_of(key, self._pepper)
        if self._now_s() - self._read_at_s > self._age_s_max:
            await self._refresh(self._age_s_max)
        if digest not in self._known:
            await self._refresh(REFRESH_PAUSE_S)
        found = self._known.get(digest)
        if found is None:
            raise Unauthenticated("this service key is not known or no longer in use")
        return found

    async def _refresh(self, pause_s: float) -> None:
        async with self._reading:
            if self._now_s() - self._read_at_s <= pause_s:
                return
            self._known = await self._backend.service_keys()
            self._read_at_s = self._now_s()


async def bootstrap(backend: Backend, pepper: bytes, preset: str | None = None) -> str | None:
    """Make sure that there is a service key for the default tenant.

    With `preset`, that key is put into use unless it already is. Without it, a fresh key is issued
    when there is none at all.

    Returns:
        The fresh key, to be shown once; None when none was made.

    Raises:
        Misconfigured: the preset is too short to be a secret, or too long to be a key.
    """
    known = await backend.service_keys()
    if preset is None:
        if known:
            return None
        key = issue_key()
        await _put_in_use(backend, digest_of(key, pepper))
        return key
    if not PRESET_CHARS_MIN <= len(preset) <= KEY_CHARS_MAX:
        raise Misconfigured(
            f"the preset service key has {len(preset)} characters; "
            f"give it {PRESET_CHARS_MIN} to {KEY_CHARS_MAX} random ones"
        )
    digest = digest_of(preset, pepper)
    if digest not in known:
        await _put_in_use(backend, digest)
    return None


async def _put_in_use(backend: Backend, digest: str) -> None:
    key_id = derived_id("key", digest)
    event = NewEvent(
        event_id=derived_id("evt", "ServiceKeyIssued", digest),
        payload=ServiceKeyIssued(key_id=key_id, digest=digest, label="bootstrap"),
        tenant=DEFAULT_TENANT,
        entity=key_id,
        producer="bootstrap",
    )
    await backend.append(ACCESS_SHARD, [event])
    log.info("service_key_issued", key_id=key_id, tenant=DEFAULT_TENANT)
