"""`mirix consolidate` and `mirix memory restore`, against the real gateway and agents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.cli import main
from tests.unit.fakes.local_gateway import KEY, local_gateway

TWICE = (
    "My colleague Bram collects antique copper lamps.",
    "My colleague Bram often collects antique copper lamps.",
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A gateway on which Ann has told something twice."""
    with local_gateway() as url:
        headers = {"X-API-Key": KEY}
        with httpx2.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as http:
            for text in TWICE:
                body = {"user_id": "ann", "messages": [{"role": "user", "content": text}]}
                answer = http.post("/messages", params={"wait": "true"}, json=body)
                answer.raise_for_status()
        yield url


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRIX_API_KEY", KEY)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "nothing-here"))


def asked(capsys: pytest.CaptureFixture[str], url: str, *arguments: str) -> Any:
    """Run a command for Ann that must succeed; return its JSON."""
    assert main([*arguments, "--user", "ann", "--url", url, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_consolidation_is_tried_done_shown_and_undone(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table names each step with its reason; undoing says what became of each."""
    assert main(["consolidate", "--user", "ann", "--url", url, "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "merge" in told.out
    assert "this would be done" in told.err
    done = asked(capsys, url, "consolidate", "--tier", "semantic")
    (tier,) = done["tiers"]
    assert [step["change"] for step in tier["steps"]] == ["merge"]
    id_ = done["consolidation_id"]
    assert asked(capsys, url, "consolidate", "show", id_) == done
    assert len(asked(capsys, url, "list", "semantic")) == 1
    assert main(["consolidate", "undo", id_, "--user", "ann", "--url", url]) == 0
    assert "undone" in capsys.readouterr().out
    assert len(asked(capsys, url, "list", "semantic")) == 2
    again = asked(capsys, url, "consolidate", "undo", id_)
    assert [step["why"] for step in again["steps"]] == ["it holds already"]


def test_single_memory_is_restored(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Found in whichever tier it is."""
    for text in ("I live in Paris.", "I moved to Lisbon last week."):
        body = {"user_id": "ann", "messages": [{"role": "user", "content": text}]}
        httpx2.post(
            f"{url}/api/v1/messages?wait=true", json=body, headers={"X-API-Key": KEY}, timeout=60
        ).raise_for_status()
    held = asked(capsys, url, "list", "core", "--ended")
    (old,) = [one["id"] for one in held if one["status"] == "superseded"]
    assert asked(capsys, url, "memory", "restore", old)["status"] == "active"
    assert main(["memory", "restore", old, "--user", "ann", "--url", url]) == 2
    told = capsys.readouterr().err
    assert told == "mirix: this memory holds; there is nothing to restore\n"


def test_user_is_named_when_there_was_nothing_to_look_at(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name is no memory in order."""
    assert main(["consolidate", "--user", "anne", "--dry-run", "--url", url]) == 0
    told = capsys.readouterr().out
    assert told == "nothing to put in order for user anne; --user says whose memory\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["consolidate", "--tier", "all"], "'all'"),
        (["consolidate", "show", "con_never"], "con_never"),
        (["consolidate", "undo", "con_never"], "con_never"),
        (["consolidate", "--all"], "--all works on the system of a data directory"),
        (["memory", "restore", "a b"], "not the id of a memory"),
        (["memory", "restore", "mem_never"], "mem_never"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    url: str, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """Status 2, and what was wrong."""
    assert main([*arguments, "--url", url]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
