"""Reads that pass a position: what is not there yet, what never was, and what that costs."""

from __future__ import annotations

from tests.unit.builders import new_message
from tests.unit.fakes.gateway import V1, problem, running


async def test_reader_is_told_when_its_position_is_not_there_in_time() -> None:
    """A position that no projection reaches is 504, never an answer without it."""
    async with running() as (gateway, client):
        gateway.backend.stalled = True
        body = {"query": "tea", "min_position": 1}
        problem(await client.post(f"{V1}/memory/search", json=body), 504)
        problem(await client.get(f"{V1}/memory/core?min_position=1"), 504)
        problem(await client.get(f"{V1}/agents/", headers={"X-Event-Seq": "1"}), 504)


async def test_reader_is_refused_when_its_position_is_beyond_the_end_of_the_log() -> None:
    """Nothing was written there: to wait for it would hold a place until the time is up."""
    async with running() as (gateway, client):
        told = f"is beyond the end of the log, {gateway.events}"
        body = {"query": "tea", "min_position": 1_000}
        for answer, where in (
            (await client.post(f"{V1}/memory/search", json=body), "body.min_position"),
            (await client.get(f"{V1}/memory/core?min_position=1000"), "query.min_position"),
            (
                await client.get(f"{V1}/agents/", headers={"X-Event-Seq": "1000"}),
                "header.X-Event-Seq",
            ),
        ):
            (fault,) = problem(answer, 422)["errors"]
            assert fault["location"] == where
            assert told in fault["detail"]
        assert not [asked for asked in gateway.backend.asked if asked[3] == 1_000]


async def test_log_is_asked_for_its_end_only_when_the_position_is_news() -> None:
    """What this replica wrote or heard of is there; and without its end, agents still answer."""
    async with running() as (gateway, client):
        body = {"messages": [{"role": "user", "content": "Tea at four."}]}
        position = (await client.post(f"{V1}/messages", json=body)).json()["position"]
        for path in ("memory/core", f"memory/core?min_position={position}"):
            assert (await client.get(f"{V1}/{path}")).status_code == 200
        assert gateway.backend.end_reads == 0
        # Another replica writes: its position is looked up once, and is known from then on.
        await gateway.backend.append(0, [new_message("Tea at five.", 1)])
        path = f"{V1}/memory/core?min_position={position + 1}"
        gateway.backend.endless = True
        assert (await client.get(path)).status_code == 200
        gateway.backend.endless = False
        for _ in range(2):
            assert (await client.get(path)).status_code == 200
        assert gateway.backend.end_reads == 2
