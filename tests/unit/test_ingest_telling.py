"""What ingesting tells: what was new, and what a file is that holds nothing to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.api_client import Accepted
from cluster.cli import main
from cluster.ingest import ingest
from cluster.record_values import BadRecord, MessageRecord
from cluster.records import read_file, skipped_in
from tests.unit.fakes.small_gateway import KEY, Said, served


class Remembering:
    """A sink that knows which messages it was sent before."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    async def add_messages(self, messages: list[object], **_: object) -> Accepted:
        ids = {message.external_id for message in messages}  # type: ignore[attr-defined]
        new = ids - self._ids
        self._ids |= ids
        return Accepted(position=1, new=len(new))

    async def add_document(self, document: dict[str, str], *, wait: bool = False) -> object:
        return {}


def message(number: int) -> MessageRecord:
    return MessageRecord(content="hi", conversation="c", external_id=str(number))


async def test_summary_parts_new_from_old_when_a_file_is_read_again() -> None:
    """Reading a chat again adds nothing, and the summary says so."""
    sink = Remembering()

    first = await ingest(sink, [("f", [message(1), message(2)])], user_id="ann")
    again = await ingest(sink, [("f", [message(1), message(2), message(3)])], user_id="ann")

    assert (first.messages, first.already_there) == (2, 0)
    assert (again.messages, again.already_there) == (3, 2)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b"", "empty file; expected one JSON object a line"),
        ("a.jsonl", b"\n \n", "empty file"),
        ("a.json", b"", "empty file; expected an array of messages"),
        ("a.jsonl", b"\x7fELF\0\n\xff\n\xff\n", "a binary file; expected text"),
        ("a.md", b"PK\0\0\n\xff", "a binary file; expected text"),
        ("a.png", b"\x89PNG\0", "unknown kind of file"),
    ],
)
def test_file_is_told_once_when_it_holds_nothing_to_read(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """One line about the file, not one for each of its lines."""
    (tmp_path / name).write_bytes(content)

    (bad,) = read_file(tmp_path / name)

    assert isinstance(bad, BadRecord)
    assert bad.line == 0
    assert told in bad.reason


def test_directory_tells_how_many_files_it_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who hands in a folder learns what of it was not read."""
    (tmp_path / "note.md").write_text("text")
    (tmp_path / "photo.jpg").write_bytes(b"\xff")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "table.csv").write_text("a,b")
    monkeypatch.setenv("MIRIX_API_KEY", KEY)

    assert [file.name for file in skipped_in(tmp_path)] == ["photo.jpg", "table.csv"]
    assert skipped_in(tmp_path / "note.md") == []
    with served(Said()) as url:
        assert main(["ingest", str(tmp_path), "--url", url]) == 0
        printed = capsys.readouterr()
        assert main(["ingest", str(tmp_path), "--url", url, "--json"]) == 0

    assert f"{tmp_path}: skipped 2 files of other kinds" in printed.err
    assert "0 messages (0 new, 0 already there) and 1 document in" in printed.out
    assert printed.out.endswith("0 bad records\n")
    assert json.loads(capsys.readouterr().out)["skipped_files"] == 2


def test_path_is_told_once_when_cases_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason does not repeat the name."""
    assert main(["eval", "extraction", "/nope.jsonl"]) == 2
    assert (
        capsys.readouterr().err == "mirix: /nope.jsonl cannot be read: No such file or directory\n"
    )
