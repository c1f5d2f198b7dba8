"""`mirix rebuild` and `mirix verify`: what they do to a shard, what they tell, how they end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from actors.names import AGENTS, Agent
from actors.queries import StateView
from actors.rebuilding import empty_projection
from actors.verifying import Finding, Verdict
from cluster import rebuilding
from cluster.api_client import ApiClient
from cluster.cli import main
from cluster.cli_rebuild import _show_rebuilt, _show_rolled_back, _show_verdicts
from cluster.data_dir import DataDir, SystemRecord
from cluster.rebuilding import Rebuilt, check_shard, rebuild_shard
from events.codec import Codec
from events.errors import CorruptLog, MirixError, Unavailable
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.base import state_hash
from projections.rebuild import rebuild
from projections.snapshots import SnapshotDirectory
from tests.unit.builders import new_message

COUNT = 8


class FakeClient:
    """A gateway that tells states and takes swaps."""

    def __init__(self, states: dict[Agent, StateView]) -> None:
        self.states = states
        self.swapped: list[tuple[str, int, int]] = []
        self.down = False

    async def status(self, *, hashes: bool = False) -> dict[str, Any]:
        if self.down:
            raise Unavailable("cannot reach it")
        told = [
            {"agent": agent, "shard": 0, "state": msgspec.to_builtins(state)}
            for agent, state in self.states.items()
        ]
        return {"agents": told, "last_positions": {"0": COUNT}}

    async def swap(self, projection: str, shard: int, position: int) -> dict[str, Any]:
        self.swapped.append((projection, shard, position))
        return {}


class Shard:
    """What the commands reach: log, snapshots, gateway."""

    def __init__(self, tmp_path: Path) -> None:
        codec = Codec(KeyRing(MemoryKeyStore()))
        self.journal = Journal(MemoryLog(), codec)
        self.snapshots = SnapshotDirectory(tmp_path, codec.keys)
        self.fake = FakeClient({})
        self.holes = ""
        self.place = (
            cast(ApiClient, self.fake),
            cast(DataDir, None),
            cast(SystemRecord, None),
        )

    async def fill(self) -> None:
        await self.journal.append([new_message(f"word {n}", n) for n in range(COUNT)])
        for agent in AGENTS:
            projection = empty_projection(agent)
            await rebuild(projection, self.journal, COUNT)
            self.fake.states[agent] = StateView(
                projection=projection.name,
                version=projection.version,
                position=COUNT,
                state_hash=state_hash(projection),
                pid=1,
            )

    def change(self, agent: Agent, **fields: Any) -> None:
        self.fake.states[agent] = msgspec.structs.replace(self.fake.states[agent], **fields)

    @asynccontextmanager
    async def opened(self, *_: Any) -> AsyncIterator[tuple[Journal, SnapshotDirectory]]:
        if self.holes:
            raise CorruptLog(self.holes, 3)
        yield self.journal, self.snapshots


@pytest.fixture
async def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shard:
    """Return a sound shard, behind the functions that the commands call."""
    made = Shard(tmp_path)
    await made.fill()
    monkeypatch.setattr(rebuilding, "_shard", made.opened)
    return made


def files(directory: Path, kind: str) -> list[Path]:
    """Return the files of a kind: snapshot, rebuilt, previous, damaged."""
    return sorted(directory.glob(f"*.{kind}"))


async def test_every_state_is_built_beside_and_swapped(shard: Shard, tmp_path: Path) -> None:
    """The new states lie on disk before the agents are asked; all are equal."""
    done = await rebuild_shard(*shard.place, 0)
    assert [one.done for one in done] == ["swapped"] * len(AGENTS)
    assert not [one for one in done if one.is_wrong]
    assert len(shard.fake.swapped) == len(files(tmp_path, "rebuilt")) == len(AGENTS)
    assert {position for _, _, position in shard.fake.swapped} == {COUNT}


async def test_dry_run_replaces_nothing(shard: Shard, tmp_path: Path) -> None:
    """Nothing is written, nobody is asked to change anything."""
    shard.change("chat", state_hash="0" * 64)
    done = await rebuild_shard(*shard.place, 0, dry_run=True)
    assert [one.comparison.agent for one in done if one.is_wrong] == ["chat"]
    assert not shard.fake.swapped
    assert not files(tmp_path, "*")


async def test_wrong_state_is_swapped_all_the_same_and_its_snapshots_go(
    shard: Shard, tmp_path: Path
) -> None:
    """The log is the truth: the live state goes, and what was kept of it."""
    wrong = empty_projection("chat")
    await rebuild(wrong, shard.journal, COUNT - 1)
    shard.snapshots.save(wrong, COUNT)
    shard.change("chat", state_hash=state_hash(wrong))
    done = await rebuild_shard(*shard.place, 0, projection="conversations")
    assert [(one.done, one.is_wrong) for one in done] == [("swapped", True)]
    assert shard.fake.swapped == [("conversations", 0, COUNT)]
    assert len(files(tmp_path, "damaged")) == 1


async def test_newer_version_is_prepared_for_its_program(shard: Shard, tmp_path: Path) -> None:
    """An older agent cannot take it: it waits as a snapshot, and is no difference."""
    shard.change("chat", version=0)
    (one,) = await rebuild_shard(*shard.place, 0, projection="chat")
    assert (one.done, one.is_wrong) == ("prepared", False)
    assert not shard.fake.swapped
    fresh = empty_projection("chat")
    assert shard.snapshots.load(fresh) == COUNT
    assert state_hash(fresh) == one.comparison.rebuilt_hash


async def test_verify_reads_the_log_when_no_agent_answers(shard: Shard) -> None:
    """Where the log is bad the agents are gone; the operator is told of the log first."""
    assert (await check_shard(*shard.place, 0)).is_sound
    shard.fake.down = True
    (finding,) = (await check_shard(*shard.place, 0)).findings
    assert finding.part == "projection"
    assert "cannot reach it" in finding.told
    shard.holes = "records are lost"
    first, _ = (await check_shard(*shard.place, 0)).findings
    assert (first.part, first.position) == ("log", 3)


async def shown(shard: Shard, **options: Any) -> list[Rebuilt]:
    shard.change("chat", state_hash="0" * 64)
    return await rebuild_shard(*shard.place, 0, projection="chat", **options)


async def test_one_line_tells_what_was_repaired_and_how_to_go_back(
    shard: Shard, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table says so too, and JSON has `equal: false`."""
    done = await shown(shard)
    with pytest.raises(MirixError, match=r"conversations --roll-back` puts the old state back"):
        _show_rebuilt(done, as_json=False)
    assert "differs" in capsys.readouterr().out
    with pytest.raises(MirixError, match="is repaired: conversations of shard 0"):
        _show_rebuilt(done, as_json=True)
    (item,) = json.loads(capsys.readouterr().out)
    assert (item["equal"], item["done"]) == (False, "swapped")
    with pytest.raises(MirixError, match="`mirix rebuild` repairs it"):
        _show_rebuilt(await shown(shard, dry_run=True), as_json=False)


def test_what_was_put_back_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """And which command goes forward again: rolling back a second time does not."""
    state = {"shard": 0, "projection": "chat", "position": 9, "state_hash": "0" * 64}

    _show_rolled_back([state], as_json=False)

    assert capsys.readouterr().out.splitlines()[-1] == (
        "put back 1 state that the last rebuild replaced; `mirix rebuild` makes them anew "
        "from the log"
    )


def test_first_bad_position_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One line; a sound shard needs none."""
    sound = Verdict(shard=0, through=9, events=9)
    _show_verdicts([sound], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["sound"] is True
    bad = Finding(part="log", position=4, told="records are lost")
    with pytest.raises(
        MirixError, match=r"^shard 0 is bad at position 4: records are lost \(and 1"
    ):
        _show_verdicts([msgspec.structs.replace(sound, findings=(bad, bad))], as_json=False)
    assert "9 events" in capsys.readouterr().out


def test_usage_error_is_status_2_when_both_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To compare only and to go back contradict each other."""
    assert main(["rebuild", "--dry-run", "--roll-back"]) == 2
    assert "do not go together" in capsys.readouterr().err
