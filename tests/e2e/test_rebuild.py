"""Rebuilding beside the running system: nobody notices, and whoever is killed comes back whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from actors.names import AGENTS
from tests.conversation import conversation
from tests.system import MIRIX, System, wait_until


@pytest.fixture(scope="module", autouse=True)
def _told(system: System) -> None:
    """Something to rebuild from."""
    system.say("rebuilder", conversation(60), wait=True)


def rebuilt(system: System, *options: str) -> list[dict[str, Any]]:
    done = system.mirix("rebuild", "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def check_sound(system: System) -> None:
    verified = system.mirix("verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    (shard,) = json.loads(verified.stdout)
    assert shard["sound"]
    assert [item["equal"] for item in shard["projections"]] == [True] * len(AGENTS)
    assert shard["snapshots"] >= len(AGENTS)


def test_reads_go_on_while_every_state_is_replaced_and_put_back(system: System) -> None:
    """Nine states are built, found equal and swapped; one step back; all is sound."""
    stop, answers = threading.Event(), list[int]()

    def keep_searching() -> None:
        while not stop.is_set():
            found = system.http.post("/memory/search", json={"user_id": "rebuilder", "query": "a"})
            answers.append(found.status_code)

    reader = threading.Thread(target=keep_searching)
    reader.start()
    try:
        done = rebuilt(system)
        system.say("rebuilder", conversation(70)[60:], wait=True)
        back = rebuilt(system, "--roll-back", "--projection", "semantic")
    finally:
        stop.set()
        reader.join()
    assert [(one["done"], one["equal"]) for one in done] == [("swapped", True)] * len(AGENTS)
    assert [one["projection"] for one in back] == ["semantic"]
    assert back[0]["position"] > done[0]["position"]
    assert answers
    assert set(answers) == {200}
    check_sound(system)


def test_agent_that_is_killed_in_the_middle_adopts_its_state_when_it_is_back(
    system: System,
) -> None:
    """The command tries again; the agent starts on a whole state and takes the new one."""
    before = system.pids()["semantic_memory"]
    command = [*MIRIX, "rebuild", "--json", "--data", str(system.data)]
    rebuilding = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    directory = system.data / "snapshots" / "0"
    wait_until(lambda: any(directory.glob("*.rebuilt")), 120, "the first rebuilt state")
    os.kill(before, signal.SIGKILL)
    told, errors = rebuilding.communicate(timeout=300)
    assert rebuilding.returncode == 0, told + errors
    assert [one["done"] for one in json.loads(told)] == ["swapped"] * len(AGENTS)
    wait_until(lambda: system.pids()["semantic_memory"] != before, 60, "the agent's return")
    check_sound(system)
