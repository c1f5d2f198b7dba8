"""The power goes while events come in: every acknowledged one is there afterwards (I1).

A power cut is simulated as a copy of the disk at one moment: the log lies on a file system in a
file, the server is stopped where it is, and what had reached the disk by then is all that is left.
What the server or the kernel only kept in memory is not in the copy. It needs root, to mount.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from events.connection import connect
from events.ids import random_id
from events.log import EventLog, NewRecord
from events.nats_server import NatsServer

IMAGE_MB = 96
WRITERS = 16
ACKNOWLEDGED_MIN = 400


def make_file_system(image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(IMAGE_MB * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount a file system image through a loop device."""
    at.mkdir()
    done = subprocess.run(["mount", "-o", "loop", image, at], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here, which the simulation needs: {done.stderr!r}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


async def write(log: EventLog, acknowledged: dict[str, int], enough: asyncio.Event) -> None:
    """Append for ever, one to three records at a time, and note what was acknowledged."""
    count = 0
    while True:
        count = count % 3 + 1
        records = [
            NewRecord(kind="Noted", user="usr_a", record_id=random_id("rec"), body=b"x" * 300)
            for _ in range(count)
        ]
        positions = await log.append(records)
        acknowledged |= zip((r.record_id for r in records), positions, strict=True)
        if len(acknowledged) >= ACKNOWLEDGED_MIN:
            enough.set()


async def write_until_the_power_goes(directory: Path, image: Path, copy: Path) -> dict[str, int]:
    """Return what was acknowledged before the server froze and the disk was copied."""
    acknowledged: dict[str, int] = {}
    server = NatsServer(directory)
    await server.start()
    try:
        # Appends that the frozen server holds up are not waited for.
        settings = msgspec.structs.replace(
            await server.prepare(), append_deadline_s=1.0, request_deadline_s=1.0
        )
        async with connect(settings) as connection:
            log = connection.log(0)
            enough = asyncio.Event()
            writers = [
                asyncio.create_task(write(log, acknowledged, enough)) for _ in range(WRITERS)
            ]
            async with asyncio.timeout(60):
                await enough.wait()
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            before = dict(acknowledged)
            shutil.copyfile(image, copy)
            os.kill(server.pid, signal.SIGKILL)
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
    finally:
        await server.stop()
    return before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
@pytest.mark.parametrize("attempt", range(3))
async def test_every_acknowledged_event_survives_a_power_cut(tmp_path: Path, attempt: int) -> None:
    """What an append was told is in the log is at its position on the disk that is left."""
    image, copy = tmp_path / "disk.img", tmp_path / "after.img"
    make_file_system(image)
    with mounted(image, tmp_path / "disk") as disk:
        acknowledged = await write_until_the_power_goes(disk / "log", image, copy)
    with mounted(copy, tmp_path / "after") as disk:
        server = NatsServer(disk / "log")
        await server.start()
        try:
            async with connect(server.settings()) as connection:
                found = [record.position async for record in connection.log(0).read()]
                again = await connection.log(0).append(
                    [
                        NewRecord(kind="Noted", user="usr_a", record_id=name, body=b"x" * 300)
                        for name in list(acknowledged)[-20:]
                    ]
                )
        finally:
            await server.stop()
    assert len(acknowledged) >= ACKNOWLEDGED_MIN
    assert set(acknowledged.values()) <= set(found)
    assert list(again) == list(acknowledged.values())[-20:]
