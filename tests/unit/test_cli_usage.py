"""Asking the command line wrongly: exit status 2, one line, and the choices where there are any."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cluster import VERSION, cli_output
from cluster.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search", "x", "--method", "telepathy"], "string_match"),
        (["search", "x", "--tier", "episodes"], "did you mean episodic?"),
        (["search", " "], "it is empty"),
        (["ask", ""], "it is empty"),
        (["events", "tail", "--type", "MessageRecieved"], "did you mean MessageReceived?"),
        (["events", "tail", "--type", "Nope"], "docs/events.md"),
        (["events", "grep", "("], "not a regular expression"),
        (["rebuild", "--projection", "nope"], "nope is no projection; there are core"),
        (["search", "x", "--url", "ftp://h"], "not the address of a system"),
        (["search", "x", "--url", ""], "not the address of a system"),
        (["search", "x", "--url", "localhost:47283"], "http://host:47283"),
        (["status", "--data", "/etc/passwd/x"], "/etc/passwd is a file"),
    ],
)
def test_usage_error_is_status_2_when_a_value_cannot_be(
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What could never work is said before anything is looked for."""
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path))

    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert "mirix.toml" not in printed.err


def test_short_preset_key_is_refused_when_nothing_was_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The gateway's bounds hold before Ray is started or a directory made."""
    monkeypatch.setenv("MIRIX_BOOTSTRAP_KEY", "short")

    assert main(["up", "--data", str(tmp_path / "data")]) == 2

    assert "expected 8 to 512 random characters" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    """One number, in two places that must agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"mirix {VERSION}\n"
    assert project["version"] == VERSION


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "(see `mirix --help`)"),
        (["why"], "(see `mirix why --help`)"),
        (["events", "grep", "("], "(see `mirix events grep --help`)"),
        (["up", "--port", "http"], "'--port': expected a whole number (see `mirix up --help`)"),
        (["search", "x", "--limit", "0"], "expected a value greater than or equal to 1"),
        (["list", "cores"], "Invalid value for 'what': 'cores' is not one of 'core'"),
    ],
)
def test_usage_error_names_the_command_at_fault(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own help has what was missed."""
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


def test_help_ends_without_an_empty_line_when_nothing_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bare `mirix` tells what there is, and nothing else."""
    assert main([]) == 2
    printed = capsys.readouterr()
    assert "Usage: mirix" in printed.out + printed.err
    assert printed.err.strip() == printed.err.removesuffix("\n")
    assert printed.err != "\n"


@pytest.mark.parametrize("command", [[], ["search"], ["events", "tail"]], ids=" ".join)
def test_help_has_a_short_name(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`-h` is what many people try first."""
    assert main([*command, "-h"]) == 0
    assert "Usage: mirix" in capsys.readouterr().out


def test_help_does_not_import_what_it_does_not_need() -> None:
    """`mirix --help` is there at once: no Ray, no model, no server, no client."""
    heavy = ("ray", "numpy", "fastapi", "nats", "faiss", "onnxruntime", "httpx2", "structlog")
    code = (
        "import sys; from cluster.cli import main; main(['--help']); "
        f"sys.stderr.write(','.join(name for name in {heavy!r} if name in sys.modules))"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert ended.returncode == 0
    assert ended.stderr == ""


def test_table_has_no_trailing_blanks_when_it_goes_to_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Padding and rules are for the eye: a pipe gets neither, and no line is broken."""
    rows = cli_output.table("name", "what")
    rows.add_row("a", "x" * 300)
    rows.add_row("b", "short")

    cli_output.out.print(rows)
    cli_output.headline("Next")

    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if re.search(r"\s$", line)]
    assert "x" * 300 in lines[1]
    assert lines[-1] == "== Next"


@pytest.mark.parametrize(
    ("count", "thing", "shown"),
    [
        (1, "document", "1 document"),
        (0, "bad record", "0 bad records"),
        (2, "process", "2 processes"),
    ],
)
def test_count_agrees_with_its_noun(count: int, thing: str, shown: str) -> None:
    """One is singular, everything else is not."""
    assert cli_output.counted(count, thing) == shown
