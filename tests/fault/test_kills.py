"""Processes are killed while messages come in: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections import Counter

from events.catalogue import MessageEmbedded, MessageReceived, UserRegistered
from events.envelope import Event
from events.memory import TIERS
from tests.conversation import conversation
from tests.system import System, repeated, wait_until

LINES = conversation(240)
VICTIMS = (
    "core_memory",
    "episodic_memory",
    "semantic_memory",
    "procedural_memory",
    "resource_memory",
    "knowledge_vault",
    "chat",
    "search",
    "tool",
    "gateway",
    "nats-server",
)
BATCH = len(LINES) // (len(VICTIMS) + 1)


async def test_every_kill_leaves_each_message_and_each_effect_once(system: System) -> None:
    """Each agent, the gateway's replica and the log's server are killed (signal 9) between batches.

    The same conversation is told twice: once in peace, once with a kill after every batch, without
    waiting for the victim to come back. What is remembered must be the same, and the log must hold
    every acknowledged message once and every effect once.
    """
    system.say("calm", LINES, wait=True)

    killed: dict[str, int] = {}
    for at, victim in enumerate(VICTIMS):
        system.say("stormy", LINES[at * BATCH : (at + 1) * BATCH])
        killed[victim] = system.pids()[victim]
        os.kill(killed[victim], signal.SIGKILL)
    system.say("stormy", LINES[len(VICTIMS) * BATCH :])
    system.say("stormy", LINES[-1:], wait=True)

    wait_until(lambda: _all_back(system, killed), 60, "the return of every victim")
    calm = system.logical_state("calm")
    assert all(calm[tier] for tier in TIERS)
    assert system.logical_state("stormy") == calm

    events = await system.events()
    assert repeated([event.id for event in events]) == []
    # Other tests talk to this system as well, some of them in the same words.
    ours = {
        event.user
        for event in events
        if isinstance(event.payload, UserRegistered)
        and event.payload.external_id in ("calm", "stormy")
    }
    said = Counter(
        event.payload.external_id
        for event in events
        if isinstance(event.payload, MessageReceived) and event.user in ours
    )
    assert said == {line["external_id"]: 2 for line in LINES}
    assert _effects_of_each_message(events) == {1}
    assert not [event for event in events if event.envelope.type == "EventParked"]
    verified = system.mirix("verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _all_back(system: System, killed: dict[str, int]) -> bool:
    now = system.pids()
    alive = all(one["alive"] for one in system.get("/status")["agents"])
    return alive and all(now[victim] != pid for victim, pid in killed.items())


def _effects_of_each_message(events: list[Event]) -> set[int]:
    """Return how often messages were embedded: the effect that each of them has exactly once."""
    embedded = Counter(
        (event.user, event.payload.message_id)
        for event in events
        if isinstance(event.payload, MessageEmbedded)
    )
    said = {
        (event.user, event.payload.message_id)
        for event in events
        if isinstance(event.payload, MessageReceived)
    }
    return {embedded[message] for message in said}
