"""The key store's in-memory twin: for tests and for logs that live as long as their process."""

from __future__ import annotations

import os
import threading

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from events.errors import KeyDestroyed

KEY_BYTES = 32


class MemoryKeyStore:
    """Keeps data keys in a dictionary; nothing outlives the process."""

    def __init__(self, master_key: bytes | None = None) -> None:
        self._master_key = master_key or os.urandom(KEY_BYTES)
        self._keys: dict[str, bytes | None] = {}
        self._lock = threading.Lock()

    def obtain(self, user: str) -> bytes:
        """Return the user's data key, making it first when there is none.

        Raises:
            KeyDestroyed: the user was erased.
        """
        with self._lock:
            return _alive(user, self._keys.setdefault(user, os.urandom(KEY_BYTES)))

    def find(self, user: str) -> bytes | None:
        """Return the user's data key, or None when there never was one.

        Raises:
            KeyDestroyed: the user was erased.
        """
        with self._lock:
            return _alive(user, self._keys[user]) if user in self._keys else None

    def destroy(self, user: str) -> None:
        """Destroy the user's data key for good; None in its place is the tombstone."""
        with self._lock:
            self._keys[user] = None

    def derive(self, purpose: str) -> bytes:
        """Return a 256-bit key derived from the master key for one purpose (HKDF-SHA-256)."""
        return derived_key(self._master_key, purpose)


def derived_key(master_key: bytes, purpose: str) -> bytes:
    """Return the 256-bit key for `purpose` (HKDF-SHA-256, RFC 5869, no salt)."""
    return HKDF(
        algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"mirix " + purpose.encode()
    ).derive(master_key)


def _alive(user: str, key: bytes | None) -> bytes:
    if key is None:
        raise KeyDestroyed(f"the data key of user {user} was destroyed; what it sealed is gone")
    return key
