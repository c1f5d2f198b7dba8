"""The benchmark of chats runs and counts right; how fast is its own business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from cluster.bench_chat import bench_chat
from tests.life import KEY, system_in_one_process
from tests.misbehaving import Behaviour, Faults, MisbehavingServer

START_S_MAX = 20.0


@asynccontextmanager
async def system_over(provider: str) -> AsyncIterator[str]:
    """Serve a gateway and nine agents that ask a provider; yields the address."""
    echo = ProviderSettings(
        name="echo",
        kind="openai_compatible",
        model="echo",
        base_url=provider,
        attempts=6,
    )
    async with system_in_one_process(ModelSettings(providers=(echo, EXTRACTIVE))) as life:
        config = uvicorn.Config(life.app, host="127.0.0.1", port=0, log_level="critical")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(START_S_MAX):
            while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_chats_over_a_provider_are_measured() -> None:
    """Every chat is answered by the model, and pairs have times on both sides."""
    with MisbehavingServer(Faults(0, 1, well=Behaviour(piece_s=0.002))).running() as server:
        provider = f"{server.address}/v1"
        async with system_over(provider) as url:
            done: list[int] = []
            figures = await bench_chat(
                provider, "echo", (url, KEY), chats=8, at_once=4, pairs=2, advance=done.append
            )

    assert sum(done) == 10
    assert (figures["lost"], figures["duplicated"], figures["mixed_up"]) == (0, 0, 0)
    assert figures["failures_recorded"] == 0
    assert sum(figures["answered_by"].values()) == 8
    assert "extractive" not in figures["answered_by"]
    for what in ("chat", "first_token", "per_token", "model", "model_first"):
        assert figures[f"{what}_p50_ms"] > 0
        assert figures[f"{what}_added_p50_ms"] <= figures[f"{what}_added_p99_ms"]


async def test_no_chat_is_lost_when_the_provider_misbehaves() -> None:
    """Each is answered once, by the model or by quoting; what went wrong is in the log."""
    with MisbehavingServer(Faults(0.4, seed=11, silent=False)).running() as server:
        provider = f"{server.address}/v1"
        async with system_over(provider) as url:
            figures = await bench_chat(provider, "echo", (url, KEY), chats=30, at_once=8, pairs=0)

    assert (figures["lost"], figures["duplicated"], figures["mixed_up"]) == (0, 0, 0)
    assert figures["failures_recorded"] > 0
    assert sum(figures["answered_by"].values()) == 30
