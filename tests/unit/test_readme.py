"""The documents are true: their Python runs, their commands exist, what they name is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cluster.cli import main
from tests.unit.fakes.small_gateway import KEY, Said, served

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: The documents that show commands, and commands that have commands of their own.
PAGES = (
    "README.md",
    "docs/models.md",
    "docs/replay.md",
    "docs/backup.md",
    "docs/jobs.md",
    "docs/evaluation.md",
)
GROUPS = ("events", "eval", "bench", "job")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return what is behind `mirix` in each command, as far as it is for `mirix` itself."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        lines = [line for block in blocks("sh", text) for line in block.splitlines()]
        shown = [line for line in lines if re.match(r"\S*\bmirix ", line)]
        assert shown, page
        for line in shown:
            words = shlex.split(line, comments=True)[1:]
            found.append(words[: words.index("--")] if "--" in words else words)
    return found


def test_python_runs_as_it_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's code works against a gateway, given its address and key as the text says."""
    said = Said()
    assert "MIRIX_URL=http" in README
    assert "MIRIX_API_KEY=" in README

    with served(said) as url:
        monkeypatch.setenv("MIRIX_URL", url)
        monkeypatch.setenv("MIRIX_API_KEY", KEY)
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), {})

    assert said.messages[0]["content"] == "Yesterday I moved to Lisbon."
    assert said.searches[0]["query"] == "When did I move?"
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_command_is_there_with_its_options(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command that a document shows has help, and the options that are shown."""
    words = [word for word in command if not word.startswith("-")]
    name = words[:2] if words[0] in GROUPS else words[:1]

    assert main([*name, "--help"]) == 0

    printed = capsys.readouterr().out
    assert not [word for word in command if word.startswith("-") and word not in printed]


def test_files_that_are_put_in_are_there() -> None:
    """The example of `ingest` works in a clone as it is printed."""
    (shown,) = [words for words in commands() if words[0] == "ingest"]
    files = [word for word in shown[1:] if "/" in word]

    assert files
    assert not [file for file in files if not (ROOT / file).is_file()]


def test_make_targets_are_there() -> None:
    """`make demo` and the others are in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documents = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(?:`)?make (\w+)", documents, re.MULTILINE))

    assert targets >= {"demo", "setup", "check", "test", "lock"}
    assert not [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)]


def test_table_names_what_is_there() -> None:
    """Every path of the table exists."""
    paths = re.findall(r"^\| `([^`]+)` \|", README, re.MULTILINE)

    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize(
    "page",
    [
        "docs/message-path.md",
        "docs/models.md",
        "docs/replay.md",
        "docs/jobs.md",
        "docs/evaluation.md",
    ],
)
def test_page_names_files_that_are_there(page: str) -> None:
    """A page that leads into the code leads somewhere."""
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:events|projections|actors|serve|cluster)/[\w./]*)`", text)

    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]
