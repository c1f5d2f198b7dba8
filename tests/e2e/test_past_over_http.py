"""The past over HTTP on a running system: through HAProxy, Serve, the agents and JetStream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.system import System


def parts(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Yield the fields of each part of a stream, heartbeats too."""
    part: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            part[name] = value
        else:
            yield part
            part = {}


def events(lines: Iterator[str], count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the id and the data of the next events."""
    found: list[tuple[str, dict[str, Any]]] = []
    for part in parts(lines):
        if "data" in part:
            found.append((part["id"], json.loads(part["data"])))
        if len(found) == count:
            break
    return found


def test_a_read_as_of_a_moment_answers_as_it_did_then(system: System) -> None:
    """What was known is answered again, from the log, with the position that it is of."""
    gil = {"user_id": "gil"}
    then = system.say("gil", [{"role": "user", "content": "I live in Lisbon."}], wait=True)
    then = system.get("/status")["last_positions"]["0"]
    seen = system.get("/memory/core", **gil)
    question = {"query": "Where does Gil live?", **gil}
    found = system.post("/memory/search", question)["results"]
    system.say("gil", [{"role": "user", "content": "I moved to Porto."}], wait=True)
    assert system.get("/memory/core", **gil) != seen
    answer = system.http.get("/memory/core", params={**gil, "as_of": then})
    assert answer.json() == seen
    assert answer.headers["X-As-Of"] == str(then)
    searched = system.post("/memory/search", {**question, "as_of": then})
    assert searched["position"] == then
    assert searched["results"] == found
    refused = system.http.get("/memory/core", params={**gil, "as_of": 10**9})
    assert refused.status_code == 422
    assert "as_of" in refused.json()["detail"]
    changed = system.get("/timeline/diff", **gil, **{"from": then})
    assert changed["counts"]["core"]["superseded"] == 1
    (memory,) = system.get("/memory/core", **gil)["items"]
    why = system.get(f"/memory/core/{memory['id']}/why", **gil)
    assert why["sources"][0]["payload"]["content"] == "I moved to Porto."
    history = system.get(f"/memory/core/{memory['id']}/history", **gil)
    assert "recorded" in [entry["kind"] for entry in history["entries"]]
    tree = system.get(f"/correlations/{why['sources'][0]['correlation_id']}")
    assert tree["trees"]


def test_a_stream_of_events_is_live_and_can_be_resumed(system: System) -> None:
    """Events come through the proxies as they are appended; the last id leads on, without gaps."""
    wanted = {"user_id": "hal", "type": "MessageReceived"}

    def say(text: str) -> None:
        system.say("hal", [{"role": "user", "content": text}])

    def stream(**headers: str) -> Any:
        return system.http.stream("GET", "/events/stream", params=wanted, headers=headers)

    with stream() as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(parts(lines))["id"]
        say("first")
        ((place, first),) = events(lines, 1)
        assert first["payload"]["content"] == "first"
    say("second")
    with stream(**{"Last-Event-ID": place}) as answer:
        lines = answer.iter_lines()
        ((_, second),) = events(lines, 1)
        assert second["payload"]["content"] == "second"
        say("third")
        ((_, third),) = events(lines, 1)
        assert third["payload"]["content"] == "third"
    assert system.get(f"/events/{third['event_id']}") == third
    listed = system.get("/events", **wanted)["items"]
    assert [event["payload"]["content"] for event in listed] == ["first", "second", "third"]


def test_streams_that_are_left_make_room_for_others(system: System) -> None:
    """A client that goes away, however often, takes nothing from those that come after it."""
    for _ in range(40):  # more than a replica keeps open at a time
        with httpx2.stream(
            "GET",
            f"{system.url}/api/v1/events/stream",
            headers=dict(system.http.headers),
            timeout=60,
        ) as answer:
            assert answer.status_code == 200
            assert next(parts(answer.iter_lines()))["id"]
