"""What our gateway adds to vLLM's own HTTP endpoint, on one Ray, over one replica.

Log, agents and gateway join the Ray Serve that serves the model already. Then chats are streamed
through the gateway, each followed by a request straight to the endpoint, and the whole system is at
rest before each pair. What the endpoint is asked has as many tokens as what the agent asked for the
chat, and as many of them in the prefix cache: both engines' work is the same, the rest is ours.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import httpx2
import msgspec
from tokenizers import Tokenizer

from cluster import wiring
from cluster.api_client import ApiClient
from cluster.bench_llm_pace import Pace, Timed, added, lost, pace, prompts
from cluster.data_dir import DataDir
from cluster.operator_key import local_operator_key
from cluster.settings import Settings, compose
from events.errors import Unavailable
from events.nats_server import NatsServer
from serve.settings import ServeSettings
from serve.vllm_settings import VllmSettings

_TOML = """
answer_without_model = false

[[models]]
name = "vllm"
kind = "vllm"
model = {name}
rank = 0
first_token_s = 60
deadline_s = 120
context_tokens = {context}
"""
#: What the agents take the model to take in: it takes more, but counts in shorter tokens.
_CONTEXT_TOKENS = 2048
#: Asked first: after it the longest beginning that prompts may share is in the cache.
_PRIMING = Timed(first_s=0, last_s=0, tokens=0, prompt_tokens=4096, cached_tokens=4000)
_WARM_UPS = 5
#: Whose memory is searched: people who were seen before, each chat in a conversation of its own.
_PEOPLE = 4
_TIMEOUT_S = 180.0
_POLL_S = 0.1
_REST_S_MAX = 60.0
#: After so long another look at the status shows another one.
_STATUS_AGE_S = ServeSettings().status_age_s_max + 0.05
_DIGITS = 6
_BEFORE, _AFTER = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"

#: Reads one event of a stream: (does it bring a part of the answer, the usage if it says it).
Read: TypeAlias = Callable[[dict[str, Any]], tuple[bool, dict[str, Any] | None]]


def settings_for(directory: DataDir, model: VllmSettings, serving: ServeSettings) -> Settings:
    """Write the mirix.toml of a system with this model at this address; return its settings.

    Raises:
        Misconfigured: they do not fit together.
    """
    toml = _TOML.format(name=json.dumps(model.served_name), context=_CONTEXT_TOKENS)
    (directory.root / "mirix.toml").write_text(toml, encoding="utf-8")
    flags = {
        "llm": "vllm",
        "llm_model": model.model,
        "host": serving.host,
        "port": serving.port,
    }
    return compose({}, data=directory.root, flags=flags)


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[str]:
    """Start log, agents and gateway on the Ray and the Ray Serve that there are; stop them again.

    Yields:
        The operator's key.

    Raises:
        Misconfigured: they cannot start as they are set up.
        Unavailable: the log did not start.
    """
    operator = local_operator_key(settings.data_dir)
    async with AsyncExitStack() as stack:
        server = NatsServer(DataDir(settings.data_dir).log)
        stack.push_async_callback(server.stop)
        await server.start()
        log = await server.prepare(settings.shards)
        stack.push_async_callback(asyncio.to_thread, wiring.stop_agents, settings)
        stack.push_async_callback(asyncio.to_thread, wiring.stop_gateway, settings)
        await wiring.put_keys_in_use(settings, log, operator)
        await asyncio.to_thread(wiring.start_agents, settings, log, lambda *_: None)
        await asyncio.to_thread(wiring.start_gateway, settings, log)
        yield operator


async def bench_gateway(
    settings: Settings,
    bare_url: str,
    model: str,
    tokenizer: Tokenizer,
    *,
    requests: int,
    tokens: int,
) -> dict[str, dict[str, Any]]:
    """Measure chats through our gateway and the bare endpoint in turn.

    Args:
        settings: of the system; Ray and Ray Serve run already, with the model.
        bare_url: of the endpoint, `http://host:port/.../v1`.
        model: its name there.
        tokenizer: that of the model.
        requests: how many pairs, and then how many at once of each way.
        tokens: of each answer.

    Returns:
        The figures of both: "bare_endpoint" and "gateway".

    Raises:
        Misconfigured: the system cannot start as it is set up.
        Unavailable: something does not answer, or does not come to rest.
    """
    url = f"http://{settings.host}:{settings.port}"
    async with gateway(settings) as operator, AsyncExitStack() as stack:
        limits = httpx2.Limits(max_connections=None)
        http = httpx2.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False)
        await stack.enter_async_context(http)
        await _ready(url, operator, settings.ready_timeout_s)
        bench = _Pairs(http, url, operator, bare_url, model, tokenizer, tokens)
        try:
            return await bench.run(requests)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the benchmark was broken off: {reason}") from error


class _Pairs:
    """One run."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        url: str,
        key: str,
        bare_url: str,
        model: str,
        tokenizer: Tokenizer,
        tokens: int,
    ) -> None:
        self._http = http
        self._api = f"{url}/api/v1"
        self._headers = {"X-API-Key": key}
        self._bare_url = f"{bare_url}/chat/completions"
        self._model = model
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._assistant = ""
        self._chats = itertools.count()
        self._numbers = itertools.count()

    async def run(self, requests: int) -> dict[str, dict[str, Any]]:
        profile = {"name": "bench", "system_prompt": "Answer in one sentence."}
        made = await self._http.post(f"{self._api}/agents/", json=profile, headers=self._headers)
        made.raise_for_status()
        self._assistant = made.json()["id"]
        await self._bare(_PRIMING)
        for _ in range(max(_WARM_UPS, _PEOPLE)):
            await self._pair()
        pairs = [await self._pair() for _ in range(requests)]
        ours, bare = [one for one, _ in pairs], [other for _, other in pairs]
        await self._rest()
        our_pace = pace(ours, *await _at_once([self._ours() for _ in range(requests)]))
        await self._rest()
        bare_pace = pace(bare, *await _at_once([self._bare(one) for one in ours]))
        return {
            "bare_endpoint": {**msgspec.to_builtins(bare_pace), **prompts(bare)},
            "gateway": {**figures(our_pace, bare_pace), **added(pairs), **prompts(ours)},
        }

    async def _pair(self) -> tuple[Timed, Timed]:
        """Ask ours, then the bare endpoint for as much."""
        await self._rest()
        ours = await self._ours()
        await self._rest()
        return ours, await self._bare(ours)

    async def _ours(self) -> Timed:
        number = next(self._chats)
        body = {
            "message": f"{number}: The user went hiking by the lake with a friend. " * 4,
            "user_id": f"bench-{number % _PEOPLE}",
            "conversation_id": f"c{number}",
            "max_tokens": self._tokens,
            "temperature": 0.0,
        }
        url = f"{self._api}/agents/{self._assistant}/stream-chat"
        return await self._heard(url, body, self._ours_read, self._headers)

    async def _bare(self, like: Timed) -> Timed:
        number = next(self._numbers)
        text = prompt_like(self._tokenizer, number, like.prompt_tokens, like.cached_tokens)
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": self._tokens,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return await self._heard(self._bare_url, body, bare_read, {})

    def _ours_read(self, told: dict[str, Any]) -> tuple[bool, dict[str, Any] | None]:
        return our_read(told, self._model)

    async def _heard(
        self, url: str, body: dict[str, Any], read: Read, headers: dict[str, str]
    ) -> Timed:
        first_s = last_s = 0.0
        used: dict[str, Any] = {}
        started_at_s = time.perf_counter()
        async with self._http.stream("POST", url, json=body, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                piece, usage = read(msgspec.json.decode(line.removeprefix("data: ")))
                if piece:
                    last_s = time.perf_counter() - started_at_s
                    first_s = first_s or last_s
                used = usage or used
        if not first_s or not used:
            raise Unavailable(f"{url} streamed no answer")
        return Timed(
            first_s=first_s,
            last_s=last_s,
            tokens=used["completion_tokens"],
            prompt_tokens=used["prompt_tokens"],
            cached_tokens=_cached(used),
        )

    async def _rest(self) -> None:
        """Return when every agent has handled all that is in the log.

        Raises:
            Unavailable: it takes too long.
        """
        try:
            async with asyncio.timeout(_REST_S_MAX):
                # Looked at twice: what is shown may be as old as `ServeSettings.status_age_s_max`.
                while True:
                    if await self._rests() and await self._rests(after_s=_STATUS_AGE_S):
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise Unavailable(f"the system was not at rest in {_REST_S_MAX:g} s") from error

    async def _rests(self, *, after_s: float = 0.0) -> bool:
        await asyncio.sleep(after_s)
        answer = await self._http.get(f"{self._api}/status", headers=self._headers)
        answer.raise_for_status()
        return at_rest(answer.json())


def at_rest(status: dict[str, Any]) -> bool:
    """Say whether a status shows agents that have nothing left to do."""
    return all(not agent["lag"] and not agent["open"] for agent in status["agents"])


def prompt_like(tokenizer: Tokenizer, number: int, prompt_tokens: int, shared_tokens: int) -> str:
    """Return a message of a user that makes a prompt of a length, equal to others' to a place.

    Args:
        tokenizer: of the tiny model, or of one that reads texts as it does.
        number: its own; what follows the shared beginning starts with it.
        prompt_tokens: how many the whole prompt is to have, the chat template's included.
        shared_tokens: how many at its beginning all such prompts have in common.
    """
    before, after = (len(tokenizer.encode(text).ids) for text in (_BEFORE, _AFTER))
    # Neither tildes nor digits are ever put together: each is a token.
    beginning = "~" * max(0, shared_tokens - before)
    own = f"{number:0{_DIGITS}d}"
    return beginning + own + "~" * (prompt_tokens - before - after - len(beginning) - len(own))


def our_read(told: dict[str, Any], model: str) -> tuple[bool, dict[str, Any] | None]:
    """Read an event of our stream.

    Raises:
        Unavailable: there is no answer, or another model gave it.
    """
    data = told["data"]
    match told["event"]:
        case "content":
            return bool(data["text"]), None
        case "complete" if data["model"] != model:
            raise Unavailable(f"{data['model']} answered, not {model}")
        case "complete":
            return False, data["usage"]
        case "error":
            raise Unavailable(f"a chat failed: {data['text']}")
        case _:
            return False, None


def bare_read(chunk: dict[str, Any]) -> tuple[bool, dict[str, Any] | None]:
    """Read a chunk of OpenAI's protocol."""
    deltas = [choice["delta"] for choice in chunk["choices"]]
    return any(delta.get("content") for delta in deltas), chunk.get("usage")


def figures(ours: Pace, bare: Pace) -> dict[str, Any]:
    """Return the figures of our way, and the share of the bare endpoint's rate that it loses."""
    share = lost(bare.tokens_per_s, ours.tokens_per_s)
    return {**msgspec.to_builtins(ours), "lost_tokens_per_s": share}


def _cached(usage: dict[str, Any]) -> int:
    """Return the tokens from the cache, as we say it or as OpenAI does."""
    details = usage.get("prompt_tokens_details") or {}
    return int(usage.get("cached_tokens") or details.get("cached_tokens") or 0)


async def _at_once(asked: list[Any]) -> tuple[list[Timed], float]:
    """Return the answers to all, and how long they took together."""
    started_at_s = time.perf_counter()
    answers = await asyncio.gather(*asked)
    return answers, time.perf_counter() - started_at_s


async def _ready(url: str, operator: str, within_s: float) -> None:
    async with ApiClient(url, operator) as client:
        try:
            async with asyncio.timeout(within_s):
                while not await client.is_ready():  # noqa: ASYNC110  # it is another process
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise Unavailable(f"{url}/ready did not say so in {within_s:g} s") from error
