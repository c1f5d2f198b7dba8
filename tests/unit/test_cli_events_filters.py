"""`mirix events` narrowed down by agent, correlation and time, and as a tree of causes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import pytest

from cluster import sources
from cluster.cli import main
from cluster.log_reading import Filter
from cluster.sources import Source
from events.envelope import Event
from events.errors import CommandRejected
from tests.unit.builders import NOON, event_of, said
from tests.unit.fakes.remembered import SECRET, remembered_log


def at(position: int, *, producer: str = "chat", correlation: str = "req_a") -> Event:
    """Return an event an hour a position after noon."""
    event = event_of(said("hi"), position=position)
    envelope = msgspec.structs.replace(
        event.envelope,
        producer=producer,
        correlation_id=correlation,
        recorded_at=NOON + timedelta(hours=position),
    )
    return msgspec.structs.replace(event, envelope=envelope)


EVENTS = (
    at(1),
    at(2, producer="search"),
    at(3, correlation="req_b"),
    at(4, producer="search", correlation="req_b"),
)


@pytest.mark.parametrize(
    ("wanted", "fitting"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(producer="search"), [2, 4]),
        (Filter(correlation="req_b"), [3, 4]),
        (Filter(producer="search", correlation="req_a"), [2]),
        (Filter(since=2, until=3), [2, 3]),
        (Filter(since=5), []),
        (Filter(since=NOON + timedelta(hours=3)), [3, 4]),
        (Filter(until=NOON + timedelta(hours=1)), [1]),
        (Filter(since=3, until=NOON + timedelta(hours=3)), [3]),
    ],
)
def test_filter_lets_through_what_fits(wanted: Filter, fitting: list[int]) -> None:
    """Positions and times are both included."""
    assert [event.position for event in EVENTS if wanted.fits(event)] == fitting


@pytest.mark.parametrize(
    ("since", "until"), [(3, 2), (NOON + timedelta(seconds=1), NOON)], ids=["positions", "times"]
)
def test_filter_is_refused_when_nothing_can_fit(
    since: int | datetime, until: int | datetime
) -> None:
    """A beginning after the end is a slip."""
    with pytest.raises(CommandRejected, match="since is after until"):
        Filter(since=since, until=until)


@pytest.fixture
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command read a log in memory instead of that of a running system."""

    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Source]:
        yield Source("the log", {0: await remembered_log()})

    monkeypatch.setattr(sources, "open_source", opened)


@pytest.mark.usefixtures("_remembered")
def test_tree_shows_what_came_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    """The message first, and below it what every agent made of it; secrets are blotted out."""
    assert main(["events", "tree", "cor_0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["events", "tree", "cor_2", "--json"]) == 0
    printed = capsys.readouterr().out

    assert lines[0] == "cor_0"
    assert "MessageReceived by test  I live in Lisbon." in lines[1]
    below = [line for line in lines if "MemoryRecorded by core_memory" in line]
    assert below
    assert all(line.index("MemoryRecorded") > lines[1].index("MessageReceived") for line in below)
    roots = [
        node for node in json.loads(printed)["trees"] if node["event"]["type"] == "MessageReceived"
    ]
    assert len(roots) == 2
    types = [child["event"]["type"] for child in roots[0]["children"]]
    assert "MemoryRecorded" in types
    assert SECRET not in printed


@pytest.mark.usefixtures("_remembered")
def test_tree_is_refused_when_nothing_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names what was asked for, exit status 2."""
    assert main(["events", "tree", "req_nothing"]) == 2
    assert "no events of correlation 'req_nothing'" in capsys.readouterr().err
