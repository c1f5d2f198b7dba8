"""The embedded server and the connection to it, when things go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
import psutil
import pytest
from structlog.testing import capture_logs

from events.connection import Connection, connect
from events.errors import CorruptLog, Misconfigured, Unavailable
from events.log import Record
from events.nats_server import NatsServer
from tests.contract.conftest import DEADLINE_S, MakeRecord

ROOT = Path(__file__).parents[2]


async def kill(server: NatsServer) -> None:
    """Kill the server's process, by its id, and wait for its end."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait_ended()


async def test_follow_goes_on_after_the_server_was_killed(
    nats_server: NatsServer, connection: Connection, make_record: MakeRecord
) -> None:
    """A follower survives kill -9 and a restart, missing and repeating nothing."""
    log = connection.log(0)
    await log.append([make_record(f"a{i}") for i in range(10)])
    seen: list[Record] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(log.follow()) as batches:
        while len(seen) < 10:
            seen.extend(await anext(batches))
        await kill(nats_server)
        await nats_server.start()
        await log.append([make_record(f"b{i}") for i in range(10)])
        while len(seen) < 20:
            seen.extend(await anext(batches))
    assert [record.position for record in seen] == list(range(1, 21))


async def test_append_succeeds_once_when_the_server_dies_meanwhile(
    nats_server: NatsServer, connection: Connection, make_record: MakeRecord
) -> None:
    """Appends that meet a dead server are retried with the same ids: each is there once."""
    log = connection.log(0)

    async def write(writer: int) -> list[int]:
        return [(await log.append([make_record(f"w{writer}_{i}")]))[0] for i in range(30)]

    async with asyncio.timeout(DEADLINE_S):
        writers = [asyncio.create_task(write(n)) for n in range(8)]
        await log.append([make_record("first")])
        await kill(nats_server)
        await nats_server.start()
        positions = [p for answer in await asyncio.gather(*writers) for p in answer]
        read = [record async for record in log.read()]
    assert len(read) == 241
    assert len({record.body for record in read}) == 241
    assert len(set(positions)) == 240


async def test_append_is_unavailable_when_the_server_stays_away(
    nats_server: NatsServer, make_record: MakeRecord
) -> None:
    """Appends end by their deadline, and the whole group is told."""
    settings = msgspec.structs.replace(nats_server.settings(), append_deadline_s=0.3)
    async with connect(settings) as connection:
        await kill(nats_server)
        async with asyncio.timeout(DEADLINE_S):
            answers = await asyncio.gather(
                *(connection.log(0).append([make_record(f"r{i}")]) for i in range(5)),
                return_exceptions=True,
            )
            with pytest.raises(Unavailable):
                _ = [record async for record in connection.log(0).read()]
        assert all(isinstance(answer, Unavailable) for answer in answers)


def _tells(lines: Sequence[Mapping[str, object]], event: str) -> bool:
    return event in [line["event"] for line in lines]


async def test_connection_is_lost_only_when_nobody_closed_it(nats_server: NatsServer) -> None:
    """A close that was wanted is no warning; the end of the server is one."""
    with capture_logs() as wanted:
        async with connect(nats_server.settings()):
            pass
    with capture_logs() as unwanted:
        async with asyncio.timeout(DEADLINE_S), connect(nats_server.settings()):
            await kill(nats_server)
            while not _tells(unwanted, "connection_lost"):  # noqa: ASYNC110  # a log sets no event
                await asyncio.sleep(0.01)
    assert not _tells(wanted, "connection_lost")


async def test_supervise_starts_the_server_again_until_it_is_stopped(
    nats_server: NatsServer, connection: Connection, make_record: MakeRecord
) -> None:
    """Who dies is started again on the same ports and the same store."""
    supervisor = asyncio.create_task(nats_server.supervise())
    await connection.log(0).append([make_record("a")])
    first_pid = nats_server.pid
    await kill(nats_server)
    async with asyncio.timeout(DEADLINE_S):
        assert await connection.log(0).append([make_record("b")]) == (2,)
        assert nats_server.pid not in (None, first_pid)
        await nats_server.stop()
        await supervisor
    assert nats_server.pid is None


async def test_connect_refuses_a_server_that_acknowledges_before_it_syncs(tmp_path: Path) -> None:
    """I1: the default of NATS loses acknowledged events in a power cut; it is not accepted."""
    server = NatsServer(tmp_path / "nats", sync_always=False)
    await server.start()
    try:
        with pytest.raises(Misconfigured, match="sync_interval: always"):
            async with connect(server.settings()):
                pass
    finally:
        await server.stop()


async def test_connect_refuses_a_stream_that_is_set_up_differently(
    nats_server: NatsServer, connection: Connection
) -> None:
    """A stream whose records could be deleted is not a log."""
    loose = {"name": "MIRIX_2", "subjects": ["mirix.2.*.*"], "storage": "file"}
    await connection._api.request("$JS.API.STREAM.CREATE.MIRIX_2", msgspec.json.encode(loose))
    with pytest.raises(Misconfigured, match="deny_delete"):
        async with connect(nats_server.settings(shards=3)):
            pass


async def test_connect_is_unavailable_when_nobody_listens(nats_server: NatsServer) -> None:
    """A server that is away is told from one that is set up wrongly."""
    settings = msgspec.structs.replace(nats_server.settings(), connect_deadline_s=0.5)
    await nats_server.stop()
    with pytest.raises(Unavailable):
        async with connect(settings):
            pass


async def test_connect_is_unavailable_when_the_password_is_wrong(nats_server: NatsServer) -> None:
    """Only who knows the password reaches the log."""
    settings = msgspec.structs.replace(
        nats_server.settings(), password="wrong", connect_deadline_s=1.0
    )
    with pytest.raises(Unavailable, match="credentials"):
        async with connect(settings):
            pass


async def test_acknowledged_position_that_went_back_is_a_corrupt_log(
    nats_server: NatsServer, connection: Connection, make_record: MakeRecord
) -> None:
    """A server that comes back with an older store is caught by the first write and read."""
    log = connection.log(0)
    await log.append([make_record(f"r{i}") for i in range(5)])
    log._writer.highest = 7
    with pytest.raises(CorruptLog):
        await log.append([make_record("new")])
    with pytest.raises(CorruptLog):
        await log.last_position()


async def test_files_of_the_server_are_readable_by_their_owner_only(
    nats_server: NatsServer,
) -> None:
    """The password is in no file that others can read."""
    for name in ("nats-password", "nats-server.conf"):
        path = nats_server.directory / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "password" not in repr(nats_server.settings())


async def test_start_is_unavailable_when_another_server_has_the_directory(
    nats_server: NatsServer,
) -> None:
    """Two servers would ruin one store; the second is refused until the first has ended."""
    second = NatsServer(nats_server.directory)
    with pytest.raises(Unavailable, match="another nats-server"):
        await second.start()
    await nats_server.stop()
    await second.start()
    await second.stop()


_START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from events.nats_server import NatsServer
async def main():
    server = NatsServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """The kernel ends the server with its parent, even one killed with signal 9."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _START_AND_WAIT, str(tmp_path), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while not (line := (await parent.stdout.readline()).strip()).isdigit():
            assert parent.returncode is None
        server = psutil.Process(int(line))
        assert "nats-server" in server.exe()
        parent.kill()
        await parent.wait()
    await asyncio.to_thread(server.wait, DEADLINE_S)
    assert not server.is_running()
