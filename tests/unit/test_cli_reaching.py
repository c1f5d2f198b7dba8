"""Reaching a system: a wrong address is told at once, a silent one after a few seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import psutil
import pytest

from cluster import cli_output, processes
from cluster.api_client import ApiClient, Retryable, base_address
from cluster.cli import main
from cluster.data_dir import DataDir, SystemRecord
from events.errors import Misconfigured, Unavailable
from tests.unit.fakes.small_gateway import KEY, Said, served

#: More than a command takes to give up, far less than a minute.
GIVEN_UP_S_MAX = 4.0


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after a moment, so that the test need not wait for seconds."""
    monkeypatch.setattr(cli_output, "INTERACTIVE_S", 0.2)
    monkeypatch.setenv("MIRIX_API_KEY", KEY)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("http://h:1", "http://h:1"),
        (" http://h:1/ ", "http://h:1"),
        ("http://h:1/api/v1", "http://h:1"),
        ("http://h:1/api/v1/", "http://h:1"),
        ("https://h/mirix/api/v1", "https://h/mirix"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_address_is_the_base_when_the_path_of_the_api_is_given(told: str, meant: str) -> None:
    """What people copy from a page with examples works."""
    assert base_address(told) == meant


@pytest.mark.parametrize(
    "url",
    ["", "h:1", "//h", "http://", "http://h:port", "http://h:0", "http://h:99999", "http://a b"],
)
def test_address_is_refused_when_it_cannot_be_one(url: str) -> None:
    """A malformed address is nothing to retry."""
    with pytest.raises(Misconfigured, match="not the address of a system"):
        base_address(url)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"], ["ingest", "chat.jsonl"]])
def test_command_gives_up_when_nobody_is_there(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line after a moment, for long work too: it has reached nothing yet."""
    monkeypatch.chdir(tmp_path)
    Path("chat.jsonl").write_text('{"content": "hi"}\n')
    started_s = time.monotonic()

    assert main([*command, "--url", "http://127.0.0.1:9"]) == 1

    assert time.monotonic() - started_s < GIVEN_UP_S_MAX
    told = capsys.readouterr().err
    assert "cannot reach http://127.0.0.1:9" in told
    assert told.count("\n") == 1


async def test_system_is_reached_when_it_answers_anything() -> None:
    """Even a refusal is a sign of life."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(401))

    async with ApiClient("http://h.test", "k", transport=transport) as client:
        await client.reach(1.0)


async def test_request_is_not_repeated_when_the_server_asks_for_more_than_our_patience() -> None:
    """Somebody waits: a minute's pause is an answer, not something to sit through."""
    tries = 0

    def handle(request: httpx2.Request) -> httpx2.Response:
        nonlocal tries
        tries += 1
        return httpx2.Response(503, json={"detail": "later"}, headers={"Retry-After": "60"})

    transport = httpx2.MockTransport(handle)
    async with ApiClient("http://h.test", "k", transport=transport, patience_s=5) as client:
        with pytest.raises(Retryable, match="later"):
            await client.status()

    assert tries == 1


def test_search_shows_when_it_was_said_when_nothing_tells_when_it_happened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The day of ingestion says nothing about the memory."""
    monkeypatch.setenv("MIRIX_API_KEY", KEY)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path))

    with served(Said()) as url:
        assert main(["search", "where", "--url", f"{url}/api/v1"]) == 0

    assert "2025-03-01" in capsys.readouterr().out


@pytest.fixture
def left(tmp_path: Path) -> Iterator[DataDir]:
    """A directory whose supervisor is gone and one of whose processes lives."""
    directory = DataDir(tmp_path)
    directory.prepare()
    code = "import sys; sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    alive = processes.record_of(psutil.Process(process.pid))
    gone = msgspec.structs.replace(alive, created_at_s=1.0)
    record = SystemRecord(supervisor=gone, run_id="", port=9, processes=(alive,))
    directory.write_system(record)
    yield directory
    process.kill()
    process.wait()


@pytest.mark.parametrize("command", ["status", "verify"])
def test_processes_that_are_left_are_told_when_the_supervisor_was_killed(
    left: DataDir, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy is in the line."""
    assert main([command, "--data", str(left.root)]) == 1
    assert "1 process is left: `mirix down` ends what is left" in capsys.readouterr().err


def test_doctor_tells_what_is_left_and_looks_at_the_port_of_that_system(
    left: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port is the one that the system of this directory had."""
    main(["doctor", "--data", str(left.root), "--json"])

    findings = {item["what"]: item for item in json.loads(capsys.readouterr().out)}
    assert findings["system"]["level"] == "warning"
    assert "1 process is left" in findings["system"]["found"]
    assert findings["port"]["found"].startswith("127.0.0.1:9 ")


def test_status_says_that_none_runs_when_there_is_no_record(tmp_path: Path) -> None:
    """Nothing left is nothing to end."""
    from cluster.presence import running_system

    with pytest.raises(Unavailable, match="no system runs on"):
        running_system(DataDir(tmp_path))
