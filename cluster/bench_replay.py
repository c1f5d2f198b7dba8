"""How fast the log is replayed, against the barest reader of the same log in the same run.

The bare reader is an ordered consumer of the NATS client with a callback, its fastest form, that
decodes each body with msgspec and does nothing else. Ours follows the stream's order and gaps,
authenticates and decrypts every payload, decodes it to its type (or upcasts it) and folds it into a
tier. Both read every event, and take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import nats
from nats.aio.msg import Msg

from cluster.bench_log import scratch_log, write_log
from events.codec import Codec
from events.connection import Connection
from events.jetstream import stream_name, subject_prefix
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from projections.base import apply_or_skip
from projections.tiers import TierProjection

_ROUNDS = 5
_READ_S_MAX = 600.0


async def bench_replay(
    directory: Path | None = None,
    *,
    events: int = 100_000,
    people: int = 1000,
    advance: Callable[[int], None] = lambda written: None,
) -> dict[str, Any]:
    """Measure on a scratch log (under `directory`); rates are medians of rounds, in events/s.

    Args:
        directory: the disk to measure on; None: the temporary one.
        events: how long the log is.
        people: whose events they are.
        advance: hears how many events were written just now.
    """
    bare: list[float] = []
    ours: list[float] = []
    async with scratch_log(directory) as connection:
        journal = Journal(connection.log(0), Codec(KeyRing(MemoryKeyStore())))
        await write_log(journal, events, people=people, advance=advance)
        for _ in range(_ROUNDS):
            bare.append(await _read_bare(connection, events))
            ours.append(await _replay(journal, events))
    ratios = [mine / other for mine, other in zip(ours, bare, strict=True)]
    return {
        "events": events,
        "people": people,
        "bare_consumer_events_per_s": round(statistics.median(bare)),
        "replay_events_per_s": round(statistics.median(ours)),
        "ratio": round(statistics.median(ratios), 3),
    }


async def _read_bare(connection: Connection, events: int) -> float:
    settings = connection.settings
    decode = msgspec.msgpack.Decoder().decode
    through = asyncio.Event()
    count = 0

    async def read(message: Msg) -> None:
        nonlocal count
        decode(message.data)
        count += 1
        if count == events:
            through.set()

    client = await nats.connect(settings.url, user=settings.user, password=settings.password)
    try:
        started = time.perf_counter()
        await client.jetstream().subscribe(
            f"{subject_prefix(0)}.*.*", stream=stream_name(0), ordered_consumer=True, cb=read
        )
        async with asyncio.timeout(_READ_S_MAX):
            await through.wait()
        return events / (time.perf_counter() - started)
    finally:
        await client.close()


async def _replay(journal: Journal, events: int) -> float:
    tier = TierProjection("semantic")
    kinds = tier.kinds
    started = time.perf_counter()
    count = 0
    async for event in journal.read():
        count += 1
        if event.envelope.type in kinds:
            apply_or_skip(tier, event)
    assert count == events, "another log than was written"
    return events / (time.perf_counter() - started)
