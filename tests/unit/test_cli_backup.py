"""Backup, restore and export on the command line: what is told, and what is merely mistyped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster import cli_backup
from cluster.backup import BackupReport, ShardReport
from cluster.cli import main
from cluster.cli_backup import _progress, _show_backup, _show_restored
from cluster.restore import RestoreReport
from cluster.restored_check import StateCheck
from events.exported import ExportedEvents
from tests.backup_fixtures import SmallSystem
from tests.unit.builders import NOON


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["backup", "b"], "--keys-to"),
        (["backup", "b", "--keys-to", "b/keys"], "must lie apart"),
        (["backup", "", "--keys-to", "k"], "an empty name"),
        (["backup", "ftp://h/x", "--keys-to", "k"], "no place for a backup"),
        (["backup", "b", "--keys-to", "memory://"], "would be gone"),
        (["backup", "data/x", "--keys-to", "k"], "lies inside"),
        (["restore", "b"], "--keys-from"),
        (["restore", "b", "--keys-from", "k"], "there is no directory"),
        (["restore", ".", "--keys-from", "k"], "there is no backup at"),
        (["export"], "file"),
        (["export", "f", "--from", "0"], "--from"),
        (["export", "f", "--to", "x"], "--to"),
        (["export", "f", "--shard", "-1"], "--shard"),
    ],
)
def test_usage_error_is_status_2_when_a_value_cannot_be(
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """One line says what, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "data"))

    assert main(arguments) == 2

    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["backup", "b", "--keys-to", "k"], ["export", "f", "--user", "ann"]]
)
def test_status_is_1_when_no_system_runs(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """That is no wrong use; nothing is made all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "data"))

    assert main(arguments) == 1

    told = capsys.readouterr().err
    assert "no system runs" in told
    assert "in clear" not in told
    assert list(tmp_path.iterdir()) == []


def test_export_warns_that_it_is_in_clear(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On stderr, so that the answer on stdout stays one line of JSON."""

    async def exported(file: Path, *_: Any) -> Any:
        from cluster.export import export

        system = SmallSystem(tmp_path / "data")
        await system.live(2)
        return await export([system.journal()], file)

    monkeypatch.setattr(cli_backup, "_export", exported)
    path = tmp_path / "events.jsonl"

    assert main(["export", str(path), "--json"]) == 0

    printed = capsys.readouterr()
    assert "in clear" in printed.err
    assert json.loads(printed.out)["events"] == 4
    assert ExportedEvents.open(path).header.last_position == 4


def test_progress_is_a_line_a_unit_when_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A log of it stays short, however long the work."""
    with _progress() as tell:
        for done in range(1000):
            tell("log of shard 0", done, 1000)
        tell("keys", 1, 1)
    assert capsys.readouterr().err.splitlines() == ["log of shard 0", "keys"]


def test_what_was_backed_up_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """How far the log goes, what was added, where it lies."""
    shard = ShardReport(shard=0, last_position=90, segments=3, new_segments=1, new_records=10)
    _show_backup(
        BackupReport(
            target="/b",
            keys_to="/k",
            created_at=NOON,
            shards=(shard,),
            bytes=2_500_000,
            users=1,
            erased=2,
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["0", "90", "3", "1", "10", "0"]
    assert lines[2:] == ["2.5 MB in /b", "keys of 1 user, 2 erased in /k"]


def test_how_to_start_is_shown_when_a_system_was_restored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With as many shards as it had: people would be missing otherwise."""
    _show_restored(
        RestoreReport(
            source="/b",
            data="/new",
            created_at=NOON,
            shards=2,
            last_positions={"0": 5, "1": 0},
            snapshots=1,
            continued=False,
            check=StateCheck(left_out="not asked for"),
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["shard 0: positions 1 to 5", "shard 1: positions 1 to 0"]
    assert lines[2:] == [
        "states not compared: not asked for",
        "start it with: MIRIX_SHARDS=2 mirix up --data /new",
    ]
