"""Looking into the log from the command line: what is there, and what is merely mistyped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from cluster import cli_events, wiring
from cluster.cli import main
from cluster.cli_events import _print
from cluster.cli_output import WrongUse
from cluster.data_dir import DataDir
from cluster.log_reading import Filter, LogReader
from events.catalogue import MessageReceived
from events.codec import Codec
from events.connection import Connection, LogSettings
from events.envelope import NewEvent
from events.errors import CommandRejected, NotFound
from events.journal import Journal
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.unit.builders import NOON


class FakeConnection:
    """Logs in memory, as many as there are shards."""

    def __init__(self, shards: int = 1) -> None:
        self.settings = LogSettings(url="", monitor_url="", shards=shards)
        self._logs = [MemoryLog(shard) for shard in range(shards)]

    def log(self, shard: int) -> MemoryLog:
        return self._logs[shard]


async def reader_of(tmp_path: Path, events: int, shards: int = 1) -> LogReader:
    directory = DataDir(tmp_path)
    directory.prepare()
    connection = FakeConnection(shards)
    journal = Journal(connection.log(0), Codec(KeyRing(wiring.keystore(directory))))
    for number in range(events):
        said = MessageReceived(
            message_id=f"msg_{number}", conversation="c", role="user", content="hi", said_at=NOON
        )
        await journal.append(
            [
                NewEvent(
                    event_id=f"evt_{number}",
                    payload=said,
                    tenant="t",
                    user="usr_a",
                    producer="test",
                )
            ]
        )
    return LogReader(directory, cast(Connection, connection))


async def test_event_is_shown_when_its_position_or_id_is_given(tmp_path: Path) -> None:
    """A position, a shard with a position, or an id name the same event."""
    reader = await reader_of(tmp_path, 3)

    shown = await reader.one("2")

    assert shown["payload"]["message_id"] == "msg_1"
    assert await reader.one("0:2") == shown
    assert await reader.one("evt_1") == shown


@pytest.mark.parametrize(
    ("reference", "shards", "told"),
    [
        ("99999", 1, "no event at position 99999; the log ends at 3"),
        ("0", 1, "no event at position 0; the log ends at 3; positions begin at 1"),
        ("0:4", 2, "no event at position 4; the log of shard 0 ends at 3"),
        ("5:1", 2, "no shard 5; there are 2, counted from 0"),
        ("evt_other", 1, "no event evt_other in the log"),
    ],
)
async def test_reference_is_told_when_nothing_is_there(
    tmp_path: Path, reference: str, shards: int, told: str
) -> None:
    """A typing error is not a loss of records."""
    reader = await reader_of(tmp_path, 3, shards)

    with pytest.raises(NotFound) as failure:
        await reader.one(reference)

    assert failure.value.message == told


async def test_position_is_refused_when_it_is_beyond_the_end(tmp_path: Path) -> None:
    """Nothing can be there: it is a slip, not an empty answer."""
    reader = await reader_of(tmp_path, 3, shards=2)

    await reader.check(Filter(since=3, until=3))
    for wanted in (Filter(since=4), Filter(until=4)):
        with pytest.raises(CommandRejected, match="position 4 is beyond the end of the log, 3"):
            await reader.check(wanted)


@pytest.mark.parametrize("command", [["tail"], ["grep", "lisbon"]], ids=" ".join)
def test_listing_says_so_when_no_event_matches(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr: for a program an empty answer is one."""

    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(cli_events, "system_here", lambda data: (None, None))
    monkeypatch.setattr(cli_events, f"_{command[0]}", nothing)

    assert main(["events", *command]) == 0

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "no events match\n")


def test_show_is_asked_wrongly_when_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller mistyped: the exit status is that of a usage error."""

    async def nothing(*_: object) -> dict[str, Any]:
        raise NotFound("no event at position 9; the log ends at 3")

    monkeypatch.setattr(cli_events, "system_here", lambda data: (None, None))
    monkeypatch.setattr(cli_events, "_one", nothing)

    with pytest.raises(WrongUse, match="the log ends at 3"):
        cli_events.show("9")


def test_payload_is_json_when_events_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is listed can be read by the tools that read what is shown."""
    event = {"shard": 0, "position": 1, "recorded_at": "2026-01-05T12:00:00+00:00"}
    _print({**event, "type": "T", "user": "u", "payload": {"a": None, "b": ["c"]}}, False)

    assert capsys.readouterr().out.splitlines()[1] == '{"a": null, "b": ["c"]}'
