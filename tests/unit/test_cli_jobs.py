"""`mirix job` asked wrongly, or where no system runs: one line, and which exit status."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.jobs.arguments import split
from cluster.jobs.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["submit", "dream"], "choose from rebuild, replay, verify"),
        (["submit", "verify", "--", "--fast"], "unrecognized arguments: --fast"),
        (["submit", "rebuild", "--", "--projection", "dreams"], "dreams is no projection"),
        (["submit", "replay", "--", "--to", "soon"], "is no moment"),
        (["submit", "backup", "--", "/backup"], "required: --keys-to"),
        (["submit", "eval", "--", "poems", "x"], "choose from locomo, extraction"),
        (["list", "--address", "here:1"], "expected e.g. http://127.0.0.1:8265"),
        (["status", "verify_x"], "there is no job verify_x"),
    ],
)
def test_wrong_use_is_status_2(
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What can never work is said in one line, and nothing is submitted."""
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "none"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    assert main(["job", *arguments]) == 2

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments",
    [["submit", "verify"], ["submit", "verify", "--local"], ["logs", "x"], ["stop", "x"]],
)
def test_missing_system_is_status_1(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A right command that has nothing to work on says what to start."""
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "none"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    assert main(["job", *arguments]) == 1

    printed = capsys.readouterr()
    assert "`mirix up`" in printed.err
    assert printed.err.count("\n") == 1


def test_list_is_empty_where_nothing_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No system and no cluster: there are no jobs, which is no error."""
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "none"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    assert main(["job", "list", "--json"]) == 0

    assert capsys.readouterr().out == "[]\n"


def shown_commands() -> list[list[str]]:
    text = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [line[2:] for line in lines if line[:2] == ["mirix", "job"]]


@pytest.mark.parametrize("command", shown_commands(), ids=" ".join)
def test_documented_command_is_there(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What docs/jobs.md shows has its options, and its arguments are right."""
    own, arguments = split(command)
    assert main(["job", own[0], "--help"]) == 0
    known = capsys.readouterr().out
    assert all(word in known for word in own if word.startswith("--"))
    if own[0] == "submit":
        assert KINDS[own[1]].job(tmp_path, arguments).job_id
