"""Reading files: what people have becomes records, and bad ones are told by line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.record_values import BadRecord, DocumentRecord, MessageRecord, Record
from cluster.records import files_of, read_file


def read(tmp_path: Path, name: str, content: str | bytes) -> list[Record]:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_file(file))


def messages(records: list[Record]) -> list[str]:
    return [item.content for item in records if isinstance(item, MessageRecord)]


def bad(records: list[Record]) -> list[tuple[int, str]]:
    return [(item.line, item.reason) for item in records if isinstance(item, BadRecord)]


def test_jsonl_yields_the_rest_when_a_line_is_bad(tmp_path: Path) -> None:
    """A broken line is reported with its number, the others go in."""
    lines = [b'{"role":"user","content":"one"}', b"{oops", b"", b'{"content":"\xff"}']
    lines += [b'["no object"]', '{"content":"四"}'.encode()]

    records = read(tmp_path, "chat.jsonl", b"\n".join(lines))

    assert messages(records) == ["one", "四"]
    assert [line for line, _ in bad(records)] == [2, 4, 5]
    assert "not JSON" in bad(records)[0][1]
    assert bad(records)[1][1] == "not valid UTF-8"


@pytest.mark.parametrize(
    ("key", "told", "meant"),
    [
        ("created_at", "2026-01-07T09:00:00+01:00", datetime(2026, 1, 7, 8, tzinfo=UTC)),
        ("time", "2026-01-07 09:00:00", datetime(2026, 1, 7, 9, tzinfo=UTC)),
        ("timestamp", 1767776400, datetime(2026, 1, 7, 9, tzinfo=UTC)),
        ("timestamp", 1767776400000, datetime(2026, 1, 7, 9, tzinfo=UTC)),
        ("date", "2026-01-07", datetime(2026, 1, 7, tzinfo=UTC)),
    ],
)
def test_message_has_its_time_when_a_known_key_tells_it(
    tmp_path: Path, key: str, told: object, meant: datetime
) -> None:
    """Four names of the time are known; without a zone it is UTC."""
    (record,) = read(tmp_path, "chat.json", json.dumps([{"content": "hi", key: told}]))

    assert isinstance(record, MessageRecord)
    assert record.created_at == meant


def test_message_keeps_its_own_names_when_it_has_them(tmp_path: Path) -> None:
    """Conversation, id and name are the client's where given."""
    given = {"role": "assistant", "content": "hi", "name": "Ann", "conversation": "c1", "id": 7}

    (record,) = read(tmp_path, "chat.json", json.dumps([given]))

    assert isinstance(record, MessageRecord)
    assert (record.role, record.name, record.conversation) == ("assistant", "Ann", "c1")
    assert record.external_id == "7"


def test_message_gets_the_same_id_when_a_file_is_read_again(tmp_path: Path) -> None:
    """An id derived from file and place makes a second ingestion add nothing."""
    content = json.dumps({"content": "same"}) + "\n" + json.dumps({"content": "same"})

    first, second = (read(tmp_path, "chat.jsonl", content) for _ in range(2))

    assert first == second
    assert len({item.external_id for item in first if isinstance(item, MessageRecord)}) == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"content": ""}, "content is empty"),
        ({"role": "user"}, "content is missing; expected text"),
        ({"content": 5}, "content is an int; expected text"),
        ({"content": "x", "role": "robot"}, "role is 'robot'"),
        ({"content": "x", "time": "soon"}, "time is 'soon'"),
        ({"content": "x", "time": True}, "time is True"),
        ("text", "found text"),
    ],
)
def test_message_is_bad_when_a_field_is_wrong(tmp_path: Path, value: object, reason: str) -> None:
    """What is wrong with a record is told."""
    records = read(tmp_path, "chat.json", json.dumps([value, {"content": "fine"}]))

    assert messages(records) == ["fine"]
    assert reason in bad(records)[0][1]


def test_json_array_tells_lines_when_it_breaks_off(tmp_path: Path) -> None:
    """Elements know their lines; after a break the rest cannot be told apart."""
    records = read(tmp_path, "chat.json", '[\n{"content":"a"},\n{"content":""},\n{"conte')

    assert messages(records) == ["a"]
    assert [line for line, _ in bad(records)] == [3, 4]


def test_json_object_gives_its_conversation_when_it_wraps_messages(tmp_path: Path) -> None:
    """A chat export is an object with its id and its messages; parts of text are joined."""
    chat = {"id": "trip", "messages": [{"content": [{"type": "text", "text": "x"}, {"url": "u"}]}]}

    (record,) = read(tmp_path, "export.json", json.dumps(chat))

    assert isinstance(record, MessageRecord)
    assert (record.conversation, record.content) == ("trip", "x")


def test_markdown_is_a_document_when_it_is_read(tmp_path: Path) -> None:
    """Its first heading is the title; an unknown suffix and an empty file are bad records."""
    (note,) = read(tmp_path, "note.md", "# 搬家清单\n\nboxes")
    (plain,) = read(tmp_path, "plain.txt", "just text")
    (empty,) = read(tmp_path, "empty.txt", " \n")
    (other,) = read(tmp_path, "x.bin", "?")

    assert isinstance(note, DocumentRecord)
    assert (note.title, note.media_type) == ("搬家清单", "text/markdown")
    assert isinstance(plain, DocumentRecord)
    assert plain.title == "plain"
    assert isinstance(empty, BadRecord)
    assert isinstance(other, BadRecord)


def test_directory_gives_its_readable_files_when_it_is_named(tmp_path: Path) -> None:
    """Below a directory, files of known kinds are read in order of name."""
    for name in ("b.md", "a.jsonl", "c.bin"):
        (tmp_path / name).write_text("x")

    assert [file.name for file in files_of(tmp_path)] == ["a.jsonl", "b.md"]


def test_locomo_file_is_recognised_when_it_is_json(tmp_path: Path) -> None:
    """A LoCoMo file needs no flag; its sample says whose memory it is."""
    turn = {"speaker": "Ann", "dia_id": "D1:1", "text": "Hi", "blip_caption": "a cat"}
    sample = {
        "sample_id": "s1",
        "conversation": {"session_1": [turn], "session_1_date_time": "1:56 pm on 8 May, 2023"},
    }

    (record,) = read(tmp_path, "locomo.json", json.dumps([sample]))

    assert isinstance(record, MessageRecord)
    assert (record.user, record.content) == ("locomo-s1", "Hi [image: a cat]")
