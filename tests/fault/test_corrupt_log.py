"""I8: what the log lost or altered is found before anything is served from it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from events.catalogue import CauseHandled, MessageReceived, Payload
from events.clock import FixedClock
from events.codec import Codec
from events.connection import Connection, connect
from events.envelope import NOBODY, NewEvent
from events.errors import CorruptLog
from events.jetstream_reader import PullReader, ReaderLost, check_order
from events.journal import Journal
from events.log import EventLog, NewRecord, Record
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.nats_server import NatsServer
from events.sealing import KeyRing

DEADLINE_S = 30.0
#: Bodies of this size fill several of the server's blocks with few records.
LARGE_BYTES = 1024 * 1024
LARGE_COUNT = 24


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Start a server of its own for a test, and end it by its process id."""
    server = NatsServer(tmp_path / "nats")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fill(server: NatsServer, count: int, size: int) -> None:
    async with connect(server.settings()) as connection:
        for number in range(count):
            record = NewRecord(
                kind="Said", user="usr_a", record_id=f"r{number}", body=os.urandom(size)
            )
            await connection.log(0).append([record])


async def end(server: NatsServer, how: signal.Signals) -> None:
    """End the server's process by its id, gently or not."""
    assert server.pid is not None
    os.kill(server.pid, how)
    await server.wait_ended()


def blocks(server: NatsServer) -> list[Path]:
    found = server.store.rglob("MIRIX_0/msgs/*.blk")
    return sorted(found, key=lambda path: int(path.stem))


def flip_bit(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


async def read_all(server: NatsServer, after: int = 0) -> list[int]:
    async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
        return [record.position async for record in connection.log(0).read(after=after)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("block", [0, 1])
async def test_read_fails_closed_when_a_bit_flipped_in_a_block(
    server: NatsServer, block: int, how: signal.Signals
) -> None:
    """The server leaves out what it cannot verify; the gap it leaves is found."""
    await fill(server, LARGE_COUNT, LARGE_BYTES)
    await end(server, how)
    assert len(blocks(server)) > 2
    flip_bit(blocks(server)[block], 3 * LARGE_BYTES // 2)
    await server.start()
    with pytest.raises(CorruptLog) as found:
        await read_all(server)
    # The operator is told where: the first of each block's records was not touched.
    assert 1 < found.value.position <= LARGE_COUNT


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_follow_fails_closed_when_a_bit_flipped_in_a_block(
    server: NatsServer, how: signal.Signals
) -> None:
    """A follower is told as well, at the latest where the gap is."""
    await fill(server, LARGE_COUNT, LARGE_BYTES)
    await end(server, how)
    flip_bit(blocks(server)[1], 3 * LARGE_BYTES // 2)
    await server.start()
    with pytest.raises(CorruptLog):
        async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
            await follow_to(connection.log(0), LARGE_COUNT)


async def follow_to(log: EventLog, position: int, after: int = 0) -> None:
    async with aclosing(log.follow(after=after)) as batches:
        async for batch in batches:
            if batch[-1].position >= position:
                return


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_read_behind_a_checkpoint_fails_closed_when_the_end_was_lost(
    server: NatsServer, how: signal.Signals
) -> None:
    """A flipped bit in the last block takes the log's end back; a checkpoint proves it."""
    await fill(server, 20, 400)
    await end(server, how)
    last = blocks(server)[-1]
    flip_bit(last, last.stat().st_size // 2)
    await server.start()
    with pytest.raises(CorruptLog):
        await read_all(server, after=20)
    with pytest.raises(CorruptLog):
        async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
            await follow_to(connection.log(0), 21, after=20)


async def test_follower_fails_closed_when_the_server_returns_with_a_shorter_log(
    server: NatsServer,
) -> None:
    """A running follower compares the log's end with what it has read when it comes back."""
    await fill(server, 20, 400)
    async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
        async with aclosing(connection.log(0).follow()) as batches:
            seen = 0
            while seen < 20:
                seen = (await anext(batches))[-1].position
            await lose_the_end(server)
            with pytest.raises(CorruptLog):
                await anext(batches)
        await check_append_is_refused(connection)


async def lose_the_end(server: NatsServer) -> None:
    await end(server, signal.SIGKILL)
    last = blocks(server)[-1]
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size // 2)
    await server.start()


async def check_append_is_refused(connection: Connection) -> None:
    """A position that is given out a second time must not be acknowledged."""
    record = NewRecord(kind="Said", user="usr_a", record_id="new", body=b"new")
    with pytest.raises(CorruptLog):
        await connection.log(0).append([record])


async def test_append_again_adds_the_rest_when_a_power_cut_tore_a_batch(
    server: NatsServer,
) -> None:
    """A batch that was torn on disk before it was acknowledged is completed by its repetition."""
    records = [
        NewRecord(kind="Said", user="usr_a", record_id=f"r{i}", body=bytes(400)) for i in range(10)
    ]
    async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
        await connection.log(0).append(records)
    await lose_the_end(server)
    async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
        assert await connection.log(0).last_position() < 10
        assert await connection.log(0).append(records) == tuple(range(1, 11))
        assert [record.position async for record in connection.log(0).read()] == list(range(1, 11))


@pytest.mark.parametrize(
    ("positions", "has_all", "is_corrupt"),
    [
        ([6, 7, 8], True, False),
        ([7, 8], True, True),
        ([6, 8], True, True),
        ([6, 6], True, True),
        ([5], True, True),
        ([7, 9], False, False),
        ([7, 7], False, True),
        ([3], False, True),
    ],
)
def test_order_is_checked_record_by_record(
    positions: list[int], has_all: bool, is_corrupt: bool
) -> None:
    """Without a filter nothing may be missing; with one nothing may go back."""
    records = [Record(position=p, kind="Said", user="u", body=b"") for p in positions]
    if is_corrupt:
        with pytest.raises(CorruptLog):
            check_order("MIRIX_0", records, after=5, has_all=has_all)
    else:
        assert check_order("MIRIX_0", records, after=5, has_all=has_all) == positions[-1]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("$JS.ACK.MIRIX_0.r.1.6.2.0.0", ""),
        ("$JS.ACK.garbage", ""),
        ("", "503"),
        ("", "409"),
    ],
)
async def test_reader_is_given_up_when_a_message_did_not_arrive_whole(
    server: NatsServer, reply: str, status: str
) -> None:
    """What is lost on the way is no corruption: the reader goes, a new one reads it again."""
    async with asyncio.timeout(DEADLINE_S), connect(server.settings()) as connection:
        reader = PullReader(connection._api, "MIRIX_0", "mirix.0.*.*", 0)
        await reader.open()
        headers = {"Status": status, "Description": "Consumer Deleted"} if status else None
        message: Any = SimpleNamespace(
            subject="mirix.0.u.Said", reply=reply, data=b"", headers=headers
        )
        with contextlib.suppress(IndexError):
            await reader._receive(message)
        with pytest.raises(ReaderLost):
            await reader.take(10)
        await reader.close()


@pytest.mark.parametrize(
    ("payload", "user"),
    [
        (CauseHandled(agent="chat", through=1), NOBODY),
        (
            MessageReceived(
                message_id="m", conversation="c", content="hello", said_at=FixedClock().now
            ),
            "usr_a",
        ),
    ],
)
async def test_journal_fails_closed_and_names_the_position_when_a_body_was_altered(
    payload: Payload, user: str
) -> None:
    """Every bit of a body is guarded, sealed or clear; the operator learns which record it is."""
    codec = Codec(KeyRing(MemoryKeyStore()))
    new = NewEvent(event_id="e1", payload=payload, tenant="t", user=user, producer="test")
    body = codec.encode(new, 0, FixedClock().now).body
    for bit in range(0, 8 * len(body), 7):
        altered = bytearray(body)
        altered[bit // 8] ^= 1 << (bit % 8)
        log = MemoryLog()
        good = codec.encode(new, 0, FixedClock().now)
        bad = NewRecord(kind=good.kind, user=user, record_id="e2", body=bytes(altered))
        await log.append([good, bad])
        with pytest.raises(CorruptLog, match="position 2"):
            _ = [event async for event in Journal(log, codec, FixedClock()).read()]
