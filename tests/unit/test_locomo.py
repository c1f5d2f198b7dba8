"""LoCoMo: parsing a conversation, ranking turns, scoring recall; on an invented one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.api_client import ApiClient
from cluster.eval_locomo import evaluate_locomo, read_samples, work_of
from cluster.locomo import (
    Asked,
    by_category,
    evidence_ids,
    percentile,
    questions,
    recall,
    sample_messages,
    session_date,
    turn_ranking,
)
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


def test_recall_is_fractional_when_part_of_the_evidence_is_found() -> None:
    """Turns count once, in the order in which hits first name them."""
    ranked = turn_ranking([("a", "b"), ("b",), (), ("c",)])

    assert ranked == ["a", "b", "c"]
    assert recall(frozenset({"b", "z"}), ranked, 1) == 0
    assert recall(frozenset({"b", "z"}), ranked, 5) == 0.5


def test_categories_have_their_own_means_when_scored() -> None:
    """`all` is over questions, not over categories."""
    asked = [
        Asked(category=1, recalls=(0, 0, 0, 0, 0), latency_ms=1),
        Asked(category=4, recalls=(1, 1, 1, 1, 1), latency_ms=1),
        Asked(category=4, recalls=(0, 1, 1, 1, 1), latency_ms=1),
    ]

    table = by_category(asked)

    assert table["all"]["R@10"] == pytest.approx(2 / 3, abs=1e-4)
    assert table["single-hop"]["R@1"] == 0.5
    assert table["multi-hop"]["questions"] == 1
    assert "temporal" not in table


def test_percentile_is_a_value_that_was_seen() -> None:
    """Nearest rank; nothing at all gives 0."""
    values = [float(value) for value in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50, 99)
    assert percentile([3.0], 0.99) == 3
    assert percentile([], 0.5) == 0


class FakeGateway:
    """Answers a search with the turns that share a word with the question."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, str]] = {}
        self.waits: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        turns = self.said.setdefault(body["user_id"], {})
        if request.url.path.endswith("/messages"):
            self.waits.append(request.url.params["wait"])
            turns |= {item["external_id"]: item["content"] for item in body["messages"]}
            return httpx2.Response(202, json={"position": len(turns), "message_ids": []})
        words = set(body["query"].lower().replace("?", "").split())
        hits = [
            {"id": turn, "tier": "conversation", "text": text, "score": 1.0}
            | {"source": {"external_ids": [turn]}}
            for turn, text in turns.items()
            if words & set(text.lower().replace("]", "").split())
        ]
        return httpx2.Response(200, json={"search_id": "s", "position": 1, "results": hits})


async def test_evaluation_scores_what_the_gateway_finds() -> None:
    """Everything goes through the HTTP API under a user of this run, and is scored."""
    gateway = FakeGateway()
    progress: list[int] = []
    samples = [sample()]

    async with ApiClient("http://t", "k", transport=httpx2.MockTransport(gateway)) as client:
        report = await evaluate_locomo(client, samples, run_id="r1", advance=progress.append)

    assert set(gateway.said) == {"locomo-invented-r1"}
    assert gateway.waits == ["false", "true"]
    assert (report.messages, report.questions, report.questions_left_out) == (3, 2, 2)
    assert report.recall["all"]["R@5"] == 1.0
    assert len(report.bad_records) == 2
    assert sum(progress) == work_of(samples)


@pytest.mark.parametrize("content", ["{", "[]", '[{"qa": []}]', "5"])
def test_file_is_refused_when_it_is_not_locomo(tmp_path: Path, content: str) -> None:
    """A wrong file is one clear error."""
    file = tmp_path / "x.json"
    file.write_text(content)

    with pytest.raises(CommandRejected, match=r"x\.json"):
        read_samples(file)
