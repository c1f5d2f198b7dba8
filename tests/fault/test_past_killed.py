"""The historian is killed: it comes back by itself and gives the same answers."""

from __future__ import annotations

import os
import signal
from typing import Any

from cluster import processes
from cluster.data_dir import DataDir
from tests.conversation import conversation
from tests.system import System, wait_until

LINES = conversation(24)


def _pid_of_past(system: System) -> int:
    """Return the process id of the actor that answers for the past, 0 while there is none."""
    record = DataDir(system.data).read_system()
    assert record is not None
    for process in processes.members(record.run_id, record.processes):
        one = processes.record_of(process)
        if "PastActor" in one.name:
            return one.pid
    return 0


async def test_past_is_answered_again_and_alike_when_its_process_was_killed(
    system: System,
) -> None:
    """Signal 9 between two questions: Ray starts it again, and what it had kept is worked out."""
    system.say("historic", LINES[:12], wait=True)
    # What is said at once lies together: right before it, all of the first half was remembered.
    halfway = system.say("historic", LINES[12:], wait=True) - 12

    def as_of_halfway() -> dict[str, Any]:
        found: dict[str, Any] = system.get("/memory/episodic", user_id="historic", as_of=halfway)
        return found

    before = as_of_halfway()
    now = system.get("/memory/episodic", user_id="historic")
    assert 0 < len(before["items"]) < len(now["items"])

    killed = _pid_of_past(system)
    os.kill(killed, signal.SIGKILL)

    assert as_of_halfway() == before
    wait_until(lambda: _pid_of_past(system) not in (0, killed), 60, "the return of the historian")
    assert [one["agent"] for one in system.get("/status")["agents"]].count("past") == 0
