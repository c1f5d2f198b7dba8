"""Reading the past over HTTP: every read with `as_of`, as it was then."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from actors.past.queries import AskPast
from actors.queries import ListMemories
from events.errors import DeadlineExceeded
from events.memory import TIERS
from tests.unit.fakes.gateway import V1, problem, running
from tests.unit.fakes.past_gateway import PastGateway, remembering

ALICE = {"user_id": "alice"}
PAGES = [f"{V1}/memory/{tier}" for tier in TIERS]
#: Every read that takes `as_of` in its query; `{agent}` is an assistant profile.
READS = [
    *PAGES,
    f"{V1}/memory/semantic/mem_none",
    f"{V1}/memory/core/blocks",
    f"{V1}/agents/",
    f"{V1}/agents/{{agent}}",
    f"{V1}/agents/{{agent}}/messages",
]
SEARCH = f"{V1}/memory/search"
QUESTION = {"query": "Where does Alice live?", **ALICE}


async def _profile(client: httpx2.AsyncClient, name: str = "Helper") -> str:
    return str((await client.post(f"{V1}/agents/", json={"name": name})).json()["id"])


async def _seen(client: httpx2.AsyncClient, agent: str, **query: Any) -> dict[str, Any]:
    """Return what every read answers, by its path."""
    found = {}
    for path in READS:
        at = path.format(agent=agent)
        params = {**ALICE, "limit": 200, "ended": True, **query}
        answer = await client.get(at, params=params)
        if "as_of" in query:
            assert (answer.status_code == 404) or answer.headers["X-As-Of"]
        else:
            assert "X-As-Of" not in answer.headers
        found[path] = answer.json() if answer.is_success else answer.status_code
    as_of = {key: str(value) for key, value in query.items()}
    answer = await client.post(SEARCH, json={**QUESTION, "limit": 50, **as_of})
    assert answer.status_code == 200, answer.text
    found[SEARCH] = answer.json()["results"]
    return found


async def _some_life(
    gateway: PastGateway, client: httpx2.AsyncClient
) -> tuple[str, list[tuple[int, str, dict[str, Any]]]]:
    """Live through some changes; return a profile and what was seen at which moments."""
    agent = await _profile(client)
    moments = []

    async def look() -> None:
        seen = await _seen(client, agent)
        moments.append((await gateway.end(), gateway.clock().isoformat(), seen))
        gateway.clock.advance(60)

    await gateway.say(client, "alice", "I live in Lisbon.", "My sister Zoe is a nurse.")
    await look()
    await client.post(f"{V1}/agents/{agent}/chat", json={"message": "Where do I live?", **ALICE})
    await gateway.say(client, "bob", "I live in Rome.")
    await look()
    await gateway.say(client, "alice", "I moved to Porto. My password for the router is hunter2.")
    await client.put(f"{V1}/agents/{agent}", json={"description": "changed"})
    await look()
    core = (await client.get(f"{V1}/memory/core", params=ALICE)).json()["items"]
    for item in core:
        await client.delete(f"{V1}/memory/core/{item['id']}", params=ALICE)
    await client.delete(f"{V1}/agents/{agent}")
    await look()
    return agent, moments


async def test_every_read_answers_as_it_did_when_asked_as_of_then() -> None:
    """By position and by time: the same as was answered at that moment."""
    async with remembering() as (gateway, client):
        agent, moments = await _some_life(gateway, client)
        assert len({str(seen) for _, _, seen in moments}) == len(moments)
        for position, time, seen in moments:
            assert await _seen(client, agent, as_of=position) == seen
            assert await _seen(client, agent, as_of=time) == seen
        nothing = await _seen(client, agent, as_of=0)
        assert all(nothing[path]["items"] == [] for path in PAGES)
        assert nothing[f"{V1}/agents/{{agent}}"] == 404


async def test_answer_names_its_position_when_asked_with_a_time() -> None:
    """A time stands for the last event that was recorded by then; far ahead, for the end."""
    async with remembering() as (gateway, client):
        await gateway.say(client, "alice", "I live in Lisbon.")
        first, time = await gateway.end(), gateway.clock().isoformat()
        await gateway.say(client, "alice", "I have a dog.")
        at = f"{V1}/memory/core"
        for as_of, position in (
            (time, first),
            (time.replace("+00:00", ""), first),
            ("9999-12-31", await gateway.end()),
            ("0001-01-01", 0),
            ("0", 0),
            (str(first), first),
        ):
            answer = await client.get(at, params={**ALICE, "as_of": as_of})
            assert answer.headers["X-As-Of"] == str(position), as_of
            body = {**QUESTION, "as_of": as_of}
            searched = await client.post(SEARCH, json=body)
            assert searched.headers["X-As-Of"] == str(position)
            assert searched.json()["position"] == position
        by_number = await client.post(SEARCH, json={**QUESTION, "as_of": first})
        assert by_number.headers["X-As-Of"] == str(first)
        by_query = await client.post(SEARCH, json=QUESTION, params={"as_of": first})
        assert by_query.json() == by_number.json()
        both = await client.post(SEARCH, json={**QUESTION, "as_of": 0}, params={"as_of": first})
        assert both.headers["X-As-Of"] == "0"


async def test_pages_lead_through_the_past_when_there_are_more() -> None:
    """Cursors work in the past as they do now."""
    async with remembering() as (gateway, client):
        at = f"{V1}/memory/semantic"
        for number in range(5):
            await client.post(at, json={"name": f"n{number}", "summary": "s"})
        then = await gateway.end()
        await client.post(at, json={"name": "later", "summary": "s"})
        names, cursor = [], ""
        while True:
            params = {"limit": 2, "cursor": cursor, "as_of": then}
            page = (await client.get(at, params=params)).json()
            names += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
        assert names == [f"n{number}" for number in range(5)]
        problem(await client.get(at, params={"cursor": "zz", "as_of": then}), 422)


async def test_messages_are_paged_when_they_are_of_the_past() -> None:
    """The header's cursor leads on, and what was said later is not there."""
    async with running(shards=3) as (gateway, client):
        agent = await _profile(client)
        for text in ("one", "two", "three"):
            body = {"message": text, **ALICE}
            answer = await client.post(f"{V1}/agents/{agent}/chat", json=body)
        shard = max(range(3), key=lambda one: len(gateway.backend.logs[one]))
        then = answer.json()["position"] - 1
        at = f"{V1}/agents/{agent}/messages"
        asked = {**ALICE, "as_of": then, "limit": 2}
        page = await client.get(at, params=asked)
        cursor = page.headers["X-Next-Cursor"]
        rest = await client.get(at, params={**asked, "cursor": cursor})
        said = [one["content"] for one in (*page.json(), *rest.json()) if one["role"] == "user"]
        assert said == ["one", "two"]
        # The profile was looked up in the person's own shard, at the same position.
        assert {(at, query.as_of) for at, query, _ in gateway.backend.asked_past} == {(shard, then)}


@pytest.mark.parametrize(
    "as_of", ["", "yesterday", "-1", "1.5", "9" * 19, "9" * 70, "2026-13-01", "٣", "1 2", "0x10"]
)
async def test_moment_is_refused_when_it_is_none(as_of: str) -> None:
    """Neither a position nor a time: 422 that names the parameter, on every read."""
    async with running() as (gateway, client):
        agent = await _profile(client)
        for path in READS:
            answer = await client.get(path.format(agent=agent), params={"as_of": as_of})
            assert problem(answer, 422)["errors"][0]["location"] == "query.as_of"
        told = problem(await client.post(SEARCH, json={**QUESTION, "as_of": as_of}), 422)
        assert told["errors"][0]["location"] == "body.as_of"
        assert not gateway.backend.asked_past


async def test_position_is_refused_when_it_is_beyond_the_end() -> None:
    """422 that names the parameter, the position and the end of the log."""
    async with running() as (gateway, client):
        agent = await _profile(client)
        end = gateway.events
        for path in READS:
            answer = await client.get(path.format(agent=agent), params={"as_of": end + 1})
            told = problem(answer, 422)
            assert told["errors"][0]["location"] == "query.as_of"
            assert f"position {end + 1} is beyond the end of the log, {end}" in told["detail"]
        told = problem(await client.post(SEARCH, json={**QUESTION, "as_of": end + 1}), 422)
        assert told["errors"][0]["location"] == "body.as_of"
        assert (await client.get(f"{V1}/agents/{agent}?as_of={end}")).status_code == 200


async def test_least_position_means_nothing_when_the_past_is_asked() -> None:
    """The log has every write: nothing is waited for, whatever a client carries along."""
    async with running() as (_, client):
        answer = await client.get(
            f"{V1}/memory/core?as_of=1&min_position=900", headers={"X-Event-Seq": "1000"}
        )
        assert answer.status_code == 200
        assert answer.headers["X-As-Of"] == "1"
        body = {**QUESTION, "as_of": 1, "min_position": 900}
        assert (await client.post(SEARCH, json=body)).status_code == 200


async def test_question_is_the_same_when_it_is_of_the_past() -> None:
    """What an agent is asked does not depend on when; the time allowed is longer."""
    async with running() as (gateway, client):
        asked = {"limit": "7", "cursor": "0", "ended": "true"}
        await client.get(f"{V1}/memory/semantic", params=asked)
        await client.get(f"{V1}/memory/semantic", params={**asked, "as_of": "1"})
        _, agent, query, _ = gateway.backend.asked[-1]
        _, past, timeout_s = gateway.backend.asked_past[-1]
        assert isinstance(query, ListMemories)
        assert past == AskPast(agent="semantic_memory", query=query, as_of=1)
        assert timeout_s == gateway.settings.past_timeout_s > gateway.settings.read_timeout_s
        assert agent == "semantic_memory"


async def test_past_is_a_problem_when_it_cannot_be_asked() -> None:
    """Away is 503, too late is 504, and a tier that is none is 404 then as well."""
    async with running() as (gateway, client):
        await client.get(f"{V1}/agents/")  # the key is known from here on
        problem(await client.get(f"{V1}/memory/dreams?as_of=1"), 404)
        at = f"{V1}/memory/core?as_of=1"
        gateway.backend.broken = DeadlineExceeded("it was not rebuilt in time")
        problem(await client.get(at), 504)
        gateway.backend.broken = None
        gateway.backend.down = True
        answer = await client.get(at)
        problem(answer, 503)
        assert answer.headers["Retry-After"]


async def test_moment_is_passed_over_when_something_is_written() -> None:
    """The past is not written: a parameter that a write does not know changes nothing."""
    async with running() as (gateway, client):
        body = {"messages": [{"role": "user", "content": "hello"}]}
        answer = await client.post(f"{V1}/messages?as_of=1", json=body)
        assert answer.status_code == 202
        assert "X-As-Of" not in answer.headers
        refused = await client.post(f"{V1}/messages", json={**body, "as_of": 1})
        assert problem(refused, 422)["errors"][0]["location"] == "body"
        assert not gateway.backend.asked_past


@pytest.mark.parametrize(
    ("path", "parameter", "told"),
    [
        ("memory/core?asof=1", "query.asof", "did you mean as_of?"),
        ("events?user=alice", "query.user", "did you mean user_id?"),
        ("agents/?limits=5", "query.limits", "did you mean limit?"),
    ],
)
async def test_a_misspelt_query_parameter_is_refused(path: str, parameter: str, told: str) -> None:
    """A misspelt filter would let everything pass."""
    async with remembering() as (_, client):
        fault = problem(await client.get(f"{V1}/{path}"), 422)["errors"][0]
        assert fault["location"] == parameter
        assert told in fault["detail"]


@pytest.mark.parametrize(
    ("path", "body", "parameter", "field"),
    [
        ("messages", {"messages": []}, "user_id", "user_id"),
        ("messages", {"messages": []}, "user", "user_id"),
        ("memory/semantic", {"name": "Oslo", "summary": "Rain."}, "user_id", "user_id"),
        ("memory/search", {"query": "Oslo"}, "user_id", "user_id"),
        ("tools/echo/call", {}, "user_id", "user_id"),
        ("timeline/fork", {"at": 0}, "user_id", "user_id"),
        ("../../v1/chat/completions", {"model": "mirix"}, "user_id", "user"),
    ],
)
async def test_person_is_refused_in_the_query_when_they_belong_in_the_body(
    path: str, body: dict[str, object], parameter: str, field: str
) -> None:
    """Passed over, it would leave what is meant for one person with another."""
    async with running() as (gateway, client):
        events = gateway.events
        answer = await client.post(f"{V1}/{path}?{parameter}=alice", json=body)
        told = f"belongs in the body here, as {field}"
        if path.startswith(".."):
            assert told in answer.json()["error"]["message"]
        else:
            fault = problem(answer, 422)["errors"][0]
            assert fault == {"location": f"query.{parameter}", "detail": told}
        assert gateway.events == events


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("memory/core?user_id=alice&user_id=bob", 422),
        ("memory/core?as_of=1&as_of=1", 422),
        ("timeline/diff?from=0&tier=core&tier=semantic", 200),
        ("memory/core?unknown=1&unknown=2", 200),
    ],
)
async def test_query_parameter_is_refused_when_it_is_given_twice(path: str, status: int) -> None:
    """Of two values one would not count; only a list may be given piece by piece."""
    async with remembering() as (_, client):
        answer = await client.get(f"{V1}/{path}")
        assert answer.status_code == status, answer.text
        if status == 422:
            assert "more than once" in problem(answer, 422)["detail"]
