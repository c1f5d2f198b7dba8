"""The journal: what appending needs of keys never holds up the event loop."""

from __future__ import annotations

import threading

import pytest

from events.codec import Codec
from events.envelope import NOBODY, NewEvent
from events.errors import KeyDestroyed
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.unit.builders import new_message, said


class WatchedKeyStore(MemoryKeyStore):
    """Remembers on which threads keys were obtained."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def obtain(self, user: str) -> bytes:
        """Return the user's data key."""
        self.threads.append(threading.get_ident())
        return super().obtain(user)


async def test_key_is_made_off_the_event_loop_when_a_user_is_new() -> None:
    """A new user's key is a durable write: on another thread, once, and never again."""
    keystore = WatchedKeyStore()
    journal = Journal(MemoryLog(0), Codec(KeyRing(keystore)))
    await journal.append([new_message("one", 1), new_message("two", 2, user="usr_bob")])
    assert len(keystore.threads) == 2
    assert threading.get_ident() not in keystore.threads
    await journal.append([new_message("three", 3)])
    assert len(keystore.threads) == 2


async def test_append_is_refused_when_the_user_was_erased() -> None:
    """No event of the batch is written, and no key is made for nobody."""
    keystore = WatchedKeyStore()
    keystore.destroy("usr_bob")
    journal = Journal(MemoryLog(0), Codec(KeyRing(keystore)))
    with pytest.raises(KeyDestroyed):
        await journal.append([new_message("one", 1), new_message("two", 2, user="usr_bob")])
    assert await journal.last_position() == 0
    stray = NewEvent(event_id="evt_x", payload=said("x"), tenant="org", user=NOBODY, producer="t")
    with pytest.raises(ValueError, match="personal"):
        await journal.append([stray])
    assert keystore.find(NOBODY) is None


async def test_at_opens_events_wherever_they_lie_and_leaves_erased_users_out() -> None:
    """In the order given; what belonged to an erased user is as if it had never been said."""
    keystore = MemoryKeyStore(b"m" * 32)
    journal = Journal(MemoryLog(0), Codec(KeyRing(keystore)))
    people = ("usr_ann", "usr_bob", "usr_ann", "usr_bob")
    await journal.append([new_message("x", n, user=user) for n, user in enumerate(people, 1)])
    assert [event.position for event in await journal.at([4, 1, 3])] == [4, 1, 3]
    keystore.destroy("usr_bob")
    journal.codec.keys.forget("usr_bob")
    assert [event.position for event in await journal.at([4, 1, 3])] == [1, 3]
