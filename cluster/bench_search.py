"""`mirix bench search`: searches over HTTP, of one person with much and of many people with little.

Each part has a system of its own, whose log is filled before it starts (`bench_memories`). Every
search is another question, so that none is answered from what an earlier one left behind. Times are
those of the client, on the same machine, in milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import numpy as np

from cluster.bench_memories import Crowd, Sentences, write_memories
from cluster.data_dir import DataDir
from cluster.operator_key import local_operator_key
from cluster.progress import Progress
from cluster.scratch import scratch_system
from events.errors import Unavailable

Advance = Callable[[int], None]

_TIMEOUT_S = 120.0
#: How long agents may take to come to the end of the log.
_CAUGHT_UP_S_MAX = 3600.0
_CAUGHT_UP_POLL_S = 0.5
_WARM_UP = 100
_LIMIT = 10
#: Reading a million memories takes minutes; the system is told to take its time.
_SETTINGS = 'ready_timeout_s = 3600\nlog_level = "warning"\n'


class Plan(NamedTuple):
    """How much is searched, how often.

    One person has `memories`, another `small`. Each of `people` has `each`. `searches` are made by
    one client, and by `clients` at once; of the many people, `people_searches` in all.
    """

    memories: int
    small: int
    people: int
    each: int
    searches: int
    people_searches: int
    clients: int

    @property
    def steps(self) -> int:
        """How many memories are written and searches made, in all."""
        one = self.memories + self.small + 2 * _WARM_UP + 3 * self.searches
        many = self.people * self.each + self.people + self.people_searches
        return one + (many if self.people else 0)


class SearchBench:
    """Searches one system."""

    def __init__(self, url: str, api_key: str, advance: Advance) -> None:
        self._http = httpx2.AsyncClient(
            base_url=f"{url}/api/v1",
            headers={"X-API-Key": api_key},
            timeout=_TIMEOUT_S,
            limits=httpx2.Limits(max_connections=256),
            trust_env=False,
        )
        self._advance = advance
        self._sentences = Sentences(seed=2)
        self.foreign = 0
        self.empty = 0

    async def __aenter__(self) -> SearchBench:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(None, None, None)

    async def search_ms(self, crowd: Crowd, number: int) -> float:
        """Ask something of a person; return how long the answer took."""
        body = {
            "user_id": crowd.person(number),
            "query": self._sentences.question(),
            "limit": _LIMIT,
        }
        began_s = time.perf_counter()
        answer = await self._http.post("/memory/search", json=body)
        took_ms = 1000 * (time.perf_counter() - began_s)
        answer.raise_for_status()
        found = answer.json()["results"]
        self.foreign += sum(not crowd.is_of(number, hit["id"]) for hit in found)
        self.empty += not found
        self._advance(1)
        return took_ms

    async def one_by_one(self, crowd: Crowd, searches: int) -> list[float]:
        """Search one after the other, all people in turn; return the times."""
        return [await self.search_ms(crowd, nth % crowd.people) for nth in range(searches)]

    async def at_once(self, crowd: Crowd, searches: int, clients: int) -> float:
        """Let clients search side by side; return searches a second."""
        left = iter(range(searches))

        async def client() -> None:
            for nth in left:
                await self.search_ms(crowd, nth % crowd.people)

        began_s = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return searches / (time.perf_counter() - began_s)

    async def caught_up(self) -> int:
        """Wait until every agent is at the end of the log; return the search agent's process.

        Raises:
            Unavailable: that takes too long.
        """
        deadline_s = time.monotonic() + _CAUGHT_UP_S_MAX
        while time.monotonic() < deadline_s:
            answer = await self._http.get("/status")
            answer.raise_for_status()
            agents = answer.json()["agents"]
            if all(agent["lag"] == 0 for agent in agents):
                return next(int(agent["pid"]) for agent in agents if agent["agent"] == "search")
            await asyncio.sleep(_CAUGHT_UP_POLL_S)
        raise Unavailable("the agents are not at the end of the log; see the system's logs")


def bench_search(
    plan: Plan,
    *,
    directory: Path | None = None,
    advance: Advance = lambda done: None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Measure searches over HTTP on scratch systems (under `directory`).

    Raises:
        Unavailable: a system does not come up, or does not answer.
    """
    large, small = Crowd("large", 1, plan.memories), Crowd("small", 1, plan.small)

    async def of_one(bench: SearchBench) -> dict[str, Any]:
        return await _of_one(bench, plan, large, small)

    figures = _on_scratch((large, small), of_one, directory, advance, tell)
    if plan.people:
        crowd = Crowd("many", plan.people, plan.each)

        async def of_many(bench: SearchBench) -> dict[str, Any]:
            return await _of_many(bench, plan, crowd)

        figures |= _on_scratch((crowd,), of_many, directory, advance, tell, prefix="people_")
        figures["people_p50_to_small"] = round(
            figures["people_p50_ms"] / figures["small_p50_ms"], 2
        )
    return figures


async def _of_one(bench: SearchBench, plan: Plan, large: Crowd, small: Crowd) -> dict[str, Any]:
    figures: dict[str, Any] = {"memories": plan.memories, "small_memories": plan.small}
    for name, crowd in (("small_", small), ("", large)):
        await bench.one_by_one(crowd, _WARM_UP)
        figures |= _times(name, await bench.one_by_one(crowd, plan.searches))
    figures["p50_to_small"] = round(figures["p50_ms"] / figures["small_p50_ms"], 2)
    figures["clients"] = plan.clients
    rate = await bench.at_once(large, plan.searches, plan.clients)
    figures["searches_per_s"] = round(rate, 1)
    return figures


async def _of_many(bench: SearchBench, plan: Plan, crowd: Crowd) -> dict[str, Any]:
    figures: dict[str, Any] = {"people": plan.people, "people_memories_each": plan.each}
    # The first search of a person writes the index of their words.
    figures |= _times("people_first_", await bench.one_by_one(crowd, plan.people))
    alone = min(plan.searches, plan.people_searches)
    figures |= _times("people_", await bench.one_by_one(crowd, alone))
    if rest := plan.people_searches - alone:
        rate = await bench.at_once(crowd, rest, plan.clients)
        figures["people_searches_per_s"] = round(rate, 1)
    figures["people_searches"] = plan.people_searches + plan.people
    return figures


def _on_scratch(
    crowds: tuple[Crowd, ...],
    measure: Callable[[SearchBench], Any],
    directory: Path | None,
    advance: Advance,
    tell: Callable[[Progress], None],
    prefix: str = "",
) -> dict[str, Any]:
    """Fill a log, start a system over it, and measure."""

    def fill(data: DataDir) -> None:
        asyncio.run(write_memories(data, crowds, advance))

    with scratch_system(tell, toml=_SETTINGS, fill=fill, parent=directory) as (data, record):
        key = local_operator_key(data.root)

        async def run() -> dict[str, Any]:
            async with SearchBench(record.url, key, advance) as bench:
                try:
                    pid = await bench.caught_up()
                    figures: dict[str, Any] = await measure(bench)
                except httpx2.HTTPError as error:
                    reason = str(error) or type(error).__name__
                    raise Unavailable(f"the benchmark was broken off: {reason}") from error
            figures[f"{prefix}foreign_hits"] = bench.foreign
            figures[f"{prefix}without_hits"] = bench.empty
            figures[f"{prefix}search_agent_peak_mib"] = round(_peak_mib(pid), 1)
            return figures

        return asyncio.run(run())


def _times(name: str, times_ms: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times_ms, (50, 99))
    return {f"{name}p50_ms": round(float(p50), 2), f"{name}p99_ms": round(float(p99), 2)}


def _peak_mib(pid: int) -> float:
    """Return the most resident memory that a process ever had (VmHWM, proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Unavailable("the kernel does not tell the peak of resident memory")
