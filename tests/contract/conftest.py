"""Real servers and their twins, for the suites that run over every implementation of a port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from events.connection import Connection, connect
from events.log import EventLog, NewRecord
from events.memory_log import MemoryLog
from events.nats_server import NatsServer
from events.signals import MemorySignals, Signals

DEADLINE_S = 20.0

MakeRecord = Callable[..., NewRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    """Return a maker of records whose id is given and whose body tells it."""

    def make(record_id: str, *, kind: str = "Said", user: str = "usr_a") -> NewRecord:
        body = f"body of {record_id}".encode()
        return NewRecord(kind=kind, user=user, record_id=record_id, body=body)

    return make


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Start a server of its own for a test, and end it by its process id."""
    server = NatsServer(tmp_path / "nats")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def connection(nats_server: NatsServer) -> AsyncIterator[Connection]:
    """Connect to the test's server, with two shards."""
    async with connect(nats_server.settings(shards=2)) as connection:
        yield connection


@pytest.fixture(params=["memory", "jetstream"])
def event_log(request: pytest.FixtureRequest) -> EventLog:
    """Return an empty log of shard 0, of every kind that there is."""
    if request.param == "memory":
        return MemoryLog(0)
    opened: Connection = request.getfixturevalue("connection")
    return opened.log(0)


@pytest.fixture(params=["memory", "nats"])
def signals(request: pytest.FixtureRequest) -> Signals:
    """Return signals of every kind that there is."""
    if request.param == "memory":
        return MemorySignals()
    opened: Connection = request.getfixturevalue("connection")
    return opened.signals
