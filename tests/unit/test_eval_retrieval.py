"""An evaluation of retrieval from end to end, against a gateway that finds by words in common."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import msgspec
import pytest

from cluster.api_client import ApiClient
from cluster.eval_people import Person, Question
from cluster.eval_report import markdown, sentences
from cluster.eval_retrieval import Compared, evaluate_retrieval, means_by_category, work_of
from cluster.eval_sets import DataSet
from cluster.record_values import BadRecord, MessageRecord

SAID = ["I sail my boat", "The boat is red", "Tea is better", "I grow roses"]


def data_set(*users: str) -> DataSet:
    asked = (
        Question(text="boat red", category="things", evidence=frozenset({"1"})),
        Question(text="boat sail tea", category="habits", evidence=frozenset({"0", "2"})),
        Question(text="roses", category="habits", evidence=frozenset({"3"})),
    )
    people = []
    for user in users:
        records: list[MessageRecord | BadRecord] = [
            MessageRecord(content=text, conversation="c", external_id=str(at), user=user)
            for at, text in enumerate(SAID)
        ]
        records.append(BadRecord(path=user, line=9, reason="no date"))
        people.append(Person(user=user, records=tuple(records), questions=asked, left_out=1))
    return DataSet(name="invented.jsonl", sha256="0" * 64, people=tuple(people))


class FakeGateway:
    """Ranks a user's messages by the words that they share with the question; `embedding` errs."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, str]] = {}
        self.waits: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        said = self.said.setdefault(body["user_id"], {})
        if request.url.path.endswith("/messages"):
            self.waits.append(request.url.params["wait"])
            said |= {item["external_id"]: item["content"] for item in body["messages"]}
            return httpx2.Response(202, json={"position": len(said), "message_ids": []})
        method = body["search_method"]
        self.asked.append((method, body["query"]))
        words = set(body["query"].split())
        scores = {one: len(words & set(text.lower().split())) for one, text in said.items()}
        ranked = sorted((one for one in said if scores[one]), key=lambda one: -scores[one])
        if method == "embedding":
            ranked.reverse()
        hits = [
            {"id": f"hit-{one}", "tier": "conversation", "text": said[one]}
            | {"score": 1 / (rank + 1), "source": {"external_ids": [one]}}
            for rank, one in enumerate(ranked)
        ]
        return httpx2.Response(200, json={"search_id": "s", "position": 1, "results": hits})


async def evaluated(gateway: FakeGateway, data: DataSet, compared: Compared) -> Any:
    progress: list[int] = []
    async with ApiClient("http://t", "k", transport=httpx2.MockTransport(gateway)) as client:
        report = await evaluate_retrieval(
            client, data, run_id="r1", compared=compared, advance=progress.append
        )
    assert sum(progress) == work_of(data, compared)
    return report


async def test_evaluation_scores_what_the_gateway_finds() -> None:
    """Everybody is a user of this run; nothing is asked before all can be found."""
    gateway = FakeGateway()

    report = await evaluated(gateway, data_set("ann", "bo"), Compared())

    assert set(gateway.said) == {"ann-r1", "bo-r1"}
    assert gateway.waits == ["true", "true"]
    assert {method for method, _ in gateway.asked} == {"hybrid"}
    assert (report.people, report.messages, report.questions_left_out) == (2, 8, 2)
    assert report.questions == {"all": 6, "habits": 4, "things": 2}
    (ours,) = report.methods
    assert ours.differences is None
    # Found first: the red boat, the sailing boat (half of its evidence), the roses.
    assert ours.measures["all"]["R@1"].mean == pytest.approx(2.5 / 3, abs=1e-4)
    assert ours.measures["habits"]["R@5"].mean == 1
    assert means_by_category(report)["things"] == {
        **dict.fromkeys(("R@1", "R@5", "R@10", "R@25", "R@50", "MRR", "nDCG@10"), 1.0),
        "questions": 2,
    }
    assert [str(bad) for bad in report.bad_records] == ["ann:9: no date", "bo:9: no date"]


async def test_comparison_tells_differences_by_question() -> None:
    """BM25 finds here as we do; vectors put the worst first; their fusion needs no request."""
    gateway = FakeGateway()

    report = await evaluated(gateway, data_set("ann"), Compared(plain=True))

    assert [method.name for method in report.methods] == [
        "mirix",
        "bm25",
        "vectors",
        "bm25+vectors",
    ]
    methods = [method for method, _ in gateway.asked]
    assert methods == [*["hybrid"] * 3, *["bm25"] * 3, *["embedding"] * 3]
    _, words, meaning, fused = report.methods
    assert words.differences is not None
    assert {found.mean for found in words.differences["all"].values()} == {0.0}
    assert meaning.differences is not None
    # The red boat comes second for one question of three.
    assert meaning.differences["all"]["MRR"].mean == pytest.approx(-0.5 / 3, abs=1e-4)
    assert meaning.differences["things"]["R@1"].mean == -1
    assert fused.search_p50_ms >= max(words.search_p50_ms, 0)


async def test_report_is_the_same_in_markdown_and_json() -> None:
    """Every figure of the tables is that of the values, in three decimals."""
    report = await evaluated(FakeGateway(), data_set("ann"), Compared(plain=True))

    text = markdown(report)

    ours = report.methods[0].measures["all"]["R@1"]
    assert f"{ours.mean:.3f}"[1:] == ".833"
    assert "| all | 3 | .833 .500–1 |" in text
    assert "| vectors | -.333 -1.000…0 |" in text
    assert "## R@10 by category" in text
    assert "1 without evidence left out" in sentences(report)[1]
    assert f"`{'0' * 64}`" in text
    told = json.loads(msgspec.json.encode(report))
    assert told["methods"][0]["measures"]["all"]["R@1"] == {
        "mean": ours.mean,
        "low": ours.low,
        "high": ours.high,
    }


async def test_evaluation_of_nothing_asked_has_empty_tables() -> None:
    """A conversation without questions, as a unit of a job may be, is ingested and counted."""
    data = data_set("ann")
    silent = msgspec.structs.replace(data.people[0], questions=())

    report = await evaluated(
        FakeGateway(), msgspec.structs.replace(data, people=(silent,)), Compared()
    )

    assert (report.messages, report.questions) == (4, {"all": 0})
    assert means_by_category(report) == {}
    assert "| all | 0 |" in markdown(report)
