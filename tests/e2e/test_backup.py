"""Backup, wipe, restore over the command line: the same memory, told by the same hashes."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.exported import ExportedEvents
from tests.conversation import conversation
from tests.system import System, running_system


class Life:
    """What became of a system: what it held, where its backup and its exported files are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data, self.target, self.keys = root / "data", root / "backup", root / "keys"
        self.hashes: dict[str, Any] = {}
        self.memories: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.exported: dict[str, dict[str, Any]] = {}


def hashes(system: System) -> dict[str, Any]:
    states = [one["state"] for one in system.get("/status", hashes="true")["agents"]]
    return {one["projection"]: (one["position"], one["state_hash"]) for one in states}


def answer(system: System, *arguments: str) -> dict[str, Any]:
    done = system.mirix(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Live, back up, live on, back up again, export; then lose everything but the backup."""
    life = Life(tmp_path_factory.mktemp("life"))
    to = (str(life.target), "--keys-to", str(life.keys))
    with running_system(life.data) as system:
        system.say("ann", conversation(40), wait=True)
        life.reports.append(answer(system, "backup", *to))
        system.say("ann", conversation(55)[40:], wait=True)
        system.say("ben", conversation(5), wait=True)
        life.memories = system.memories("ann", "semantic")
        life.hashes = hashes(system)
        life.reports.append(answer(system, "backup", *to))
        life.exported["all"] = answer(system, "export", str(life.root / "all.jsonl"))
        life.exported["ben"] = answer(
            system, "export", str(life.root / "ben.jsonl"), "--user", "ben"
        )
        wrong = system.mirix("export", str(life.root / "ben.jsonl"))
        assert wrong.returncode == 2
        assert "is there already" in wrong.stderr
        inside = system.mirix("backup", str(life.target), "--keys-to", str(life.target / "keys"))
        assert inside.returncode == 2
        assert "must lie apart" in inside.stderr
    shutil.rmtree(life.data)
    return life


@pytest.fixture(scope="module")
def restored(life: Life) -> Iterator[System]:
    """Restore into the empty place and start what is there."""
    nobody = System(life.data, 1)
    report = answer(nobody, "restore", str(life.target), "--keys-from", str(life.keys))
    assert [one["is_equal"] for one in map(_compared, report["check"]["states"])] == [True] * 9
    with running_system(life.data) as system:
        yield system
    nobody.http.close()


def _compared(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "is_equal": state["live_hash"] == state["rebuilt_hash"]}


def test_second_backup_adds_what_is_new(life: Life) -> None:
    """The first one's segments stay, as they are in the new manifest."""
    first, second = (report["shards"][0] for report in life.reports)
    assert first["new_segments"] == first["segments"]
    assert second["segments"] == first["segments"] + second["new_segments"]
    assert second["last_position"] == first["last_position"] + second["new_records"]
    on_disk = sum(file.stat().st_size for file in life.target.rglob("*.s*"))
    assert on_disk == life.reports[1]["bytes"]
    files = [file for file in life.target.rglob("*") if file.is_file()]
    assert not [file for file in files if b"antique" in file.read_bytes()]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in life.keys.iterdir()}
    assert modes == {0o600}


async def test_exported_files_hold_what_was_said(life: Life) -> None:
    """The whole shard without gaps, and one person's part at its old positions."""
    everything = ExportedEvents.open(Path(life.exported["all"]["path"]))
    ben = ExportedEvents.open(Path(life.exported["ben"]["path"]))
    events = [event async for event in everything.read()]
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    mine = [event async for event in ben.read()]
    assert mine == [event for event in events if event.user == life.exported["ben"]["user"]]
    assert len(mine) == life.exported["ben"]["events"]
    assert stat.S_IMODE(ben.path.stat().st_mode) == 0o600


def test_restored_system_has_the_same_hashes(life: Life, restored: System) -> None:
    """Every projection, at the position where it was."""
    found = hashes(restored)
    # A start is recorded as well: what agents fold of it leaves their states as they were.
    assert {name: state[1] for name, state in found.items()} == {
        name: state[1] for name, state in life.hashes.items()
    }


def test_restored_system_remembers_and_lives_on(life: Life, restored: System) -> None:
    """The same memories, found by the same key, and new ones beside them."""
    assert restored.memories("ann", "semantic") == life.memories
    line = {"role": "user", "content": "My sister Quilla lives in Cusco."}
    restored.say("ann", [line], wait=True)
    found = restored.post("/memory/search", {"user_id": "ann", "query": "Quilla Cusco"})
    assert [hit for hit in found["results"] if "Quilla" in hit["text"]]


def test_restore_is_refused_where_a_system_is(life: Life, restored: System) -> None:
    """One line, exit status 2, and nothing happens to what is there."""
    refused = restored.mirix("restore", str(life.target), "--keys-from", str(life.keys))
    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    assert restored.http.get("/status").status_code == 200
