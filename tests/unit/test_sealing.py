"""Sealing: bound to its frame, to its user and to its purpose."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.errors import KeyDestroyed
from events.keystore import KeyStore
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing, SealBroken


class CountingKeyStore(MemoryKeyStore):
    """Counts how often keys are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups = 0

    def find(self, user: str) -> bytes | None:
        self.lookups += 1
        return super().find(user)


class FakeSeconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keystore() -> KeyStore:
    return MemoryKeyStore()


@pytest.fixture
def keys(keystore: KeyStore) -> KeyRing:
    return KeyRing(keystore)


@given(plaintext=st.binary(max_size=300), associated=st.binary(max_size=100))
def test_open_returns_what_was_sealed(plaintext: bytes, associated: bytes) -> None:
    """Sealing loses nothing, and never gives the same bytes twice."""
    keys = KeyRing(MemoryKeyStore())
    sealed = keys.seal("usr_a", plaintext, associated)
    assert keys.open("usr_a", sealed, associated) == plaintext
    assert keys.seal("usr_a", plaintext, associated) != sealed


@settings(max_examples=200)
@given(data=st.data())
def test_open_fails_when_any_bit_differs(data: st.DataObject) -> None:
    """A flipped bit in the nonce, the ciphertext, the tag or the associated data is found."""
    keys = KeyRing(MemoryKeyStore())
    sealed = bytearray(keys.seal("usr_a", b"I live in Lisbon", b"envelope"))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(SealBroken):
        keys.open("usr_a", bytes(sealed), b"envelope")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12), bytes(27)])
def test_open_fails_when_bytes_are_missing(keys: KeyRing, sealed: bytes) -> None:
    """Truncated bytes are broken bytes, not another error."""
    keys.seal("usr_a", b"", b"")
    with pytest.raises(SealBroken):
        keys.open("usr_a", sealed, b"")


def test_open_fails_when_the_frame_or_the_user_is_another(keys: KeyRing) -> None:
    """A payload cannot be moved under another envelope or to another user."""
    sealed = keys.seal("usr_a", b"secret", b"envelope 1")
    keys.seal("usr_b", b"", b"")
    with pytest.raises(SealBroken):
        keys.open("usr_a", sealed, b"envelope 2")
    with pytest.raises(SealBroken):
        keys.open("usr_b", sealed, b"envelope 1")
    with pytest.raises(SealBroken, match="no data key"):
        keys.open("usr_c", sealed, b"envelope 1")


def test_secret_opens_for_its_memory_only(keys: KeyRing) -> None:
    """A vault secret is bound to the memory that holds it, and is no payload."""
    sealed = keys.seal_secret("usr_a", "mem_1", "hunter2 密码")
    assert keys.open_secret("usr_a", "mem_1", sealed) == "hunter2 密码"
    with pytest.raises(SealBroken):
        keys.open_secret("usr_a", "mem_2", sealed)
    with pytest.raises(SealBroken):
        keys.open("usr_a", sealed, b"mem_1")


def test_fingerprint_recognises_the_same_secret_of_the_same_user(keys: KeyRing) -> None:
    """Equal secrets of one user are equal; nobody else's are comparable."""
    assert keys.fingerprint("usr_a", "hunter2") == keys.fingerprint("usr_a", "hunter2")
    assert keys.fingerprint("usr_a", "hunter2") != keys.fingerprint("usr_a", "hunter3")
    assert keys.fingerprint("usr_a", "hunter2") != keys.fingerprint("usr_b", "hunter2")


def test_checksum_depends_on_the_border_between_envelope_and_payload(keys: KeyRing) -> None:
    """Bytes cannot wander from the envelope into the payload."""
    assert keys.checksum(b"ab", b"c") != keys.checksum(b"a", b"bc")
    assert keys.checksum(b"ab", b"c") != KeyRing(MemoryKeyStore()).checksum(b"ab", b"c")


def test_everything_is_unreadable_when_the_key_was_destroyed(
    keystore: KeyStore, keys: KeyRing
) -> None:
    """An erasure ends payloads, secrets and fingerprints at once, once it is known here."""
    sealed = keys.seal("usr_a", b"secret", b"")
    secret = keys.seal_secret("usr_a", "mem_1", "secret")
    keystore.destroy("usr_a")
    keys.forget("usr_a")
    assert keys.is_erased("usr_a")
    assert not keys.is_erased("usr_b")
    with pytest.raises(KeyDestroyed):
        keys.open("usr_a", sealed, b"")
    with pytest.raises(KeyDestroyed):
        keys.open_secret("usr_a", "mem_1", secret)
    with pytest.raises(KeyDestroyed):
        keys.fingerprint("usr_a", "secret")
    with pytest.raises(KeyDestroyed):
        keys.seal("usr_a", b"more", b"")


def test_erasure_by_another_process_is_noticed_when_the_cached_key_is_too_old() -> None:
    """A cached key is used for a bounded time."""
    keystore, now_s = MemoryKeyStore(), FakeSeconds()
    keys = KeyRing(keystore, age_s_max=30.0, now_s=now_s)
    sealed = keys.seal("usr_a", b"secret", b"")
    keystore.destroy("usr_a")
    now_s.now = 31.0
    with pytest.raises(KeyDestroyed):
        keys.open("usr_a", sealed, b"")


def test_keys_are_looked_up_once_and_the_cache_is_bounded() -> None:
    """The least recently used keys leave first."""
    keystore = CountingKeyStore()
    keys = KeyRing(keystore, users_max=2)
    sealed = {user: keys.seal(user, b"x", b"") for user in ("usr_a", "usr_b")}
    keys.open("usr_a", sealed["usr_a"], b"")
    assert keystore.lookups == 0
    keys.seal("usr_c", b"x", b"")
    keys.open("usr_a", sealed["usr_a"], b"")
    assert keystore.lookups == 0
    keys.open("usr_b", sealed["usr_b"], b"")
    assert keystore.lookups == 1
