"""How much concurrent appends gain from sharing commits, on a server that syncs every write.

One-by-one appends and many concurrent writers take turns in the same run, so that a busy machine
slows both. Figures are events a second over the port, from one process.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from events.connection import LogSettings, connect
from events.ids import random_id
from events.log import EventLog, NewRecord
from events.nats_server import NatsServer

_ROUNDS = 5


async def bench_append(
    settings: LogSettings, *, writers: int = 64, events: int = 20_000, body_bytes: int = 400
) -> dict[str, Any]:
    """Append to shard 0 of `settings` (a scratch server) and return rates and their ratio.

    A twentieth of `events` is appended one by one, the rest by `writers` at once; each rate is the
    median of five rounds, in events a second.

    Raises:
        Misconfigured: the server does not sync every write, so the figures would mean nothing.
    """
    alone_each = max(1, events // 20 // _ROUNDS)
    together_each = max(1, (events - alone_each * _ROUNDS) // _ROUNDS // writers)
    alone: list[float] = []
    together: list[float] = []
    async with connect(settings) as connection:
        log = connection.log(0)
        await _append_many(log, writers, body_bytes)
        for _ in range(_ROUNDS):
            alone.append(await _rate(alone_each, lambda: _append_many(log, alone_each, body_bytes)))
            together.append(
                await _rate(
                    together_each * writers,
                    lambda: _append_together(log, writers, together_each, body_bytes),
                )
            )
    alone_rate, together_rate = statistics.median(alone), statistics.median(together)
    return {
        "writers": writers,
        "body_bytes": body_bytes,
        "one_by_one_events_per_s": round(alone_rate, 1),
        "concurrent_events_per_s": round(together_rate, 1),
        "ratio": round(together_rate / alone_rate, 2),
    }


async def _rate(events: int, work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return events / (time.perf_counter() - started)


async def _append_together(log: EventLog, writers: int, each: int, body_bytes: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(writers):
            tasks.create_task(_append_many(log, each, body_bytes))


async def _append_many(log: EventLog, count: int, body_bytes: int) -> None:
    body = bytes(body_bytes)
    for _ in range(count):
        record = NewRecord(kind="Measured", user="bench", record_id=random_id("bench"), body=body)
        await log.append([record])


async def bench_append_embedded(directory: Path | None = None, **options: Any) -> dict[str, Any]:
    """Run `bench_append` on a server of its own, in a scratch directory (under `directory`)."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        server = NatsServer(Path(scratch))
        await server.start()
        try:
            return await bench_append(await server.prepare(), **options)
        finally:
            await server.stop()


def main() -> None:
    """Print the figures as JSON."""
    figures = asyncio.run(bench_append_embedded())
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(figures)).decode() + "\n")


if __name__ == "__main__":
    main()
