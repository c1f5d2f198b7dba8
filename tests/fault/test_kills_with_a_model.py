"""Processes are killed while a language model is asked: each answer once, each effect once."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    GenerationCompleted,
    MemoryRecorded,
    MessageReceived,
)
from events.envelope import Event
from tests.misbehaving import Behaviour, MisbehavingServer
from tests.misbehaving.spoken import Said
from tests.scripted_model import Script
from tests.system import KEY, System, repeated, running_system, wait_until

SLOW = Behaviour(piece_s=0.25)
CASE: dict[str, Any] = {
    "id": "en-1",
    "lang": "en",
    "recorded_at": "2026-03-04T09:30:00+00:00",
    "message": "I'm allergic to walnuts. My sister Runa collects antique lamps.",
    "expect": [
        {"tier": "core", "must": ["walnut"]},
        {"tier": "semantic", "must": ["Runa", "lamps"]},
    ],
    "forbid": ["episodic", "procedural", "resource", "knowledge_vault"],
}
#: A second and a half of pieces at least: time enough to be killed in.
WORDS = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    """A provider whose answers come piece by piece."""
    with MisbehavingServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def talking(
    server: MisbehavingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A system that asks the provider for its answers."""
    data = tmp_path_factory.mktemp("talking")
    options = ("--llm", f"{server.address}/v1", "--model", "echo")
    with running_system(data, *options) as system:
        yield system


@pytest.fixture(scope="module")
def assistant(talking: System) -> str:
    """An assistant profile."""
    made: str = talking.post("/agents/", {"name": "Ada", "agent_type": "chat"})["id"]
    return made


@contextmanager
def streaming(system: System, assistant: str, message: str, user: str) -> Iterator[Iterator[Any]]:
    """Ask, and hear the answer as it is made: yields the events of the stream."""
    body = {"message": message, "user_id": user}
    path = f"{system.url}/api/v1/agents/{assistant}/stream-chat"
    headers = {"X-API-Key": KEY}
    with httpx2.stream("POST", path, json=body, headers=headers, timeout=90) as answer:
        assert answer.status_code == 200
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Any]:
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


async def test_an_answer_is_given_once_when_the_chat_agent_is_killed_in_mid_stream(
    server: MisbehavingServer, talking: System, assistant: str
) -> None:
    """The listener hears that it starts over, then all of it; the log has one answer."""
    server.script(SLOW, SLOW)
    with streaming(talking, assistant, WORDS, "killed") as events:
        told = [next(event for event in events if event["event"] == "content")]
        os.kill(talking.pids()["chat"], signal.SIGKILL)
        told += list(events)
    last = told[-1]
    assert last["event"] == "complete", last
    assert WORDS in last["data"]["response"]
    given = await _of(talking, "killed", AnswerGiven)
    assert len(given) == 1
    assert len(await _of(talking, "killed", GenerationCompleted)) == 1
    assert await _of(talking, "killed", AnswerAbandoned) == []


async def test_an_answer_is_given_up_when_its_listener_goes_away(
    server: MisbehavingServer, talking: System, assistant: str
) -> None:
    """The provider's work is ended, and the log says that there is no answer, and why."""
    server.script(Behaviour(piece_s=5.0))
    before = server.cancelled
    with streaming(talking, assistant, WORDS, "gone") as events:
        next(event for event in events if event["event"] == "content")
    wait_until(lambda: server.cancelled > before, 60, "the end of the provider's work")
    found: list[Any] = []
    while not found:
        found = await _of(talking, "gone", AnswerAbandoned)
    (abandoned,) = found
    assert abandoned.reason == "cancelled"
    assert await _of(talking, "gone", AnswerGiven) == []


async def test_a_slow_answer_holds_up_nobody_else(
    server: MisbehavingServer, talking: System, assistant: str
) -> None:
    """While one person's answer comes slowly, another has theirs."""
    server.script(SLOW)
    with streaming(talking, assistant, WORDS, "slow") as events:
        next(event for event in events if event["event"] == "content")
        quick = talking.post(f"/agents/{assistant}/chat", {"message": "hi", "user_id": "quick"})
        assert "hi" in quick["response"]
        assert list(events)[-1]["event"] == "complete"
    slow = await _of(talking, "slow", AnswerGiven)
    assert len(slow) == 1


async def test_every_effect_is_in_the_log_once(talking: System) -> None:
    """After all of that no event is there twice, and a rebuild equals the live state."""
    events = await talking.events()
    assert repeated([event.id for event in events]) == []
    verified = talking.mirix("verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def _of(system: System, user: str, kind: type[Any]) -> list[Any]:
    """Return the payloads of a kind that concern what a user said."""
    events = await system.events()
    users = _users(events)
    return [
        event.payload
        for event in events
        if isinstance(event.payload, kind) and event.user == users.get(user)
    ]


def _users(events: list[Event]) -> dict[str, str]:
    return {
        event.payload.external_id: event.user  # type: ignore[attr-defined]
        for event in events
        if event.envelope.type == "UserRegistered"
    }


async def test_each_memory_is_recorded_once_when_its_agent_is_killed_while_it_asks(
    tmp_path: Path,
) -> None:
    """A memory agent that is killed in the middle of a generation asks again, and records once."""
    script = Script([CASE])
    says = MisbehavingServer(says=lambda asked: Said(text=script.reply(asked.body["messages"])))
    says.script(*[Behaviour(piece_s=0.3)] * 12)
    line = {"role": "user", "content": CASE["message"], "external_id": "g1"}
    with says.running() as server:
        options = ("--llm", f"{server.address}/v1", "--model", "gold", "--extraction", "model")
        with running_system(tmp_path / "data", *options) as system:
            victim = system.pids()["semantic_memory"]
            system.say("ann", [line])
            wait_until(lambda: bool(server.asked), 30, "the first question to the model")
            os.kill(victim, signal.SIGKILL)
            system.say("ann", [line], wait=True)
            events = await system.events()
    assert Counter(event.envelope.type for event in events)[MessageReceived.__name__] == 1
    recorded = [event.payload for event in events if isinstance(event.payload, MemoryRecorded)]
    assert {one.memory.provenance.extractor.partition(":")[0] for one in recorded} == {"model"}
    assert repeated([one.memory.id for one in recorded]) == []
    assert len(recorded) == len(CASE["expect"])
    assert repeated([event.id for event in events]) == []
