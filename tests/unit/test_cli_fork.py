"""`mirix fork`: what it shows, what it keeps, and what it is wrongly asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster import sources
from cluster.cli import main
from cluster.sources import Source
from events.memory import TIERS
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from tests.unit.fakes.remembered import SECRET, remembered_log

pytestmark = pytest.mark.usefixtures("_remembered")


@pytest.fixture
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands read a log in memory instead of that of a running system; files are files."""
    real = sources.open_source

    @asynccontextmanager
    async def opened(*_: object, file: Path | None = None, **__: object) -> AsyncIterator[Source]:
        if file is not None:
            async with real(file=file) as source:
                yield source
            return
        keys = KeyRing(MemoryKeyStore(b"m" * 32))
        yield Source("the log", {0: await remembered_log(keys)}, keys=keys)

    monkeypatch.setattr(sources, "open_source", opened)


def forked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["fork", "--at", "0", *arguments, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_nothing_differs_when_nothing_is_decided_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The answer has the shape of `POST /timeline/fork`; what counts is counted by tier."""
    same = forked(capsys)

    assert set(same) == {
        *("extractor", "agents", "causes", "parked", "failure", "memories", "difference")
    }
    assert (same["extractor"], same["parked"]) == ("rules", 0)
    assert same["causes"] > 0
    assert same["difference"]["changes"] == []
    assert set(same["difference"]["counts"]) == set(TIERS)


def test_fork_is_shown_and_kept_to_step_through(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What only the log has is told line by line; the new history is a file of events."""
    kept = tmp_path / "fork.jsonl"
    asked = ["fork", "--at", "0", "--user", "usr_ann", "--extractor", "none", "--keep", str(kept)]

    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert main(["replay", "--from-file", str(kept), "--user", "usr_ann", "--json"]) == 0
    state = json.loads(capsys.readouterr().out)["state"]

    assert "- core mem_" in shown
    assert "only in the log" in shown
    assert SECRET not in shown
    assert not state["core"]
    assert len(state["conversations"]) == 9
    assert main(asked) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--at", "soon"], "is no moment"),
        (["--at", "99999"], "there is no position 99999"),
        (["--at", "5", "--until", "3"], "cannot fork from position 5 to 3"),
        (["--at", "0", "--agent", "chat"], "core_memory"),
        (["--at", "0", "--set", "importance=0.5"], "did you mean importance_min?"),
        (["--at", "0", "--set", "importance_min=2"], "importance_min"),
        (["--at", "0", "--extractor", "model:any"], "no language model is configured"),
        (["--at", "0", "--extractor", "magic"], "is no extractor"),
        (["--at", "0", "--shard", "4"], "there is no shard 4"),
        (["--at", "0", "--user", "usr_bob"], "there is nothing of user usr_bob"),
        ([], "Missing option '--at'"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, nothing on stdout, and the line says what is wrong."""
    assert main(["fork", *arguments]) == 2

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
