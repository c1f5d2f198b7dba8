"""A running system as the tests see it: the command line, the HTTP surface and the log below."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from cluster import wiring
from cluster.data_dir import DataDir
from events.codec import Codec
from events.connection import connect
from events.envelope import Event
from events.journal import Journal
from events.memory import TIERS
from events.sealing import KeyRing

T = TypeVar("T")

MIRIX = (sys.executable, "-m", "cluster.cli")
KEY = "a-preset-key-for-tests"
START_S_MAX = 180


class System:
    """One system under test."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx2.Client(
            base_url=f"{self.url}/api/v1", headers={"X-API-Key": KEY}, timeout=60
        )

    def mirix(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on this system."""
        command = [*MIRIX, *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def post(self, path: str, body: dict[str, Any], **query: Any) -> dict[str, Any]:
        """Post, again while the system is not there; what is sent must be safe to repeat."""
        return patiently(lambda: self._post(path, body, query))

    def _post(self, path: str, body: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(path, json=body, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def get(self, path: str, **query: Any) -> Any:
        """Get, again while the system is not there."""

        def once() -> Any:
            answer = self.http.get(path, params=query)
            answer.raise_for_status()
            return answer.json()

        return patiently(once)

    def say(self, user: str, messages: Sequence[dict[str, Any]], *, wait: bool = False) -> int:
        """Hand in messages of a user; return the position."""
        body = {"user_id": user, "conversation_id": "talk", "messages": list(messages)}
        position: int = self.post("/messages", body, wait=str(wait).lower())["position"]
        return position

    def memories(self, user: str, tier: str) -> list[dict[str, Any]]:
        """Return all memories of a user in a tier."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/memory/{tier}", user_id=user, limit=100, cursor=cursor)
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def logical_state(self, user: str) -> dict[str, list[Any]]:
        """Return what is remembered of a user, without ids, positions and times of recording."""
        return {tier: [_logical(one) for one in self.memories(user, tier)] for tier in TIERS}

    def pids(self) -> dict[str, int]:
        """Return the process ids of agents, gateway replica and nats-server.

        The record of processes is written every two seconds, so that what has just come back may
        stand in it a moment later than it answers.
        """
        agents = {one["agent"]: one["pid"] for one in self.get("/status")["agents"]}
        others: dict[str, int] = {}

        def recorded() -> bool:
            record = DataDir(self.data).read_system()
            assert record is not None
            for process in record.processes:
                part = "gateway" if "ServeReplica" in process.name else process.name
                others[part] = process.pid
            return {"gateway", "nats-server"} <= others.keys()

        wait_until(recorded, 30, "the record of gateway and nats-server")
        return {**agents, "gateway": others["gateway"], "nats-server": others["nats-server"]}

    async def events(self) -> list[Event]:
        """Return the whole log."""
        record = DataDir(self.data).read_system()
        assert record is not None
        async with connect(wiring.log_settings(record)) as connection:
            codec = Codec(KeyRing(wiring.keystore(DataDir(self.data))))
            return [event async for event in Journal(connection.log(0), codec).read()]


_NOT_LOGICAL = {"id", "position", "recorded_at", "superseded_by", "provenance"}


def _logical(memory: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in memory.items() if name not in _NOT_LOGICAL}
    return {**kept, "sources": memory["provenance"]["external_ids"]}


def patiently(work: Callable[[], T], deadline_s: float = 90) -> T:
    """Try until it succeeds: 502 to 504 and a broken connection mean that something restarts."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            return work()
        except (httpx2.TransportError, httpx2.HTTPStatusError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 503)
            if status not in (500, 502, 503, 504) or time.monotonic() > end:
                raise
        time.sleep(0.2)  # it is another process that we wait for, with a deadline


def wait_until(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Wait for a condition of another process."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {deadline_s:g} s"
        time.sleep(0.1)


def repeated(values: Sequence[T]) -> list[T]:
    """Return what is there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


@contextmanager
def running_system(data: Path, *options: str) -> Iterator[System]:
    """Start a system on a free port through `mirix up --detach`; stop it with `mirix down`."""
    port = free_port()
    system = System(data, port)
    environment = {**os.environ, "MIRIX_BOOTSTRAP_KEY": KEY}
    started = subprocess.run(
        [*MIRIX, "up", "--detach", "--json", "--data", str(data), "--port", str(port), *options],
        capture_output=True,
        text=True,
        timeout=START_S_MAX,
        env=environment,
        check=False,
    )
    try:
        assert started.returncode == 0, f"mirix up failed:\n{started.stderr}\n{started.stdout}"
        yield system
    finally:
        stopped = system.mirix("down", "--json")
        system.http.close()
        assert stopped.returncode == 0, stopped.stderr
        assert json.loads(stopped.stdout)["left"] == []


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
