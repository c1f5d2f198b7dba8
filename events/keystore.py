"""The port to the keys: one data key a user, kept apart from the log.

Destroying a user's key makes everything that it sealed unreadable, wherever a copy of it lies.
"""

from __future__ import annotations

from typing import Protocol


class KeyStore(Protocol):
    """Keeps 256-bit data keys, wrapped by a master key that it does not hold itself."""

    def obtain(self, user: str) -> bytes:
        """Return the user's data key, making it durably first when there is none.

        Raises:
            KeyDestroyed: the user was erased; no new key is ever made for the same id.
        """
        ...

    def find(self, user: str) -> bytes | None:
        """Return the user's data key, or None when there never was one.

        Raises:
            KeyDestroyed: the user was erased.
        """
        ...

    def destroy(self, user: str) -> None:
        """Destroy the user's data key for good, leaving a tombstone."""
        ...

    def derive(self, purpose: str) -> bytes:
        """Return a 256-bit key derived from the master key for one purpose (HKDF-SHA-256)."""
        ...
