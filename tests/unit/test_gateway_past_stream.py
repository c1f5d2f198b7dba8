"""The stream of events: from where it is told, without gaps, and gone when the client is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from events.errors import Unavailable
from serve import routes_events
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1, problem, running
from tests.unit.fakes.past_gateway import DEADLINE_S, OTHER_KEY, Stream, remembering, streaming

STREAM = f"{V1}/events/stream"
MESSAGES = f"{V1}/messages"
SAID = {"type": "MessageReceived"}


async def _say(client: httpx2.AsyncClient, *texts: str, user: str = "alice") -> int:
    messages = [{"role": "user", "content": text} for text in texts]
    answer = await client.post(MESSAGES, json={"user_id": user, "messages": messages})
    position: int = answer.json()["position"]
    return position


def _texts(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [event["payload"]["content"] for _, event in events]


async def test_events_come_as_they_are_appended_when_streamed() -> None:
    """An event has its place as its id, its type as its name, and itself as data."""
    async with remembering() as (gateway, client):
        await _say(client, "before")
        async with streaming(gateway.app, STREAM, **SAID) as stream:
            first = await stream.part()
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            assert first["id"].startswith("0-")
            assert first["retry"]
            position = await _say(client, "now")
            part = await stream.part()
            assert part["event"] == "MessageReceived"
            assert part["id"] == f"0-{position}"
            event = json.loads(part["data"])
            assert event["payload"]["content"] == "now"
            listed = await client.get(f"{V1}/events/{event['event_id']}")
            assert listed.json() == event


@pytest.mark.parametrize("shards", [1, 3])
async def test_nothing_is_missed_or_told_twice_when_a_stream_is_resumed(shards: int) -> None:
    """What is behind the last id comes first, then what is appended: over every interruption."""
    async with remembering(shards) as (gateway, client):
        place = ",".join(f"{shard}-0" for shard in range(shards))
        expected, heard = [], []
        headers: dict[str, str] = {}
        for number in range(6):
            texts = [f"{number} {user}" for user in ("alice", "bob", "carol")]
            for text in texts:
                await _say(client, text, user=text.split()[1])
            async with streaming(gateway.app, STREAM, headers, after=place, **SAID) as stream:
                events = await stream.events(2)
                last = f"{number} last"
                await _say(client, last, user="dave")
                events += await stream.events(1)
            expected += [*texts, last]
            heard += _texts(events)
            # As a browser does it: the address stays, the header says where it was.
            headers = {"Last-Event-ID": events[-1][0]}
        async with streaming(gateway.app, STREAM, headers, **SAID) as stream:
            heard += _texts(await stream.events(len(expected) - len(heard)))
        assert sorted(heard) == sorted(expected)
        for user in ("alice", "bob", "carol", "dave"):
            mine = [text for text in heard if text.endswith(user)]
            assert mine == sorted(mine)


async def test_only_wanted_events_come_when_filtered() -> None:
    """The filters are those of the list; a user's stream follows that user's shard alone."""
    async with remembering(3) as (gateway, client):
        await _say(client, "I live in Rome.", user="bob")
        await _say(client, "I live in Lisbon.", user="alice")
        wanted = {"user_id": "alice", "type": "MemoryRecorded", "agent": "core_memory"}
        everything = ",".join(f"{shard}-0" for shard in range(3))
        async with streaming(gateway.app, STREAM, after="0", **wanted) as stream:
            ((place, event),) = await stream.events(1)
            assert "Lisbon" in str(event)
            assert place == f"{event['shard']}-{event['position']}"
        told = problem(await client.get(STREAM, params={"after": everything, **wanted}), 422)
        assert told["errors"][0]["location"] == "query.after"
        async with streaming(
            gateway.app, STREAM, after=everything, correlation_id=event["correlation_id"]
        ) as stream:
            events = [event for _, event in await stream.events(4)]
            assert {one["correlation_id"] for one in events} == {event["correlation_id"]}


async def test_stream_is_the_callers_own_when_there_are_other_tenants() -> None:
    """What another organisation does is not told, and neither is bookkeeping."""
    async with remembering() as (gateway, client), gateway.client(OTHER_KEY) as stranger:
        await _say(client, "ours")
        await _say(stranger, "theirs", user="someone")
        key = {"X-API-Key": OTHER_KEY}
        async with streaming(gateway.app, STREAM, key, after="0") as stream:
            events = await stream.events(3)
            assert {event["tenant"] for _, event in events} == {"other"}
            assert "ours" not in str(events)
        async with streaming(gateway.app, STREAM, after="0", **SAID) as stream:
            await _say(client, "ours again")
            assert _texts(await stream.events(2)) == ["ours", "ours again"]


@pytest.mark.parametrize(
    ("shards", "place"),
    [(1, "1-0"), (1, "0-900"), (1, "900"), (1, "0-x"), (1, "-1"), (1, "0-0,0-0"), (1, "0-"),
     (3, "0"), (3, "0-0"), (3, "0-0,1-0"), (3, "0-0,1-0,1-0"), (3, "0-0,1-0,2-0,")],
)  # fmt: skip
async def test_place_is_refused_when_the_stream_has_none_like_it(shards: int, place: str) -> None:
    """Another shard, one left out, a position that is not there: 422, wherever it was said."""
    async with running(shards=shards) as (gateway, client):
        for headers, query, where in (
            ({}, {"after": place}, "query.after"),
            ({"Last-Event-ID": place}, {"after": "0-0"}, "header.Last-Event-ID"),
        ):
            told = problem(await client.get(STREAM, params=query, headers=headers), 422)
            assert told["errors"][0]["location"] == where
        assert gateway.backend.following == 0


async def test_nothing_is_followed_when_the_client_has_left() -> None:
    """A stream that nobody hears holds neither a place nor a reader of the log."""
    settings = ServeSettings(event_streams_max=1)
    async with running(settings, shards=2) as (gateway, client):
        backend = gateway.backend
        for _ in range(3):
            async with streaming(gateway.app, STREAM) as stream:
                assert (await stream.part())["id"] == "0-1,1-0"
                assert backend.following == 2
            assert backend.following == 0
        async with streaming(gateway.app, STREAM) as stream:
            await stream.part()
            refused = await client.get(STREAM)
            assert "too many streams" in problem(refused, 503)["detail"]
            assert refused.headers["Retry-After"]
        async with streaming(gateway.app, STREAM) as stream:
            assert (await stream.part())["id"]


async def test_place_is_told_when_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat holds the connection, and takes a filtered stream's place along."""
    monkeypatch.setattr(routes_events, "HEARTBEAT_S", 0.01)
    wanted = {"type": "MemoryRecorded"}
    async with (
        running() as (gateway, client),
        streaming(gateway.app, STREAM, **wanted) as stream,
    ):
        assert (await stream.part())["id"] == "0-1"
        position = await _say(client, "hello")
        async with asyncio.timeout(DEADLINE_S):
            while (part := await stream.part())["id"] != f"0-{position}":
                assert set(part) == {"comment", "id"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("the log cannot be reached; try again"), "urn:mirix:problem:unavailable"),
        (RuntimeError("the password is hunter2"), "urn:mirix:problem:internal-error"),
    ],
)
async def test_reason_is_told_when_the_log_is_gone(error: Exception, kind: str) -> None:
    """The status has been sent: a problem comes as the last event, and the stream ends."""
    async with running() as (gateway, client):
        async with streaming(gateway.app, STREAM) as stream:
            await stream.part()
            await _say(client, "hello")
            await stream.events(1)
            gateway.backend.lost = error
            await _say(client, "nobody hears this")
            part = await _error(stream)
            assert json.loads(part["data"])["type"] == kind
            assert "hunter2" not in part["data"]
            assert await stream.part() == {}
        assert gateway.backend.following == 0


async def _error(stream: Stream) -> dict[str, str]:
    async with asyncio.timeout(DEADLINE_S):
        while (part := await stream.part()).get("event") != "error":
            assert part, "the stream ended without a word"
    return part


async def test_stream_ends_when_its_time_is_up() -> None:
    """It ends properly, by itself: who comes back shows the key again."""
    async with running(ServeSettings(event_stream_s_max=0.05)) as (gateway, _):
        async with streaming(gateway.app, STREAM) as stream:
            assert (await stream.part())["id"] == "0-1"
            assert await stream.part() == {}
        assert gateway.backend.following == 0
