"""LoCoMo: a conversation as messages and questions; on an invented one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.eval_sets import read_locomo
from cluster.locomo import evidence_ids, person_of, questions, sample_messages, session_date
from cluster.record_values import BadRecord, MessageRecord
from events.errors import CommandRejected


def sample() -> dict[str, Any]:
    return {
        "sample_id": "invented",
        "conversation": {
            "speaker_a": "Ida",
            "session_10": [{"speaker": "Ida", "dia_id": "D10:1", "text": "Bye"}],
            "session_10_date_time": "9:05 am on 2 June, 2024",
            "session_2": [
                {"speaker": "Ida", "dia_id": "D2:1", "text": "Look", "blip_caption": "a boat"},
                {"speaker": "Bo", "text": "no id"},
                {"speaker": "Bo", "dia_id": "D2:3", "text": "Nice"},
            ],
            "session_2_date_time": "1:56 pm on 8 May, 2024",
            "session_3": [{"speaker": "Bo", "dia_id": "D3:1", "text": "lost"}],
        },
        "qa": [
            {"question": "Boat?", "evidence": ["D2:1"], "category": 4},
            {"question": "Bye and nice?", "evidence": ["D10:1; D2:3"], "category": 1},
            {"question": "Nothing?", "evidence": ["D"], "category": 5},
            {"question": "Without?", "category": 5},
        ],
    }


def test_turns_come_in_order_of_sessions_when_a_sample_is_read() -> None:
    """Sessions sort by number, have their own dates, and turns are a second apart."""
    records = list(sample_messages(sample(), "f", 1))
    turns = [item for item in records if isinstance(item, MessageRecord)]
    bad = [item.reason for item in records if isinstance(item, BadRecord)]

    assert [turn.external_id for turn in turns] == ["D2:1", "D2:3", "D10:1"]
    assert turns[0].content == "Look [image: a boat]"
    assert turns[1].created_at == datetime(2024, 5, 8, 13, 56, 2, tzinfo=UTC)
    assert (turns[2].conversation, turns[2].name) == ("session_10", "Ida")
    assert len(bad) == 2
    assert "turn 2 of session_2" in bad[0]
    assert "session_3_date_time" in bad[1]


@pytest.mark.parametrize("text", [None, "", "8 May", 5])
def test_session_has_no_date_when_it_is_not_one(text: Any) -> None:
    """What is not a date is not guessed."""
    assert session_date(text) is None


def test_questions_are_left_out_when_their_evidence_names_no_turn() -> None:
    """Malformed evidence gives the ids that it holds."""
    found = questions(sample())

    assert [item.evidence for item in found] == [{"D2:1"}, {"D10:1", "D2:3"}]
    assert evidence_ids(["D8:6; D9:17", "D", "D:11:26"]) == {"D8:6", "D9:17"}


def test_questions_keep_the_name_of_their_category() -> None:
    """Numbers of the data set are names in reports; a new number stands for itself."""
    one = sample()
    one["qa"].append({"question": "New?", "evidence": ["D2:1"], "category": 6})

    assert [item.category for item in questions(one)] == ["single-hop", "multi-hop", "6"]


def test_sample_is_a_person_with_all_that_was_left_out() -> None:
    """Questions without evidence are counted, bad turns kept as such."""
    person = person_of(sample())

    assert (person.user, len(person.questions), person.left_out) == ("locomo-invented", 2, 2)
    assert sum(isinstance(record, BadRecord) for record in person.records) == 2


@pytest.mark.parametrize("content", ["{", "[]", '[{"qa": []}]', "5"])
def test_file_is_refused_when_it_is_not_locomo(tmp_path: Path, content: str) -> None:
    """A wrong file is one clear error."""
    file = tmp_path / "x.json"
    file.write_text(content)

    with pytest.raises(CommandRejected, match=r"x\.json"):
        read_locomo(file)
