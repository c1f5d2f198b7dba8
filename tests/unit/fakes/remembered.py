"""A log in memory in which two people talked and the nine agents remembered."""

from __future__ import annotations

from actors.embedding import HashEmbedder
from actors.local import local_backend
from events.codec import Codec
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from tests.unit.builders import new_message

LINES = (
    "I live in Lisbon.",
    "My colleague Zoe collects antique copper lamps.",
    "The alarm code for the shed is 4071#.",
    "How to clean the pan: 1. rinse it 2. dry it 3. oil it",
    "I moved to Porto.",
    "We had dinner at Bram's place yesterday.",
    "Please keep this for later: https://reads.example.org/lamps-7",
    "I'm allergic to walnuts, please remember that.",
    "Small correction, Zoe isn't a cook after all, Zoe is a baker",
)
PEOPLE = ("usr_ann", "usr_ben")
SECRET = "4071"


async def remembered_log(keys: KeyRing | None = None) -> Journal:
    """Return the journal of what they said, line by line, and what came of it."""
    keys = keys or KeyRing(MemoryKeyStore(b"m" * 32))
    journal = Journal(MemoryLog(0), Codec(keys))
    async with local_backend([journal], MemorySignals(), HashEmbedder()) as backend:
        for number, line in enumerate(LINES):
            for user in PEOPLE:
                message = new_message(line, number, user=user)
                (position,) = await backend.append(0, [message])
                await backend.wait_handled(0, position, timeout_s=20)
    return journal
