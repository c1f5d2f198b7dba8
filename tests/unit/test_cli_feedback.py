"""`mirix memory feedback`, against the real gateway and agents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.cli import main
from tests.unit.fakes.local_gateway import KEY, local_gateway

ANN = ("--user", "ann")


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    """A client of a gateway on which Ann has said something."""
    with (
        local_gateway() as url,
        httpx2.Client(base_url=url, headers={"X-API-Key": KEY}, timeout=60) as http,
    ):
        said = [{"role": "user", "content": text} for text in ("My tap drips.", "It rains.")]
        body = {"user_id": "ann", "messages": said}
        http.post("/api/v1/messages", params={"wait": "true"}, json=body).raise_for_status()
        yield http


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRIX_API_KEY", KEY)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "nothing-here"))


def at(http: httpx2.Client) -> tuple[str, str]:
    return "--url", str(http.base_url)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command said last; before it, the gateway beside may have logged."""
    return capsys.readouterr().out.splitlines()[-1]


def searched(http: httpx2.Client, capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    """Search as Ann; return the search's id and those of its hits."""
    assert main(["search", "my tap drips", *ANN, *at(http), "--json"]) == 0
    found: dict[str, Any] = json.loads(last_line(capsys))
    return found["search_id"], [hit["id"] for hit in found["results"]]


def test_feedback_is_recorded_when_it_is_given(
    http: httpx2.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """The position is told, and the event says what was said; twice is once."""
    search_id, (first, *_, last) = searched(http, capsys)
    judged = ["memory", "feedback", search_id, "--answered", first, "--not-helpful", last]
    command = [*judged, "--note", "found it", *ANN, *at(http)]

    assert main([*command, "--json"]) == 0
    told = json.loads(last_line(capsys))
    assert main(command) == 0

    assert last_line(capsys) == f"recorded at position {told['position']}"
    query = {"type": "SearchFeedback", "user_id": "ann"}
    (event,) = http.get("/api/v1/events", params=query).json()["items"]
    assert event["position"] == told["position"]
    assert event["payload"]["answered_by"] == [first]
    assert event["payload"]["not_helpful"] == [last]


def test_feedback_is_wrong_use_when_it_does_not_fit(
    http: httpx2.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such search, nothing judged, a contradiction, another search's hit: one line, status 2."""
    search_id, (first, *_) = searched(http, capsys)
    wrong = {
        "there is no search 'search_none'": ["search_none", "--helpful", first],
        "judges nothing": [search_id],
        "cannot be helpful and not helpful": [
            *(search_id, "--helpful", first),
            *("--not-helpful", first),
        ],
        "is not among the hits of this search": [search_id, "--answered", "mem_other"],
    }
    for reason, arguments in wrong.items():
        assert main(["memory", "feedback", *arguments, *ANN, *at(http)]) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert reason in told
        assert "HTTP" not in told
        assert "body." not in told
