"""`mirix list | history | why | diff` and `search --as-of`, against the real gateway and agents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from cluster.cli import main
from tests.unit.fakes.local_gateway import KEY, local_gateway
from tests.unit.fakes.remembered import LINES


class Lived(NamedTuple):
    """A gateway, and the positions between which what was said falls into two parts."""

    url: str
    before: int
    middle: int
    end: int


def _say(http: httpx2.Client, user: str, lines: tuple[str, ...], first: int) -> int:
    messages = [
        {"role": "user", "content": line, "external_id": f"m{number}"}
        for number, line in enumerate(lines, first)
    ]
    body = {"user_id": user, "messages": messages}
    answer = http.post("/messages", params={"wait": "true"}, json=body)
    answer.raise_for_status()
    return _end(http)


def _end(http: httpx2.Client) -> int:
    return int(http.get("/timeline/diff", params={"from": "0"}).json()["end"])


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    """Alice lives in Lisbon, then moves to Porto; an assistant is made in between."""
    with local_gateway() as url:
        headers = {"X-API-Key": KEY}
        with httpx2.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as http:
            before = _end(http)
            middle = _say(http, "alice", LINES[:4], 0)
            http.post("/agents/", json={"name": "friend"}).raise_for_status()
            end = _say(http, "alice", LINES[4:], 4)
        yield Lived(url, before, middle, end)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRIX_API_KEY", KEY)
    monkeypatch.setenv("MIRIX_DATA", str(tmp_path / "nothing-here"))


def mirix(lived: Lived, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--url", lived.url, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def shown(lived: Lived, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--url", lived.url]) == 0
    return capsys.readouterr().out


def test_list_shows_what_was_there_as_of_a_moment(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """By position and by time; what came later is not there, what ended later still holds."""
    alice = ("--user", "alice")
    now = mirix(lived, capsys, "list", "core", *alice)
    then = mirix(lived, capsys, "list", "core", *alice, "--as-of", str(lived.middle))
    ended = mirix(lived, capsys, "list", "core", *alice, "--ended")
    recorded_at = then[0]["recorded_at"]
    timed = mirix(lived, capsys, "list", "core", *alice, "--as-of", recorded_at)

    assert [one["text"] for one in then] == ["I live in Lisbon."]
    assert "I live in Lisbon." not in [one["text"] for one in now]
    assert [one["status"] for one in ended].count("superseded") == 1
    assert timed == then
    assert mirix(lived, capsys, "list", "core", *alice, "--as-of", str(lived.before)) == []
    assert len(mirix(lived, capsys, "list", "core", *alice, "--limit", "1")) == 1


def test_list_shows_blocks_messages_and_assistants_as_of_a_moment(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is beside the tiers has a past, too."""
    alice, then = ("--user", "alice"), ("--as-of", str(lived.middle))

    human = {one["block"]: one for one in mirix(lived, capsys, "list", "blocks", *alice, *then)}
    assert human["human"]["value"] == "I live in Lisbon."
    said = mirix(lived, capsys, "list", "messages", *alice)
    assert [one["content"] for one in said] == list(LINES)
    assert len(mirix(lived, capsys, "list", "messages", *alice, *then)) == 4
    assert len(mirix(lived, capsys, "list", "messages", *alice, "--limit", "2")) == 2
    assert [one["name"] for one in mirix(lived, capsys, "list", "assistants")] == ["friend"]
    assert mirix(lived, capsys, "list", "assistants", *then) == []


def test_list_comes_in_pages_when_there_is_more_than_one(
    lived: Lived, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cursors are followed until the limit."""
    monkeypatch.setattr("cluster.api_client_past.PAGE_ITEMS", 2)
    alice = ("--user", "alice")

    assert len(mirix(lived, capsys, "list", "messages", *alice)) == len(LINES)
    assert len(mirix(lived, capsys, "list", "core", *alice, "--ended")) == 3
    assert len(mirix(lived, capsys, "list", "messages", *alice, "--limit", "3")) == 3
    assert len(mirix(lived, capsys, "list", "assistants", "--limit", "7")) == 1


def test_list_says_so_when_there_is_more_than_is_shown(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, and only then: a cut list would look like all there is."""
    asked = ["list", "messages", "--user", "alice", "--json", "--url", lived.url, "--limit"]

    assert main([*asked, "3"]) == 0
    cut = capsys.readouterr()
    assert main([*asked, str(len(LINES))]) == 0
    whole = capsys.readouterr()

    assert len(json.loads(cut.out)) == 3
    assert "there are more than these 3, which are the oldest: see them with --limit" in cut.err
    assert len(json.loads(whole.out)) == len(LINES)
    assert whole.err == ""


def test_list_is_shown_as_lines(lived: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an item; nothing is said where there is nothing; the position goes to stderr."""
    alice = ("--user", "alice")

    assert "I moved to Porto." in shown(lived, capsys, "list", "core", *alice)
    assert "user  I moved to Porto." in shown(lived, capsys, "list", "messages", *alice)
    assert "persona (0 characters)\nempty\n" in shown(lived, capsys, "list", "blocks", *alice)
    assert "friend  chat" in shown(lived, capsys, "list", "assistants")
    for what, told in (
        ("semantic", "nothing is remembered in semantic for user bob; --user says whose"),
        ("blocks", "nothing is remembered in blocks for user bob; --user says whose memory"),
        ("messages", "nothing was said for user bob; --user says whose memory"),
        ("assistants", "there are no assistants"),
    ):
        at = ("--user", "bob", "--as-of", str(lived.before))
        assert main(["list", what, *at, "--url", lived.url]) == 0
        printed = capsys.readouterr()
        assert told in printed.out
        assert printed.err == f"as of position {lived.before}\n"


def test_search_finds_what_it_would_have_found_then(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither messages nor memories of later."""
    asked = ("search", "where do I live", "--user", "alice", "--limit", "30")
    then = mirix(lived, capsys, *asked, "--as-of", str(lived.middle))

    assert then["position"] == lived.middle
    texts = {hit["text"] for hit in then["results"]}
    assert "I live in Lisbon." in texts
    assert not texts & set(LINES[4:])
    assert not mirix(lived, capsys, *asked, "--as-of", str(lived.before)).get("results")


def _lisbon(lived: Lived, capsys: pytest.CaptureFixture[str]) -> str:
    found = mirix(lived, capsys, "list", "core", "--user", "alice", "--ended")
    return str(next(one["id"] for one in found if one["text"] == "I live in Lisbon."))


def test_why_shows_the_chain_from_the_first_message(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tier is found by itself; message, event, maker, end and readers are in the tree."""
    id_ = _lisbon(lived, capsys)
    why = mirix(lived, capsys, "why", id_, "--user", "alice")
    tree = shown(lived, capsys, "why", id_, "--user", "alice")

    assert (why["status"], why["producer"], why["extractor"]) == (
        "superseded",
        "core_memory",
        "rules",
    )
    for told in (
        f"core {id_} superseded  I live in Lisbon.",
        "MessageReceived by gateway  I live in Lisbon.",
        "MemoryRecorded by core_memory  I live in Lisbon.  ←",
        "MessageReceived by gateway  I moved to Porto.",
        "MemorySuperseded by core_memory",
        "made by core_memory, by its rules",
        "its place was taken by mem_",
    ):
        assert told in tree


def test_history_shows_every_event_of_a_memory(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the first to the last, with who appended each."""
    id_ = _lisbon(lived, capsys)
    history = mirix(lived, capsys, "history", id_, "--user", "alice")
    lines = shown(lived, capsys, "history", id_, "--user", "alice")

    kinds = [entry["kind"] for entry in history["entries"]]
    assert kinds[0] == "recorded"
    assert "superseded" in kinds
    assert "MemoryRecorded    core_memory  I live in Lisbon." in lines


def test_forgotten_memory_still_has_its_history(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """It left its tier; the log keeps what happened."""
    headers = {"X-API-Key": KEY}
    with httpx2.Client(base_url=f"{lived.url}/api/v1", headers=headers, timeout=60) as http:
        body = {"user_id": "carol", "name": "Ann", "summary": "Ann lives in Rome."}
        made = http.post("/memory/semantic", json=body).json()["id"]
        at = f"/memory/semantic/{made}"
        http.delete(at, params={"user_id": "carol"}).raise_for_status()

    history = mirix(lived, capsys, "history", made, "--user", "carol")
    tree = shown(lived, capsys, "why", made, "--user", "carol")

    assert [entry["kind"] for entry in history["entries"]][-1] == "forgotten"
    assert f"semantic {made} forgotten" in tree
    assert "as a client asked" in tree


def test_diff_tells_what_changed_between_two_moments(
    lived: Lived, capsys: pytest.CaptureFixture[str]
) -> None:
    """Added, superseded and nothing else; by tier where one is named."""
    at = ("--from", str(lived.middle), "--to", str(lived.end), "--user", "alice")
    found = mirix(lived, capsys, "diff", *at)
    core = mirix(lived, capsys, "diff", *at, "--tier", "core")
    lines = shown(lived, capsys, "diff", *at, "--tier", "core", "--tier", "episodic")

    assert (found["start"], found["end"]) == (lived.middle, lived.end)
    assert found["counts"]["core"]["superseded"] == 1
    assert {change["tier"] for change in core["changes"]} == {"core"}
    assert "» core mem_" in lines
    assert "    status: active → superseded" in lines
    assert "+ episodic mem_" in lines
    whole = shown(lived, capsys, "diff", "--from", str(lived.before), "--user", "alice")
    assert "I live in Lisbon.  added, superseded since\n" in whole
    assert f"positions {lived.middle} to {lived.end}: core: " in lines
    same = shown(lived, capsys, "diff", "--from", "3", "--to", "3", "--user", "alice")
    assert same == ("positions 3 to 3: nothing differs for user alice; --user says whose memory\n")
    assert mirix(lived, capsys, "diff", "--from", "0", "--user", "nobody-knows")["changes"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "core", "--as-of", "99999"], "beyond the end of the log"),
        (["list", "blocks", "--as-of", "99999"], "beyond the end of the log"),
        (["list", "messages", "--as-of", "99999"], "beyond the end of the log"),
        (["list", "assistants", "--as-of", "99999"], "beyond the end of the log"),
        (["search", "x", "--as-of", "99999"], "beyond the end of the log"),
        (["diff", "--from", "99999"], "beyond the end of the log"),
        (["diff", "--from", "0", "--to", "99999"], "beyond the end of the log"),
        (["diff", "--from", "3", "--to", "2"], "--from 3 is after --to 2"),
        (["diff", "--from", "2026-02-01", "--to", "2026-01-01"], "is after --to 2026-01-01"),
        (["list", "core", "--as-of", "99999"], "mirix: --as-of: position 99999 is"),
        (["why", "mem_nothing"], "ever held a memory mem_nothing"),
        (["history", "mem_nothing"], "ever held a memory mem_nothing"),
        (["list", "core", "--as-of", "soon"], "is no moment"),
        (["list", "core", "--as-of", "-1"], "is no moment"),
        (["search", "x", "--as-of", "9" * 30], "larger than any position"),
        (["diff", "--from", "yesterday"], "is no moment"),
        (["diff", "--from", "0", "--to", "x"], "is no moment"),
        (["diff"], "Missing option '--from'"),
        (["diff", "--from", "0", "--tier", "cores"], "--tier"),
        (["list", "cores"], "'cores'"),
        (["list", "core", "--limit", "0"], "--limit"),
        (["why", "../core"], "is not the id of a memory"),
        (["why", "."], "is not the id of a memory"),
        (["history", "mem x"], "is not the id of a memory"),
        (["history", ""], "is not the id of a memory"),
        (["list", "core", "--user", ""], "'--user': it is empty"),
        (["why"], "(see `mirix why --help`)"),
    ],
)
def test_wrong_use_is_one_line(
    lived: Lived, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, nothing on stdout, whether it is refused here or by the gateway."""
    assert main([*arguments, "--url", lived.url]) == 2

    printed = capsys.readouterr()
    assert told in printed.err
    assert "HTTP" not in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_wrong_key_is_no_wrong_use(
    lived: Lived, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was asked was right; who asked was not known."""
    monkeypatch.setenv("MIRIX_API_KEY", "wrong-key-altogether")

    assert main(["list", "core", "--url", lived.url]) == 1
    assert "HTTP 401" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["list"], ["history"], ["why"], ["diff"], ["replay"], ["fork"], ["events", "tree"]],
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


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["list", "core"], 1, "no system runs on"),
        (["why", "mem_x"], 1, "no system runs on"),
        (["diff", "--from", "0"], 1, "no system runs on"),
        (["replay", "--user", "x"], 1, "no system runs on"),
        (["events", "tree", "req_x"], 1, "no system runs on"),
        (["events", "tail", "--agent", "serch"], 2, "did you mean search?"),
        (["events", "tail", "--since", "9", "--until", "3"], 2, "since is after until"),
        (["events", "grep", "x", "--since", "2026-02-01", "--until", "2026-01-01"], 2, "after"),
        (["events", "tail", "--until", "soon"], 2, "is no moment"),
    ],
)
def test_error_is_one_line_when_nothing_runs(
    arguments: list[str],
    status: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong use is told as such though there is no system to ask."""
    assert main([*arguments, "--data", str(tmp_path)]) == status

    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
