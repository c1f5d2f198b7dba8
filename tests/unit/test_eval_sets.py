"""The format of data sets for retrieval: what is read, and where a mistake is told to stand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.eval_sets import read_set
from cluster.record_values import MessageRecord
from events.errors import CommandRejected


def line(user: str = "ann") -> dict[str, Any]:
    return {
        "user": user,
        "messages": [
            {"id": "1", "content": "I moved to Lisbon.", "name": "Ann"},
            {"id": "2", "content": "Nice!", "role": "assistant", "conversation": "monday"}
            | {"created_at": "2025-03-01T09:00:00"},
        ],
        "questions": [
            {"question": "Where does Ann live?", "evidence": ["1"], "category": "places"},
            {"question": "Who knows?", "evidence": []},
        ],
    }


def write(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "set.jsonl"
    file.write_text("\n\n".join(json.dumps(one) for one in lines) + "\n", encoding="utf-8")
    return file


def test_people_are_read_a_line_each(tmp_path: Path) -> None:
    """What is left out has its default; a time without a zone is in UTC."""
    ann, bo = read_set(write(tmp_path, line(), line("bo"))).people

    first, second = ann.records
    assert isinstance(first, MessageRecord)
    assert isinstance(second, MessageRecord)
    assert (first.external_id, first.role, first.name, first.user) == ("1", "user", "Ann", "ann")
    assert first.created_at is None
    assert second.created_at == datetime(2025, 3, 1, 9, tzinfo=UTC)
    assert (first.conversation, second.conversation) == ("conversation", "monday")
    assert (bo.user, bo.left_out) == ("bo", 1)
    assert [(one.category, one.evidence) for one in bo.questions] == [("places", {"1"})]


def test_example_of_the_documents_is_read(tmp_path: Path) -> None:
    """What `docs/evaluation.md` shows, put on one line, is of the format."""
    page = Path(__file__).parents[2] / "docs" / "evaluation.md"
    example = page.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    file = tmp_path / "example.jsonl"
    file.write_text(" ".join(example.split()))

    (ann,) = read_set(file).people

    assert [one.category for one in ann.questions] == ["places"]


def test_file_of_one_line_is_read(tmp_path: Path) -> None:
    """One person alone is JSON as a whole, and a data set all the same."""
    assert len(read_set(write(tmp_path, line())).people) == 1


def test_locomo_file_is_read_as_well(tmp_path: Path) -> None:
    """Each conversation is a person."""
    turn = {"speaker": "Ida", "dia_id": "D1:1", "text": "Hi"}
    talk = {"session_1": [turn], "session_1_date_time": "9:05 am on 2 June, 2024"}
    asked = [{"question": "Hi?", "evidence": ["D1:1"], "category": 2}]
    sample = {"sample_id": "s", "conversation": talk, "qa": asked}
    file = tmp_path / "locomo.json"
    file.write_text(json.dumps([sample, {**sample, "sample_id": "t"}], indent=1))

    data = read_set(file, 1)

    assert [person.user for person in data.people] == ["locomo-s"]
    assert data.people[0].questions[0].category == "temporal"
    assert (data.name, len(data.sha256)) == ("locomo.json", 64)


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """Return the line with the value at a path replaced, or taken away when it is None."""
    whole = line()
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["user"], None, "missing required field `user`"),
        (["user"], "", "at `$.user`"),
        (["messages"], {}, "at `$.messages`"),
        (["messages", 1, "content"], None, "missing required field `content` - at `$.messages[1]`"),
        (["messages", 1, "content"], " ", "at `$.messages[1].content`"),
        (["messages", 0, "id"], 7, "Expected `str`, got `int` - at `$.messages[0].id`"),
        (["messages", 1, "id"], "1", "has the id '1' - at `$.messages[1].id`"),
        (["messages", 0, "role"], "robot", "at `$.messages[0].role`"),
        (["messages", 1, "created_at"], "May", "at `$.messages[1].created_at`"),
        (["questions", 0, "question"], None, "`question` - at `$.questions[0]`"),
        (["questions", 0, "evidence"], "1", "at `$.questions[0].evidence`"),
        (["questions", 0, "evidence"], ["1", "9"], "'9' is the id of none of the line's messages"),
        (["questions", 0, "evidence"], ["9"], "at `$.questions[0].evidence[0]`"),
        (["questions", 1, "category"], "all", "at `$.questions[1].category`"),
    ],
)
def test_mistake_is_told_with_line_and_field(
    tmp_path: Path, path: list[Any], value: Any, told: str
) -> None:
    """The second person's line is the third of the file, and the field is named."""
    file = write(tmp_path, line("bo"), changed(path, value))

    with pytest.raises(CommandRejected) as refusal:
        read_set(file)

    assert f"{file}:3: " in refusal.value.message
    assert told in refusal.value.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no question with evidence"),
        ('{"user": "a"', "set.jsonl:1: "),
        ("[1]", "not a LoCoMo file"),
        ('{"user": "a", "messages": [], "questions": []}', "no question with evidence"),
        (json.dumps(line()) + "\n" + json.dumps(line()), "set.jsonl:2: user 'ann' has a line"),
    ],
)
def test_file_is_refused_when_there_is_nothing_to_ask(
    tmp_path: Path, content: str, told: str
) -> None:
    """A wrong file is one clear error."""
    file = tmp_path / "set.jsonl"
    file.write_text(content)

    with pytest.raises(CommandRejected) as refusal:
        read_set(file)

    assert told in refusal.value.message


def test_file_is_refused_when_it_is_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are told with their line, not as a failure of ours."""
    file = tmp_path / "set.jsonl"
    file.write_bytes(json.dumps(line()).encode() + b'\n{"user": "\xff"}\n')

    with pytest.raises(CommandRejected, match=r"set\.jsonl:2: "):
        read_set(file)
