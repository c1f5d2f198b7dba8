"""A system starts, stops, comes back with the same memory, and leaves nothing running."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import psutil

from tests.conversation import conversation
from tests.system import MIRIX, START_S_MAX, System, free_port, running_system, wait_until


def hashes(system: System) -> dict[str, str]:
    states = [one["state"] for one in system.get("/status", hashes="true")["agents"]]
    return {state["projection"]: state["state_hash"] for state in states}


def test_a_stopped_system_comes_back_with_the_same_memory(tmp_path: Path) -> None:
    """State hashes are equal after a restart, and equal those rebuilt from the log."""
    with running_system(tmp_path / "data") as system:
        system.say("ann", conversation(60), wait=True)
        before = hashes(system)
        second = system.mirix("up", "--json")
        assert second.returncode == 1
        assert "already" in (second.stderr + second.stdout)
        rebuilt = system.mirix("rebuild", "--json")
        assert rebuilt.returncode == 0, rebuilt.stderr
    with running_system(tmp_path / "data") as system:
        assert hashes(system) == before
        status = json.loads(system.mirix("status", "--json").stdout)
        assert status["state"] == "ready"
    assert System(tmp_path / "data", 1).mirix("status").returncode != 0


def test_two_systems_run_side_by_side(tmp_path: Path, system: System) -> None:
    """A system knows nothing of another one on the same machine, and stops alone."""
    with running_system(tmp_path / "other") as other:
        line = {"role": "user", "content": "My sister Quilla lives in Cusco."}
        other.say("ann", [line], wait=True)
        found = system.post("/memory/search", {"user_id": "ann", "query": "Quilla Cusco"})
        assert not [hit for hit in found["results"] if "Quilla" in hit["text"]]
    assert system.get("/status")["agents"]


def test_a_system_stops_in_good_order_when_it_is_told_so_while_ray_starts(tmp_path: Path) -> None:
    """SIGTERM in the middle of Ray's own start is heard as at any other time."""
    command = [*MIRIX, "up", "--json", "--data", str(tmp_path / "data")]
    with subprocess.Popen(
        [*command, "--port", str(free_port())], stdout=subprocess.PIPE, text=True
    ) as starting:
        supervisor = psutil.Process(starting.pid)
        wait_until(
            lambda: "gcs_server" in {one.name() for one in supervisor.children()},
            START_S_MAX,
            "the first of Ray's processes",
        )
        starting.send_signal(signal.SIGTERM)
        told, _ = starting.communicate(timeout=START_S_MAX)

    steps = [json.loads(line)["step"] for line in told.splitlines()]
    assert (starting.returncode, steps[-2:]) == (0, ["stopping", "stopped"])
    assert "ready" not in steps
