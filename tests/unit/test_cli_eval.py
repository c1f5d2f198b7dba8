"""`mirix eval retrieval` on the command line, against a small server with the same routes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cli import main
from tests.unit.fakes.small_gateway import KEY, Said, served


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def url(said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Serve the fake for one test, with its key in the environment."""
    monkeypatch.setenv("MIRIX_API_KEY", KEY)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "nothing-here"))
    with served(said) as address:
        yield address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "mine.jsonl"
    line = {
        "user": "ann",
        "messages": [{"id": "1", "content": "I live in Lisbon."}],
        "questions": [{"question": "Where does Ann live?", "evidence": ["1"]}],
    }
    written.write_text(json.dumps(line) + "\n" + json.dumps({**line, "user": "bo"}))
    return written


def test_retrieval_is_reported_as_json_and_markdown(
    url: str, said: Said, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run gives both; each person is a fresh user; every method was asked."""
    report = tmp_path / "mine.md"

    options = ["--compare", "--json", "--report", str(report), "--url", url]
    status = main(["eval", "retrieval", str(file), *options])

    told = json.loads(capsys.readouterr().out)
    assert status == 0
    assert (told["data_set"], told["people"], told["questions"]) == ("mine.jsonl", 2, {"all": 2})
    assert {one["user"].rpartition("-")[0] for one in said.messages} == {"ann", "bo"}
    asked = [one["search_method"] for one in said.searches]
    assert asked == ["hybrid"] * 2 + ["bm25"] * 2 + ["embedding"] * 2
    text = report.read_text(encoding="utf-8")
    assert text.startswith("# Retrieval: mine.jsonl\n")
    assert "| mirix | 0 0–0 |" in text


def test_retrieval_is_shown_as_tables(
    url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sentences first, then a row a category; of one person when so many are wanted."""
    assert main(["eval", "retrieval", str(file), "--limit-people", "1", "--url", url]) == 0

    printed = capsys.readouterr().out
    assert "1 message of 1 person in" in printed
    assert "1 question (0 without evidence left out)" in printed
    assert ["all", "1", "0", "0–0"] in [line.split()[:4] for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--mem0-python", "python"], 2, "--mem0-python goes with --compare"),
        (["--report", "/no/such/directory/x.md"], 2, "expected a file in a directory"),
        (["--limit-people", "0"], 2, "--limit-people"),
        (["--compare", "--mem0-python", "/no/python"], 2, "cannot be run"),
        (["--compare", "--mem0-python", sys.executable], 2, "lacks mem0ai"),
    ],
)
def test_wrong_use_is_told_before_anything_goes_in(
    url: str,
    said: Said,
    file: Path,
    arguments: list[str],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says what is wrong, and nobody waited for it."""
    assert main(["eval", "retrieval", str(file), "--url", url, *arguments]) == status

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert not said.messages


def test_mistake_in_a_file_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No system is needed to be told so."""
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('\n{"user": "ann", "messages": [{"id": "1"}], "questions": []}\n')

    assert main(["eval", "retrieval", str(wrong)]) == 1

    told = capsys.readouterr().err
    assert "wrong.jsonl:2: " in told
    assert "`content` - at `$.messages[0]`" in told
