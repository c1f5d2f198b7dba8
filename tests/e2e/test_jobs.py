"""Jobs on real Ray clusters: one that was started separately, and the system's own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest

from cluster import processes, wiring
from cluster.data_dir import DataDir
from cluster.jobs.journal import subject_of
from cluster.jobs.run import own_journal
from cluster.jobs.work import Place
from cluster.ray_host import free_ports, python_path
from cluster.settings import Settings
from events.codec import Codec
from events.connection import connect
from events.envelope import Event
from events.journal import Journal
from events.sealing import KeyRing
from tests.system import MIRIX, System, wait_until

RAY = str(Path(sys.executable).parent / "ray")
#: Units of a job that is done, and of one that is to be stopped before its end.
CONVERSATIONS, CONVERSATIONS_TO_STOP = 8, 80
DEADLINE_S = 180


class Cluster:
    """A Ray cluster that knows nothing of the system: started by hand, as an operator does."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        self.url = url
        self._environment = environment

    def ray_job_submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `ray job submit`, which follows the job to its end."""
        packages = json.dumps({"env_vars": {"PYTHONPATH": python_path()}})
        options = ["--address", self.url, "--runtime-env-json", packages]
        return subprocess.run(
            [RAY, "job", "submit", *options, "--", *command],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=self._environment,
            check=False,
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start a Ray head on the loopback interface; end it, and all that it started, by their ids."""
    port, dashboard, agent = (free_ports(3) + number for number in range(3))
    sessions = Path(tempfile.mkdtemp(prefix="mx-ray-", dir="/tmp"))
    run_id = uuid4().hex
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        processes.MARK: run_id,
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    head = [RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    head += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    head += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={sessions}"]
    head += ["--num-cpus=2", f"--object-store-memory={128 * 1024 * 1024}"]
    with (sessions / "head.log").open("wb") as log:
        started = subprocess.Popen(head, stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{dashboard}"
    try:
        # The head, its dashboard, and the agent below it that starts the drivers.
        runs = sessions / "head.log"
        wait_until(lambda: "Ray runtime started" in runs.read_text(), DEADLINE_S, "its start")
        wait_until(lambda: is_up(f"{url}/api/version"), DEADLINE_S, "its dashboard")
        health = f"http://127.0.0.1:{agent}/api/local_raylet_healthz"
        wait_until(lambda: is_up(health), DEADLINE_S, "its agent")
        yield Cluster(url, environment)
    finally:
        started.send_signal(signal.SIGTERM)
        left = processes.end(processes.members(run_id), grace_s=10)
        started.wait(10)
        shutil.rmtree(sessions, ignore_errors=True)
        assert not left


def is_up(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoCoMo file of several small conversations: so many units of work."""
    file = tmp_path_factory.mktemp("jobs") / "conversations.json"
    file.write_text(json.dumps([conversation(number) for number in range(CONVERSATIONS_TO_STOP)]))
    return file


def conversation(number: int) -> dict[str, Any]:
    towns = ["Lisbon", "Cusco", "Bergen", "Osaka", "Accra", "Quito", "Turin", "Hobart"]
    lines = [f"Last year I spent a week in {town}, it was visit {number}." for town in towns]
    turns = [
        {"speaker": "Ann", "dia_id": f"D1:{at}", "text": line} for at, line in enumerate(lines, 1)
    ]
    questions = [
        {"question": f"When was Ann in {town}?", "evidence": [f"D1:{at}"], "category": 4}
        for at, town in enumerate(towns, 1)
    ]
    talk = {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": turns,
    }
    return {"sample_id": f"conv-{number}", "conversation": talk, "qa": questions}


def mirix_job(system: System, *arguments: str) -> Any:
    """Run `mirix job ... --json` on a system and return its answer."""
    return mirix_job_on(system.data, *arguments)


def mirix_job_on(data: Path, *arguments: str) -> Any:
    """Run `mirix job ... --json` on a directory; what stands behind `--` stays there."""
    words = list(arguments)
    at = words.index("--") if "--" in words else len(words)
    own = [*words[:at], "--json", "--data", str(data)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [*MIRIX, "job", *own, *words[at:]],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def journal_of(system: System) -> Any:
    record = DataDir(system.data).read_system()
    assert record is not None
    return connect(wiring.log_settings(record))


def codec_of(system: System) -> Codec:
    return Codec(KeyRing(wiring.keystore(DataDir(system.data))))


async def events_of(system: System, job_id: str) -> list[Event]:
    """Return a job's events, found by its subject."""
    async with journal_of(system) as connection:
        journal = Journal(connection.log(0), codec_of(system))
        return [event async for event in journal.read(user=subject_of(job_id))]


async def first_unit(system: System, job_id: str) -> None:
    """Return when a job has recorded that a unit is done."""
    kinds = frozenset({"JobProgressed", "JobFinished"})
    async with asyncio.timeout(DEADLINE_S), journal_of(system) as connection:
        batches = Journal(connection.log(0), codec_of(system)).follow(kinds=kinds)
        async with aclosing(batches):
            async for batch in batches:
                for event in batch.events:
                    if event.envelope.entity == job_id:
                        assert event.envelope.type == "JobProgressed", event.payload
                        return


def units_of(events: list[Event]) -> list[str]:
    payloads: list[Any] = [event.payload for event in events]
    return [one.unit for one in payloads if type(one).__name__ == "JobProgressed"]


def kinds_of(events: list[Event]) -> dict[str, int]:
    return dict(Counter(event.envelope.type for event in events))


def driver_of(file: Path) -> psutil.Process:
    """Return the process that does the job with this file."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "cluster.jobs.run" in command and str(file) in command:
            return process
    raise AssertionError(f"no driver works on {file}")


async def test_verify_runs_through_ray_job_submit_on_a_separate_cluster(
    system: System, cluster: Cluster
) -> None:
    """A real `ray job submit`: a task a shard, progress in the log of the system."""
    command = [sys.executable, "-m", "cluster.jobs.run", "verify", "--data", str(system.data)]
    done = await asyncio.to_thread(cluster.ray_job_submit, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"projections":9' in done.stdout
    (shown,) = [one for one in mirix_job(system, "list") if one["kind"] == "verify"]
    assert (shown["state"], shown["done"], shown["total"]) == ("succeeded", 1, 1)
    events = await events_of(system, shown["job_id"])
    assert kinds_of(events) == {"JobSubmitted": 1, "JobProgressed": 1, "JobFinished": 1}
    wrong = await asyncio.to_thread(cluster.ray_job_submit, *command, "--", "--fast")
    assert wrong.returncode != 0
    assert "mirix: verify: unrecognized arguments: --fast" in wrong.stdout


async def test_job_goes_on_after_its_driver_was_killed(
    system: System, cluster: Cluster, conversations: Path
) -> None:
    """Submitted twice it runs once; killed and submitted again, no unit is done twice."""
    arguments = ["locomo", str(conversations), "--limit-conversations", str(CONVERSATIONS)]
    submit = ["submit", "eval", "--address", cluster.url, "--", *arguments]
    first = await asyncio.to_thread(mirix_job, system, *submit)
    assert first["submitted"]
    second = await asyncio.to_thread(mirix_job, system, *submit)
    assert second == {"job_id": first["job_id"], "submitted": False}
    await first_unit(system, first["job_id"])
    driver_of(conversations).kill()
    before = units_of(await events_of(system, first["job_id"]))
    assert 0 < len(before) < CONVERSATIONS
    again = await asyncio.to_thread(mirix_job, system, submit[0], "--wait", *submit[1:])
    assert (again["state"], again["attempt"], again["ray"]) == ("succeeded", 2, "SUCCEEDED")
    assert again["result"]["conversations"] == CONVERSATIONS
    events = await events_of(system, first["job_id"])
    assert units_of(events)[: len(before)] == before
    assert Counter(units_of(events)) == dict.fromkeys(units_of(events), 1)
    assert len(units_of(events)) == CONVERSATIONS
    assert kinds_of(events)["JobSubmitted"] == 2
    assert kinds_of(events)["JobFinished"] == 1


async def test_system_runs_jobs_on_its_own_cluster(system: System, conversations: Path) -> None:
    """No other Ray is needed: submitted, followed, listed, stopped, and gone on with."""
    rebuilt = await asyncio.to_thread(mirix_job, system, "submit", "rebuild", "--wait")
    assert (rebuilt["state"], rebuilt["ray"]) == ("succeeded", "SUCCEEDED")
    shown = rebuilt["result"]["shards"]["shard-0"]
    assert len(shown) == 9
    assert all(one["equal"] for one in shown.values())
    text = system.mirix("job", "logs", rebuilt["job_id"])
    assert "1 of 1 done: shard-0" in text.stdout
    submit = ["submit", "eval", "--", "locomo", str(conversations)]
    job = await asyncio.to_thread(mirix_job, system, *submit)
    await first_unit(system, job["job_id"])
    stopped = await asyncio.to_thread(mirix_job, system, "stop", job["job_id"])
    assert stopped["state"] == "stopped"
    status = await asyncio.to_thread(mirix_job, system, "status", job["job_id"])
    assert (status["state"], status["error"]) == ("stopped", "stopped")
    assert 0 < status["done"] < CONVERSATIONS_TO_STOP


async def test_restore_tells_of_itself_in_the_log_that_it_leaves(
    system: System, tmp_path: Path
) -> None:
    """A job on a directory without a system: its events come behind all that was backed up."""
    target, keys, new = (str(tmp_path / name) for name in ("backup", "keys", "new"))
    backup = ["submit", "backup", "--local", "--", target, "--keys-to", keys]
    saved = await asyncio.to_thread(mirix_job, system, *backup)
    restore = ["submit", "restore", "--local", "--", target, "--keys-from", keys]
    restored = await asyncio.to_thread(mirix_job_on, Path(new), *restore)
    assert restored["state"] == "succeeded"
    place = Place(settings=Settings(data_dir=Path(new)))
    async with own_journal(place) as journal:
        events = [event async for event in journal.read(user=subject_of(restored["job_id"]))]
        assert kinds_of(events) == {"JobSubmitted": 1, "JobProgressed": 1, "JobFinished": 1}
        assert events[0].position == saved["result"]["shards"][0]["last_position"] + 1
