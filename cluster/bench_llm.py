"""What Ray Serve, HTTP and our gateway cost, against the bare engine of vLLM in the same run.

The same prompts go to vLLM's engine in this process, to a replica of it through its deployment's
handle (the way of the agents) and to Ray's OpenAI-compatible ingress of the same replica. Then the
gateway joins them (`bench_llm_gateway`). On a CPU this is the tiny model; with a GPU a Qwen3 of 14
billion parameters whose weights are random.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import httpx2
import msgspec
from tokenizers import Tokenizer

from cluster import processes, ray_host
from cluster.bench_llm_gateway import bench_gateway, settings_for
from cluster.bench_llm_pace import Pace, Timed, against, lost, pace
from cluster.data_dir import DataDir
from cluster.tiny_model import make_chat_model, make_large_configuration
from serve.settings import ServeSettings
from serve.vllm_settings import VllmSettings

NAME, ROUTE = "bench", "/bare"
TINY = "the tiny model (0.4 million parameters) on the CPU"
LARGE = "a Qwen3 of 14 billion parameters with random weights on a GPU"
WARM_UPS = 3
_CONTEXT_TOKENS = 8192
_TEXT = "The user went hiking in the mountains with a friend and had dinner by the lake. " * 8
_TIMEOUT_S = 300.0

#: Answers a prompt of its own number with so many tokens; yields whenever some of them came.
Stream: TypeAlias = Callable[[int, int], AsyncGenerator[object, None]]


async def pace_of(stream: Stream, *, requests: int, tokens: int) -> Pace:
    """Measure one way to a model.

    Args:
        stream: the way; it must give exactly the asked-for number of tokens.
        requests: how many, first one after the other, then all at once.
        tokens: of each answer.
    """
    for number in range(WARM_UPS):
        await _timed(stream, -1 - number, tokens)
    alone = [await _timed(stream, number, tokens) for number in range(requests)]
    started_at_s = time.perf_counter()
    numbers = range(requests, 2 * requests)
    together = await asyncio.gather(*(_timed(stream, number, tokens) for number in numbers))
    return pace(alone, together, time.perf_counter() - started_at_s)


def bench_llm(*, requests: int = 16, tokens: int = 128) -> dict[str, Any]:
    """Run everything on a Ray cluster of its own; takes some minutes.

    Args:
        requests: of each way, first one after the other, then all at once.
        tokens: of each answer.

    Raises:
        Misconfigured: vLLM is not installed.
        Unavailable: the model did not start.
    """
    run_id = uuid4().hex
    # One line for each request is too many.
    for library in ("httpx", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="mirix-bench-") as scratch:
        data = DataDir(Path(scratch) / "data")
        data.prepare()
        processes.mark_children(run_id)
        port = ray_host.free_ports(1)
        serving = ServeSettings(port=port)
        try:
            ray_host.start_ray(data, run_id, serving)
            return _measured(data, Path(scratch) / NAME, serving, requests, tokens)
        finally:
            ray_host.stop_ray(run_id)
            processes.end(processes.members(run_id), grace_s=10.0)


def _measured(
    data: DataDir, directory: Path, serving: ServeSettings, requests: int, tokens: int
) -> dict[str, Any]:
    import ray  # after its cluster is started: see `ray_host`

    from serve.deployment import begin_serving, end_serving
    from serve.vllm_app import check_installed, deploy_models

    check_installed()
    cluster: Any = ray
    model = _model(directory, on_gpu=cluster.cluster_resources().get("GPU", 0) >= 1)
    # Before vLLM is imported. Its children, too, are to leave standard output to the figures.
    os.environ.update(model.environment() | {"VLLM_LOGGING_STREAM": "ext://sys.stderr"})
    from serve.vllm_replica import bare_engine

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))

    async def bare() -> Pace:
        async with bare_engine(model) as engine:

            def stream(number: int, length: int) -> AsyncGenerator[object, None]:
                return engine.generate(tokenizer.encode(_text(number)).ids, length)

            return await pace_of(stream, requests=requests, tokens=tokens)

    engine_pace = asyncio.run(bare())
    gc.collect()
    begin_serving(serving)
    deploy_models(model, bare_route=ROUTE)
    try:
        handle_pace = asyncio.run(
            pace_of(by_handle(model.application), requests=requests, tokens=tokens)
        )
        url = f"http://{serving.host}:{serving.port}{ROUTE}/v1"
        http_pace = asyncio.run(_over_http(url, requests=requests, tokens=tokens))
        settings = settings_for(data, model, serving)
        ours = asyncio.run(
            bench_gateway(settings, url, NAME, tokenizer, requests=requests, tokens=tokens)
        )
    finally:
        end_serving()
    for figures in ours.values():
        rate = figures["tokens_per_s"]
        figures["lost_of_engine_tokens_per_s"] = lost(engine_pace.tokens_per_s, rate)
    return {
        "model": TINY if model.on_cpu else LARGE,
        "requests": requests,
        "tokens_each": tokens,
        "bare_engine": msgspec.to_builtins(engine_pace),
        "ray_serve_handle": against(engine_pace, handle_pace),
        "openai_ingress": against(engine_pace, http_pace),
        **ours,
    }


def _model(directory: Path, *, on_gpu: bool) -> VllmSettings:
    if on_gpu:
        make_large_configuration(directory)
        return VllmSettings(
            model=str(directory), name=NAME, dummy_weights=True, context_tokens=_CONTEXT_TOKENS
        )
    make_chat_model(directory, context=_CONTEXT_TOKENS, words_only=True)
    return VllmSettings(
        model=str(directory),
        name=NAME,
        gpus=0,
        cpus=0.1,
        cpu_threads=1,
        kv_cache_gib=1,
        dtype="float32",
    )


def _text(number: int) -> str:
    # Its number comes first, so that no answer profits from the prefix of another.
    return f"{number}: {_TEXT}"


def body_of(number: int, tokens: int, model: str = NAME) -> dict[str, Any]:
    """Return the request of this number, as OpenAI's protocol has it."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": _text(number)}],
        "max_tokens": tokens,
        # The tiny model's likeliest token is always text and never the end; a drawn one may not be.
        "temperature": 0.0,
        "ignore_eos": True,
        "stream": True,
    }


def by_handle(application: str) -> Stream:
    """Return the way through a deployment's handle, as agents go it."""
    from ray import serve

    from actors.models.serve_names import MODEL_DEPLOYMENT

    handle: Any = serve.get_deployment_handle(MODEL_DEPLOYMENT, application).options(stream=True)

    async def stream(number: int, tokens: int) -> AsyncGenerator[object, None]:
        async for chunk in handle.ask.remote(body_of(number, tokens)):
            if content_of(msgspec.json.decode(chunk)):
                yield chunk

    return stream


def over_http(client: httpx2.AsyncClient, url: str) -> Stream:
    """Return the way through an OpenAI-compatible endpoint, ours or another."""

    async def stream(number: int, tokens: int) -> AsyncGenerator[object, None]:
        async with client.stream(
            "POST", f"{url}/chat/completions", json=body_of(number, tokens)
        ) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                data = line.removeprefix("data: ")
                if data != line and data != "[DONE]" and content_of(msgspec.json.decode(data)):
                    yield data

    return stream


def content_of(chunk: dict[str, Any]) -> bool:
    """Say whether a chunk brings a part of the answer, were it a byte that shows nothing yet."""
    deltas = [choice["delta"] for choice in chunk["choices"]]
    return any(delta.get("content") is not None and "role" not in delta for delta in deltas)


async def _over_http(url: str, *, requests: int, tokens: int) -> Pace:
    async with httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        return await pace_of(over_http(client, url), requests=requests, tokens=tokens)


async def _timed(stream: Stream, number: int, tokens: int) -> Timed:
    first_s = last_s = 0.0
    started_at_s = time.perf_counter()
    async with aclosing(stream(number, tokens)) as pieces:
        async for _ in pieces:
            last_s = time.perf_counter() - started_at_s
            first_s = first_s or last_s
    return Timed(first_s=first_s, last_s=last_s, tokens=tokens)
