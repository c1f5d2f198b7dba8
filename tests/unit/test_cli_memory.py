"""The command line against a system elsewhere: a small server that speaks the same routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import cli_output
from cluster.cli import main
from tests.unit.fakes import small_gateway
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


def chat_file(tmp_path: Path) -> Path:
    file = tmp_path / "chat.jsonl"
    file.write_text('{"content": "I live in Lisbon", "id": "1"}\n{bad\n{"content": "你好"}\n')
    return file


def test_ingest_tells_bad_lines_when_the_rest_goes_in(
    url: str, said: Said, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary is on stdout, the bad record with its line on stderr, the status is 0."""
    (tmp_path / "note.md").write_text("# Note\n\ntext")
    files = [str(chat_file(tmp_path)), str(tmp_path / "note.md")]

    status = main(["ingest", *files, "--user", "ann", "--url", url, "--json"])

    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert status == 0
    assert (summary["messages"], summary["documents"], summary["already_there"]) == (2, 1, 0)
    assert summary["seconds"] == round(summary["seconds"], 3)
    assert len(summary["bad_records"]) == 1
    assert "chat.jsonl:2: not JSON" in printed.err
    assert [(item["user"], item["content"]) for item in said.messages] == [
        ("ann", "I live in Lisbon"),
        ("ann", "你好"),
    ]
    assert said.documents[0]["title"] == "Note"


def test_ingest_fails_when_nothing_goes_in(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only success is 0: a file of nothing but bad records is none."""
    (tmp_path / "bad.jsonl").write_text("{\n")

    assert main(["ingest", str(tmp_path / "bad.jsonl"), "--url", url]) == 1
    assert "nothing went in" in capsys.readouterr().err


@pytest.mark.parametrize("empty", ["directory", "array"])
def test_ingest_fails_when_there_is_nothing_to_read(
    url: str, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a directory without anything to read nor an empty array is a success."""
    path = tmp_path / empty
    if empty == "directory":
        path.mkdir()
    else:
        path = path.with_suffix(".json")
        path.write_text("[]")

    assert main(["ingest", str(path), "--url", url]) == 1
    assert f"nothing to read in {path}" in capsys.readouterr().err


def test_search_answers_in_full_when_nothing_is_found(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program gets its list, people the name of whose memory it was."""
    asked = ["search", small_gateway.NOTHING, "--user", "anna", "--url", url]

    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == []
    for options in ([], ["--explain"]):
        assert main([*asked, *options]) == 0
        told = capsys.readouterr().out
        assert told == "nothing found for user anna; --user says whose memory\n"


def test_search_shows_one_line_a_hit(
    url: str, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options reach the API as they are meant; a text is shown, not interpreted."""
    arguments = ["search", "where", "--user", "ann", "--tier", "core", "--limit", "3"]

    assert main([*arguments, "--url", url]) == 0

    head, hit = capsys.readouterr().out.splitlines()
    assert head.split() == ["score", "tier", "when", "id", "what"]
    assert hit.split() == ["0.500", "core", "2025-03-01", "m", "Lives", "in", "Lisbon", "[b]"]
    asked = said.searches[0]
    assert (asked["query"], asked["tiers"], asked["limit"]) == ("where", ["core"], 3)


def test_search_explains_a_score_by_its_signals(
    url: str, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    """What adds or takes most comes first; what says nothing is only counted."""
    assert main(["search", "where", "--explain", "--url", url]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said.searches[0]["explain"] is True
    assert lines[0][:4] == ["1.", "0.500", "core", "2025-03-01"]
    assert lines[1:5] == [
        ["signal", "value", "rank", "weight", "adds"],
        ["meaning", "0.900", "1", "1.00", "+0.900"],
        ["asks", "1.000", "1", "-0.30", "-0.300"],
        ["words", "0.400", "3", "0.30", "+0.120"],
    ]
    assert lines[5] == ["1", "signal", "of", "value", "0"]


def test_search_says_so_when_nothing_can_be_explained(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Methods without signals still show their hits."""
    monkeypatch.setattr(small_gateway, "EXPLAINED", None)

    assert main(["search", "where", "--explain", "--method", "bm25", "--url", url]) == 0

    printed = capsys.readouterr()
    assert "Lives in Lisbon" in printed.out
    assert "only the method hybrid weighs signals" in printed.err


def test_ask_makes_its_profile_once(
    url: str, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer comes with what it rests on, through one profile however often one asks."""
    assert main(["ask", "Where does Ann live?", "--url", url]) == 0
    assert main(["ask", "Where?", "--url", url, "--json"]) == 0

    printed = capsys.readouterr().out
    assert "In Lisbon." in printed
    assert "[1] core: Lives in Lisbon" in printed
    assert len(said.profiles) == 1


def test_error_is_one_line_when_the_key_is_wrong(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway's reason is the error, and nothing is on stdout."""
    monkeypatch.setenv("MIRIX_API_KEY", "wrong")

    assert main(["search", "x", "--url", url]) == 1

    printed = capsys.readouterr()
    assert printed.err == "mirix: this service key is not known (HTTP 401)\n"
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["search"], 2, "query"),
        (["search", "x", "--limit", "0"], 2, "--limit"),
        (["up", "--port", "http"], 2, "--port"),
        (["up", "--port", "0"], 2, "expected a port"),
        (["search", "x"], 1, "no system runs on"),
        (["status"], 1, "no system runs on"),
        (["events", "tail"], 1, "no system runs on"),
        (["verify"], 1, "no system runs on"),
        (["search", "x"], 1, "name another with --data, MIRIX_DATA or --url"),
        (["status"], 1, "name another with --data or MIRIX_DATA"),
        (["ingest", "/no/such/file"], 2, "no such file or directory"),
        (["eval", "locomo", "/no/such/file"], 2, "cannot be read"),
        (["eval", "retrieval", "/no/such/file"], 2, "cannot be read"),
        (["eval", "extraction", "/no/such/file"], 2, "cannot be read"),
    ],
)
def test_error_is_one_line_when_a_command_cannot_be_done(
    arguments: list[str],
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A wrong use is 2, what cannot be done now is 1; one line on stderr says what and why."""
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path))

    assert main(arguments) == status

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_elsewhere_needs_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without MIRIX_API_KEY the error says which variable to set."""
    monkeypatch.delenv("MIRIX_API_KEY", raising=False)

    assert main(["search", "x", "--url", "http://127.0.0.1:1"]) == 2
    assert "MIRIX_API_KEY" in capsys.readouterr().err


def test_down_is_a_success_when_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left either way."""
    assert main(["down", "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["was_running"] is False


def test_doctor_finds_what_this_machine_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python, packages, server and weights are looked at by name."""
    main(["doctor", "--data", str(tmp_path), "--json"])

    findings = {item["what"]: item for item in json.loads(capsys.readouterr().out)}
    assert findings["Python 3.11"]["level"] == "ok"
    assert findings["nats-server"]["level"] == "ok"
    assert findings["embedder weights"]["level"] == "ok"
    assert findings["system"]["found"] == "none runs"


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["down"],
        ["status"],
        ["doctor"],
        ["ingest"],
        ["ask"],
        ["search"],
        ["events", "tail"],
        ["events", "show"],
        ["events", "grep"],
        ["rebuild"],
        ["verify"],
        ["eval", "locomo"],
        ["eval", "retrieval"],
        ["eval", "extraction"],
        ["bench", "append"],
        ["bench", "replay"],
        ["bench", "rebuild"],
    ],
    ids=" ".join,
)
def test_help_has_an_example_and_json(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command shows how it is used, and answers machines."""
    assert main([*command, "--help"]) == 0

    printed = " ".join(capsys.readouterr().out.split())
    assert "Example" in printed
    assert f"mirix {' '.join(command)}" in printed
    assert "--json" in printed


def test_progress_is_silent_when_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Pipes and logs get no bar."""
    with cli_output.progress_bar("records", 2) as advance:
        advance(2)

    assert capsys.readouterr().err == ""
