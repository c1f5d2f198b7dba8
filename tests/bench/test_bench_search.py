"""The benchmark of searches asks everybody for their own, and notices what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from actors.embedding import HashEmbedder
from cluster.bench_memories import Crowd, MadeUp
from cluster.bench_search import SearchBench
from events.memory_keystore import MemoryKeyStore
from serve.identity import Identities
from tests.life import KEY, Life, system_in_one_process

START_S_MAX = 20.0
CROWD = Crowd("many", 12, 5)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Life, str]]:
    """Serve a gateway and nine agents; yields them and the address."""
    async with system_in_one_process() as life:
        config = uvicorn.Config(life.app, host="127.0.0.1", port=0, log_level="critical")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        async with asyncio.timeout(START_S_MAX):
            while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
                await asyncio.sleep(0.01)
        yield life, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await task


async def test_searches_of_many_people_are_measured() -> None:
    """Everybody finds something, and nobody a memory of somebody else."""
    done: list[int] = []
    identities = Identities.of(MemoryKeyStore(b"m" * 32), shards=1)
    async with serving() as (life, url):
        await MadeUp(identities, HashEmbedder()).append(life.journal, CROWD, done.append)
        async with SearchBench(url, KEY, done.append) as bench:
            await bench.caught_up()
            times_ms = await bench.one_by_one(CROWD, 24)
            rate = await bench.at_once(CROWD, 12, clients=4)
            found = (bench.foreign, bench.empty)
            await bench.search_ms(Crowd("nobody", 1, 5), 0)

    assert sum(done) == 60 + 24 + 12 + 1
    assert len(times_ms) == 24
    assert min(times_ms) > 0
    assert rate > 0
    assert found == (0, 0)
    assert bench.empty == 1


def test_memory_is_of_the_person_that_its_id_names() -> None:
    """Also where one number begins like another."""
    assert CROWD.is_of(1, CROWD.memory(1, 4))
    assert not CROWD.is_of(1, CROWD.memory(11, 4))
    assert not CROWD.is_of(1, "msg_1")
