"""The command line over a running system: what it shows, and that nobody else can reach it."""

from __future__ import annotations

import ipaddress
import json

import psutil

from cluster import processes
from cluster.data_dir import DataDir
from tests.system import System

#: Ray Serve binds the port between its own processes to every interface, and no setting changes it.
UNBINDABLE = "ray::ServeReplica"


def test_every_port_is_on_the_loopback_interface(system: System) -> None:
    """Ray's services are remote code execution: no process of a system listens elsewhere."""
    record = DataDir(system.data).read_system()
    assert record is not None
    below = processes.members(record.run_id, (record.supervisor, *record.processes))
    pids = {process.pid for process in below}

    listening = [
        (connection.laddr, psutil.Process(connection.pid).name())
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in pids
    ]

    assert listening
    open_to_others = [(at, who) for at, who in listening if not is_loopback(at.ip)]
    assert not [who for _, who in open_to_others if not who.startswith(UNBINDABLE)]
    assert len(open_to_others) <= 1


def is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    inner = getattr(address, "ipv4_mapped", None)
    return (inner or address).is_loopback


def test_second_up_says_that_it_runs(system: System) -> None:
    """One supervisor a directory: the second one names the first and fails."""
    record = DataDir(system.data).read_system()
    assert record is not None

    for options in ((), ("--detach",)):
        second = system.mirix("up", *options)

        assert second.returncode == 1
        assert f"pid {record.supervisor.pid}, {system.url}" in second.stderr


def test_status_shows_all_agents(system: System) -> None:
    """Nine agents, alive; memory and uptime of the whole."""
    shown = json.loads(system.mirix("status", "--json").stdout)

    assert shown["state"] == "ready"
    assert [agent["alive"] for agent in shown["agents"]] == [True] * 9
    assert shown["memory_mb"] > 0


def test_events_show_what_was_said(system: System) -> None:
    """The log is read with the local keys; a user is named as the client named them."""
    message = {"role": "user", "content": "The lighthouse is painted red.", "external_id": "cli-1"}
    system.say("cli-user", [message], wait=True)

    found = system.mirix("events", "grep", "lighthouse", "--user", "cli-user", "--json")
    events = [json.loads(line) for line in found.stdout.splitlines()]
    tail = system.mirix("events", "tail", "-n", "3", "--json")
    shown = system.mirix("events", "show", events[0]["event_id"], "--json")

    assert events[0]["type"] == "MessageReceived"
    assert events[0]["payload"]["content"] == "The lighthouse is painted red."
    assert len(tail.stdout.splitlines()) == 3
    assert json.loads(shown.stdout) == events[0]


def test_verify_finds_every_projection_equal(system: System) -> None:
    """Nine projections, rebuilt from the log, have the live hashes."""
    verified = system.mirix("verify", "--json")

    assert verified.returncode == 0, verified.stderr
    (shard,) = json.loads(verified.stdout)
    assert shard["sound"] is True
    assert [item["equal"] for item in shard["projections"]] == [True] * 9
