"""Sealing: what a person said is readable only with that person's data key.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext. The associated
data is the encoded envelope, so that a payload cannot be moved under another envelope. Payloads
that are nobody's secret stay readable but carry a keyed checksum (BLAKE2b, RFC 7693, 128 bits) over
envelope and payload: a flipped bit is found in both kinds, and neither can be forged without keys.
A plain digest would find accidents too, but not a change by somebody who can write to the log.

One data key serves three purposes, kept apart by keys derived from it (HKDF-SHA-256, RFC 5869):
payloads, secrets of the vault, fingerprints of secrets. Destroying the data key destroys all three.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from events.errors import CorruptLog, KeyDestroyed
from events.keystore import KeyStore

NONCE_BYTES = 12
CHECKSUM_BYTES = 16


class SealBroken(CorruptLog):
    """Sealed bytes do not open under the key and the associated data they were sealed with."""


class _UserKeys(msgspec.Struct, frozen=True, kw_only=True):
    """A user's keys, one a purpose, and when they were fetched (seconds of a monotonic clock)."""

    payloads: AESGCM
    secrets: AESGCM
    fingerprints: bytes
    fetched_at_s: float


class Opener:
    """Opens the payloads of a batch; made for each batch anew, so that erasures are noticed."""

    def __init__(self, find: Callable[[str], _UserKeys]) -> None:
        self._find = find
        self._keys: dict[str, AESGCM | None] = {}

    def open(self, user: str, sealed: bytes, associated: bytes) -> bytes:
        """Return what `KeyRing.seal` was given; raises what `KeyRing.open` raises."""
        try:
            key = self._keys[user]
        except KeyError:
            key = self._keys[user] = self._look_up(user)
        if key is None:
            raise KeyDestroyed(f"the data key of user {user} was destroyed; what it sealed is gone")
        return _decrypt(key, sealed, associated)

    def _look_up(self, user: str) -> AESGCM | None:
        try:
            return self._find(user).payloads
        except KeyDestroyed:
            return None


class KeyRing:
    """The keys in use: a bounded cache over a `KeyStore`, safe to share between threads.

    A key destroyed by another process is noticed after `age_s_max` seconds at the latest; a process
    that learns of an erasure calls `forget` and notices at once.
    """

    def __init__(
        self,
        keystore: KeyStore,
        *,
        users_max: int = 10_000,
        age_s_max: float = 30.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keystore = keystore
        self._users_max = users_max
        self._age_s_max = age_s_max
        self._now_s = now_s
        self._cache: OrderedDict[str, _UserKeys] = OrderedDict()
        self._lock = threading.Lock()
        self._checksum_key = keystore.derive("checksum of clear payloads")

    def seal(self, user: str, plaintext: bytes, associated: bytes) -> bytes:
        """Return nonce and ciphertext of `plaintext`, bound to `associated`.

        Raises:
            KeyDestroyed: the user was erased.
        """
        return _encrypt(self._obtain(user).payloads, plaintext, associated)

    def open(self, user: str, sealed: bytes, associated: bytes) -> bytes:
        """Return what `seal` was given.

        Raises:
            KeyDestroyed: the user was erased.
            SealBroken: a bit differs in the bytes or in `associated`, or the key is another one.
        """
        return _decrypt(self._find(user).payloads, sealed, associated)

    def opener(self) -> Opener:
        """Return what opens many payloads at once, with one look at each user's key."""
        return Opener(self._find)

    def seal_secret(self, user: str, memory_id: str, secret: str) -> bytes:
        """Return a vault secret sealed for the memory `memory_id`, and for no other.

        Raises:
            KeyDestroyed: the user was erased.
        """
        return _encrypt(self._obtain(user).secrets, secret.encode(), memory_id.encode())

    def open_secret(self, user: str, memory_id: str, sealed: bytes) -> str:
        """Return the vault secret in clear.

        Raises:
            KeyDestroyed: the user was erased.
            SealBroken: it was sealed for another memory or user, or was altered.
        """
        return _decrypt(self._find(user).secrets, sealed, memory_id.encode()).decode()

    def fingerprint(self, user: str, secret: str) -> str:
        """Return a keyed hash (hex, 128 bits) by which the same secret of a user is recognised.

        Raises:
            KeyDestroyed: the user was erased.
        """
        key = self._obtain(user).fingerprints
        return hashlib.blake2b(secret.encode(), key=key, digest_size=16).hexdigest()

    def checksum(self, envelope: bytes, payload: bytes) -> bytes:
        """Return the keyed checksum of a clear payload under its envelope, 16 bytes."""
        # The length in front keeps the border between envelope and payload from moving.
        digest = hashlib.blake2b(
            len(envelope).to_bytes(4), key=self._checksum_key, digest_size=CHECKSUM_BYTES
        )
        digest.update(envelope)
        digest.update(payload)
        return digest.digest()

    def is_erased(self, user: str) -> bool:
        """Return whether the user's key was destroyed."""
        try:
            if self._cached(user) is None:
                data_key = self._keystore.find(user)
                if data_key is not None:
                    self._remember(user, data_key)
        except KeyDestroyed:
            return True
        return False

    def is_cached(self, user: str) -> bool:
        """Return whether the next use of the user's keys needs no key store."""
        return self._cached(user) is not None

    def prepare(self, users: Iterable[str]) -> None:
        """Obtain the users' keys; what is sealed for them next needs no key store.

        Raises:
            KeyDestroyed: one of them was erased.
        """
        for user in users:
            self._obtain(user)

    def forget(self, user: str) -> None:
        """Drop the user's keys from this process; the next use asks the key store again."""
        with self._lock:
            self._cache.pop(user, None)

    def _cached(self, user: str) -> _UserKeys | None:
        with self._lock:
            keys = self._cache.get(user)
            if keys is None:
                return None
            if self._now_s() - keys.fetched_at_s > self._age_s_max:
                del self._cache[user]
                return None
            self._cache.move_to_end(user)
            return keys

    def _obtain(self, user: str) -> _UserKeys:
        return self._cached(user) or self._remember(user, self._keystore.obtain(user))

    def _find(self, user: str) -> _UserKeys:
        keys = self._cached(user)
        if keys is not None:
            return keys
        data_key = self._keystore.find(user)
        if data_key is None:
            raise SealBroken(
                f"no data key for user {user} in the key store, and none was destroyed; "
                "give the log the key store that belongs to it"
            )
        return self._remember(user, data_key)

    def _remember(self, user: str, data_key: bytes) -> _UserKeys:
        keys = _UserKeys(
            payloads=AESGCM(_purpose_key(data_key, b"payloads")),
            secrets=AESGCM(_purpose_key(data_key, b"vault secrets")),
            fingerprints=_purpose_key(data_key, b"vault fingerprints"),
            fetched_at_s=self._now_s(),
        )
        with self._lock:
            self._cache[user] = keys
            if len(self._cache) > self._users_max:
                self._cache.popitem(last=False)
        return keys


def _purpose_key(data_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(data_key)


def _encrypt(key: AESGCM, plaintext: bytes, associated: bytes) -> bytes:
    # 96 random bits: NIST bounds one key to 2**32 messages, far above what one person says.
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, associated)


def _decrypt(key: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("sealed bytes do not authenticate; they or their frame changed") from error
