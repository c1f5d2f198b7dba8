"""Opaque ids: random for what clients start, derived for what agents conclude.

A derived id makes a repeated conclusion the same event: the log drops the second.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets


def _token(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def random_id(prefix: str) -> str:
    """Return `prefix` and 128 random bits in base32: `msg_…`."""
    return f"{prefix}_{_token(secrets.token_bytes(16))}"


def derived_id(prefix: str, *parts: str | int) -> str:
    """Return an id that depends on the parts alone (128 bits of SHA-256, base32)."""
    joined = "\x1f".join(str(part) for part in parts).encode()
    return f"{prefix}_{_token(hashlib.sha256(joined).digest()[:16])}"


def keyed_id(prefix: str, key: bytes, *parts: str) -> str:
    """Return a derived id that nobody without `key` can link to its parts (HMAC-SHA-256)."""
    joined = "\x1f".join(parts).encode()
    return f"{prefix}_{_token(hmac.digest(key, joined, 'sha256')[:16])}"


def shard_of(user: str, shards: int) -> int:
    """Return the shard a user lives in: the first 8 bytes of SHA-256 of the id, modulo `shards`."""
    return int.from_bytes(hashlib.sha256(user.encode()).digest()[:8]) % shards
