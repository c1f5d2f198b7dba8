"""A running system's past over the command line: as of, why, history, diff and replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from events.memory import TIERS
from tests.system import System

USER = "past-alice"
FIRST = ("I live in Lisbon.", "My colleague Zoe collects antique copper lamps.")
SECOND = ("I moved to Porto.", "We had dinner at Bram's place yesterday.")


def asked(system: System, *arguments: str) -> Any:
    """Return what a command answers as JSON; a command that answers lines gives a list."""
    done = system.mirix(*arguments, "--json")
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[0] if len(lines) == 1 else lines


def end_of(system: System) -> int:
    return int(asked(system, "diff", "--from", "0", "--user", USER)["end"])


@pytest.fixture(scope="module")
def moments(system: System, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int, int]:
    """Two parts of a conversation; the positions before, between and after them."""
    folder = tmp_path_factory.mktemp("chat")
    found = [end_of(system)]
    for number, part in enumerate((FIRST, SECOND)):
        file = folder / f"part-{number}.jsonl"
        lines = [json.dumps({"content": text, "id": f"{number}-{text}"}) for text in part]
        file.write_text("\n".join(lines) + "\n")
        asked(system, "ingest", str(file), "--user", USER)
        found.append(end_of(system))
    before, middle, end = found
    assert before < middle < end
    return before, middle, end


def test_reads_as_of_a_moment_know_nothing_of_later(
    system: System, moments: tuple[int, int, int]
) -> None:
    """Tiers, blocks, messages and searches, by position and by time."""
    before, middle, _ = (str(moment) for moment in moments)
    mine = ("--user", USER)

    (then,) = asked(system, "list", "core", *mine, "--as-of", middle)
    assert then["text"] == FIRST[0]
    # Not that of the memory: what is before it in the log may have been stamped a little later.
    events = asked(system, "events", "tail", "-n", "100000", "--until", middle)
    latest = max(event["recorded_at"] for event in events)
    (again,) = asked(system, "list", "core", *mine, "--as-of", latest)
    assert again == then
    now = asked(system, "list", "core", *mine)
    assert [one["text"] for one in now] == [SECOND[0]]
    assert asked(system, "list", "core", *mine, "--as-of", before) == []
    said = asked(system, "list", "messages", *mine, "--as-of", middle)
    assert [one["content"] for one in said] == list(FIRST)
    found = asked(system, "search", "where do I live", *mine, "--as-of", middle)
    assert FIRST[0] in {hit["text"] for hit in found["results"]}
    assert not {hit["text"] for hit in found["results"]} & set(SECOND)


def test_why_history_and_diff_tell_how_it_came(
    system: System, moments: tuple[int, int, int]
) -> None:
    """From the message to the memory, to what took its place."""
    _, middle, end = moments
    mine = ("--user", USER)
    (old,) = asked(system, "list", "core", *mine, "--as-of", str(middle))

    why = asked(system, "why", old["id"], *mine)
    assert (why["status"], why["extractor"]) == ("superseded", "rules")
    assert why["causes"][0]["event"]["payload"]["content"] == FIRST[0]
    tree = system.mirix("why", old["id"], *mine).stdout
    assert "MessageReceived by gateway  I moved to Porto." in tree
    kinds = [one["kind"] for one in asked(system, "history", old["id"], *mine)["entries"]]
    assert (kinds[0], kinds[-1]) == ("recorded", "superseded")
    diff = asked(system, "diff", "--from", str(middle), "--to", str(end), *mine, "--tier", "core")
    counts = {kind: count for kind, count in diff["counts"]["core"].items() if count}
    assert counts == {"added": 1, "superseded": 1}


def test_replay_gives_the_state_of_any_moment_and_writes_nothing(
    system: System, moments: tuple[int, int, int], tmp_path: Path
) -> None:
    """From the live log, from a backup and from an exported file: the same states and steps."""
    _, middle, end = moments
    mine = ("--user", USER)
    (old,) = asked(system, "list", "core", *mine, "--as-of", str(middle))
    there, keys, file = (str(tmp_path / name) for name in ("backup", "keys", "mine.jsonl"))
    before = end_of(system)

    then = asked(system, "replay", *mine, "--to", str(middle))
    hit = asked(system, "replay", *mine, "--break", "type=MemorySuperseded", "--to", str(end))
    assert end_of(system) == before
    assert list(then["state"]["core"]) == [old["id"]]
    assert then["position"] == middle
    assert hit["event"]["payload"]["memory_id"] == old["id"]

    asked(system, "backup", there, "--keys-to", keys)
    asked(system, "export", file, *mine)
    elsewhere = (("--from-backup", there, "--keys-from", keys), ("--from-file", file))
    for source in elsewhere:
        assert asked(system, "replay", *mine, *source, "--to", str(middle)) == then
        wanted = ("--break", "type=MemorySuperseded", "--to", str(end))
        assert asked(system, "replay", *mine, *source, *wanted) == hit


def test_events_are_narrowed_down_and_shown_as_a_tree(
    system: System, moments: tuple[int, int, int]
) -> None:
    """By agent, correlation and position; a request with everything that came of it."""
    _, middle, end = moments
    narrow = ("--since", str(middle + 1), "--until", str(end), "--user", USER)

    events = asked(system, "events", "grep", ".", "--agent", "core_memory", *narrow)
    assert {one["producer"] for one in events} == {"core_memory"}
    assert {one["position"] > middle for one in events} == {True}
    correlation = events[0]["correlation_id"]
    same = asked(system, "events", "tail", "--correlation", correlation, "--user", USER)
    assert {one["correlation_id"] for one in same} == {correlation}
    nodes = asked(system, "events", "tree", correlation)["trees"]
    assert any(node["event"]["type"] == "MessageReceived" for node in nodes)
    tree = system.mirix("events", "tree", correlation).stdout
    assert "MessageReceived by gateway  I moved to Porto." in tree


def test_a_fork_by_the_same_rules_changes_nothing_and_without_any_forgets(
    system: System, moments: tuple[int, int, int], tmp_path: Path
) -> None:
    """What-if over a running system's log; the new history is kept, and can be stepped through."""
    before, middle, _ = (str(moment) for moment in moments)
    mine = ("--user", USER)

    same = asked(system, "fork", "--at", before, *mine)
    assert same["difference"]["changes"] == []
    assert same["causes"] > 0
    kept = tmp_path / "without.jsonl"
    without = asked(
        system, "fork", "--at", middle, "--extractor", "none", "--keep", str(kept), *mine
    )
    gone = {
        change["before"]["text"]
        for change in without["difference"]["changes"]
        if not change["after"]
    }
    assert gone == {one["text"] for tier in TIERS for one in asked_list(system, tier, middle)}
    state = asked(system, "replay", "--from-file", str(kept), "--projection", "core")
    assert FIRST[0] in json.dumps(state)
    assert SECOND[0] not in json.dumps(state["state"]["core"])


def asked_list(system: System, tier: str, after: str) -> list[dict[str, Any]]:
    """Return what a tier has now of what was recorded behind a position."""
    found = asked(system, "list", tier, "--ended", "--user", USER)
    found = found if isinstance(found, list) else [found]
    return [one for one in found if one["position"] > int(after)]


def test_the_system_says_of_its_past_what_its_log_says(system: System) -> None:
    """Everything of a running system, as of some positions: the evaluation finds no difference."""
    report = asked(system, "eval", "past", "--positions", "4", "--rebuilds", "1", "--forks", "2")
    assert report["sound"]
    assert report["reads"] == 4 * 9
    assert report["differing"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "core", "--as-of", "999999999"),
        ("list", "core", "--as-of", "soon"),
        ("search", "x", "--as-of", "999999999"),
        ("why", "mem_nothing"),
        ("history", "mem_nothing"),
        ("diff", "--from", "999999999"),
        ("diff", "--from", "3", "--to", "2"),
        ("replay", "--user", "nobody-ever"),
        ("replay", "--user", USER, "--to", "999999999"),
        ("replay", "--user", USER, "--break", "type=Nothing"),
        ("events", "tree", "req_nothing"),
        ("events", "tail", "--agent", "nobody"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("moments")
def test_wrong_use_is_one_line(system: System, arguments: tuple[str, ...]) -> None:
    """Exit status 2, and nothing on stdout."""
    done = system.mirix(*arguments)

    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
