"""`mirix bench chat`: chats through the whole system over a provider, against the bare provider.

First many chats at once, each with a text of its own that an echoing provider says again: none may
be lost, answered twice or mixed up, and every failed attempt has to be in the log. Then pairs, one
after the other and interleaved: a chat through us, and the same message straight to the provider
with the same client. What our path adds is the difference of a pair. No text comes twice, as it
does not where people ask: what was embedded before would be found again at once. Each pair finds
the system at rest, as a person does who reads an answer before asking on; `back_to_back` does not
wait for that.
The same is measured of the way from the chat agent to the provider alone (`model`): retries,
deadlines, budgets and the SDK, without log, memory and HTTP.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import numpy as np

from actors.models.build import build_model
from actors.models.port import Delta, GenerationRequest, LanguageModel, Turn
from actors.models.settings import ModelSettings, ProviderSettings
from cluster.operator_key import local_operator_key
from cluster.progress import Progress
from cluster.scratch import scratch_system
from events.errors import Unavailable

_TIMEOUT_S = 180.0
_PAGE = 100
_WARM_UP = 5
_STATUS_S = 0.05
#: People who chat: enough to be many, few enough that each has a conversation.
_PEOPLE = 25
#: What is asked, as many words of it as are wanted.
_QUESTION = "which train to Lyon did Marta book for the meeting on Thursday morning"
Advance = Callable[[int], None]


class Heard:
    """What a stream told, and when, in seconds from the request."""

    def __init__(self) -> None:
        self.text = ""
        self.at_s: list[float] = []
        self.whole_s = 0.0

    @property
    def token_s(self) -> float:
        """The mean time between two pieces."""
        return (self.at_s[-1] - self.at_s[0]) / max(1, len(self.at_s) - 1)


class Pair(NamedTuple):
    """One message: through us, whole and streamed, through the port, and bare after each."""

    whole: Heard
    streamed: Heard
    model: Heard
    bare: Sequence[Heard]


class ChatBench:
    """One run against one system and one provider."""

    def __init__(
        self,
        url: str,
        api_key: str,
        provider: str,
        model: str,
        *,
        words: int,
        back_to_back: bool = False,
    ) -> None:
        limits = httpx2.Limits(max_connections=256)
        self._run = uuid4().hex[:8]
        self._ours = httpx2.AsyncClient(
            base_url=f"{url}/api/v1",
            headers={"X-API-Key": api_key},
            timeout=_TIMEOUT_S,
            limits=limits,
            trust_env=False,
        )
        self._bare = httpx2.AsyncClient(
            base_url=provider, timeout=_TIMEOUT_S, limits=limits, trust_env=False
        )
        self._model = model
        self._words = words
        # From anywhere, so that another run over the same system asks for something else.
        self._numbers = itertools.count(secrets.randbelow(10**7))
        self._back_to_back = back_to_back
        asked = ProviderSettings(
            name="bench", kind="openai_compatible", base_url=provider, model=model
        )
        self._port = build_model(ModelSettings(providers=(asked,)))
        self._assistant = ""

    async def run(self, chats: int, at_once: int, pairs: int, advance: Advance) -> dict[str, Any]:
        """Return the figures: counts, milliseconds, and ratios of ours to the bare provider.

        Raises:
            Unavailable: the system or the provider does not answer at all.
        """
        async with self._ours, self._bare:
            try:
                profile = {"name": f"bench-{self._run}", "system_prompt": "Repeat."}
                made = await self._ours.post("/agents/", json=profile)
                made.raise_for_status()
                self._assistant = made.json()["id"]
                found = await self._many(chats, at_once, advance)
                for number in range(_WARM_UP if pairs else 0):
                    await self._pair(f"warm-{number}")
                found |= await self._pairs(pairs, advance)
            except httpx2.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise Unavailable(f"the benchmark was broken off: {reason}") from error
        return found

    # --- Many at once -----------------------------------------------------------------------------

    async def _many(self, chats: int, at_once: int, advance: Advance) -> dict[str, Any]:
        turn = asyncio.Semaphore(at_once)
        began_s = time.monotonic()

        async def one(number: int) -> str:
            async with turn:
                answered_by = await self._chat(number)
                advance(1)
                return answered_by

        answers = Counter(await asyncio.gather(*(one(number) for number in range(chats))))
        seconds = time.monotonic() - began_s
        said = await self._said()
        ends = await self._ends(set(said))
        failures = [one async for one in self._events("GenerationFailed")]
        return {
            "chats": chats,
            "chats_a_second": round(chats / seconds, 1) if seconds else 0.0,
            # A chat without exactly one end in the log: nobody would know what became of it.
            "lost": chats - sum(ends[message] > 0 for message in said),
            "duplicated": len(said) - len(set(said.values())) + sum(n > 1 for n in ends.values()),
            "mixed_up": answers.pop("mixed up", 0),
            "answered_by": dict(answers.most_common()),
            "failures_recorded": len(failures),
            "failures_by_kind": dict(Counter(one["payload"]["kind"] for one in failures)),
        }

    async def _chat(self, number: int) -> str:
        """Return who answered a chat, or which refusal came."""
        text = self._text(number)
        body = self._body(text, number)
        answer = await self._ours.post(f"/agents/{self._assistant}/chat", json=body)
        told = answer.json()
        if not answer.is_success:
            return f"refused {answer.status_code} {told.get('kind', '')}".strip()
        # An extractive answer quotes what it found, which need not be the question.
        if told["model"] != "extractive" and text not in told["response"]:
            return "mixed up"
        return str(told["model"])

    def _text(self, number: int) -> str:
        return f"ping {self._run}-{number:06d}-end"

    async def _said(self) -> dict[str, str]:
        """Return the messages of this run as the log has them: id -> text."""
        found = {}
        async for event in self._events("MessageReceived"):
            payload = event["payload"]
            if payload["content"].startswith(f"ping {self._run}-"):
                found[payload["message_id"]] = payload["content"]
        return found

    async def _ends(self, messages: set[str]) -> Counter[str]:
        """Count the ends of each message in the log: an answer, or that there will be none."""
        ends: Counter[str] = Counter()
        for kind in ("AnswerGiven", "AnswerAbandoned"):
            async for event in self._events(kind):
                if (message := event["payload"]["in_reply_to"]) in messages:
                    ends[message] += 1
        return ends

    async def _events(self, kind: str) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        while True:
            query = {"type": kind, "limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            page = await self._ours.get("/events", params=query)
            page.raise_for_status()
            found = page.json()
            for event in found["items"]:
                yield event
            cursor = found["next_cursor"]
            if not cursor:
                return

    def _body(self, text: str, number: int) -> dict[str, Any]:
        user = f"bench-{self._run}-{number % _PEOPLE}"
        return {"message": text, "user_id": user, "conversation_id": f"c{number}"}

    # --- Pairs ------------------------------------------------------------------------------------

    async def _pairs(self, pairs: int, advance: Advance) -> dict[str, Any]:
        if not pairs:
            return {}
        timed = []
        for number in range(pairs):
            timed.append(await self._pair(f"{number}"))
            advance(1)
        return {
            "pairs": pairs,
            **_compared("chat", [(one.whole.whole_s, one.bare[0].whole_s) for one in timed]),
            **_compared(
                "first_token", [(one.streamed.at_s[0], one.bare[1].at_s[0]) for one in timed]
            ),
            **_compared(
                "per_token", [(one.streamed.token_s, one.bare[1].token_s) for one in timed]
            ),
            **_compared("model", [(one.model.whole_s, one.bare[2].whole_s) for one in timed]),
            **_compared("model_first", [(one.model.at_s[0], one.bare[2].at_s[0]) for one in timed]),
        }

    async def _pair(self, name: str) -> Pair:
        """Ask us, whole and streamed, and the model's port; the bare provider after each."""
        number = abs(hash(name)) % 1_000_000
        path = f"/agents/{self._assistant}"
        bare_heard = []

        async def ask_bare(text: str) -> None:
            asked = {
                "model": self._model,
                "messages": [{"role": "user", "content": text}],
                "stream": True,
            }
            heard = await _stream(self._bare, "/chat/completions", asked, _openai_piece)
            bare_heard.append(heard)

        text = self._question()
        whole = await _whole(self._ours, f"{path}/chat", self._body(text, number))
        # As our path asks it: a stream, to its end.
        await ask_bare(text)
        await self._rest()
        text = self._question()
        body = self._body(text, number + 1)
        streamed = await _stream(self._ours, f"{path}/stream-chat", body, _our_piece)
        await ask_bare(text)
        await self._rest()
        text = self._question()
        model = await _through(self._port, text, f"{self._run}-{name}")
        await ask_bare(text)
        return Pair(whole, streamed, model, bare_heard)

    def _question(self) -> str:
        """Return a text of `words` words, the last of which, a number, no other text has."""
        begins = itertools.islice(itertools.cycle(_QUESTION.split()), self._words - 1)
        return " ".join((*begins, str(next(self._numbers))))

    async def _rest(self) -> None:
        """Wait until all agents have handled all there is."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not self._back_to_back:
                status = await self._ours.get("/status")
                status.raise_for_status()
                if not any(agent["lag"] or agent["open"] for agent in status.json()["agents"]):
                    return
                await asyncio.sleep(_STATUS_S)


async def _through(port: LanguageModel, text: str, id_: str) -> Heard:
    """Ask through the port that the chat agent asks through."""
    request = GenerationRequest(
        turns=(Turn(role="user", content=text),),
        purpose="answer",
        user="bench",
        generation_id=id_,
        max_tokens=1024,
    )
    heard, began_s = Heard(), time.perf_counter()
    async with aclosing(port.generate(request)) as told:
        async for one in told:
            if isinstance(one, Delta):
                heard.at_s.append(time.perf_counter() - began_s)
                heard.text += one.text
    heard.whole_s = time.perf_counter() - began_s
    return heard


async def _whole(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> Heard:
    heard, began_s = Heard(), time.perf_counter()
    answer = await client.post(path, json=body)
    heard.whole_s = time.perf_counter() - began_s
    answer.raise_for_status()
    heard.text = answer.json()["response"]
    return heard


async def _stream(
    client: httpx2.AsyncClient,
    path: str,
    body: dict[str, Any],
    piece_of: Callable[[dict[str, Any]], str],
) -> Heard:
    heard, began_s = Heard(), time.perf_counter()
    async with client.stream("POST", path, json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data:") or line[5:].strip() == "[DONE]":
                continue
            if piece := piece_of(json.loads(line[5:])):
                heard.at_s.append(time.perf_counter() - began_s)
                heard.text += piece
    heard.whole_s = time.perf_counter() - began_s
    if not heard.at_s:
        raise Unavailable(f"{client.base_url}{path} streamed nothing; is the provider well?")
    return heard


def _openai_piece(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")


def _our_piece(told: dict[str, Any]) -> str:
    return str(told["data"].get("text", "")) if told["event"] == "content" else ""


def _compared(what: str, pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return both sides and what ours adds, in milliseconds, and the ratio of the means."""
    ours, bare = 1000 * np.array(pairs).T
    added = np.percentile(ours - bare, (50, 99))
    figures = {
        f"{what}_p50_ms": np.median(ours),
        f"{what}_bare_p50_ms": np.median(bare),
        f"{what}_added_p50_ms": added[0],
        f"{what}_added_p99_ms": added[1],
        f"{what}_ratio": ours.mean() / bare.mean() if bare.mean() else 0.0,
    }
    return {name: round(float(figure), 2) for name, figure in figures.items()}


#: With faults about: a provider that hangs is given up soon, a broken attempt is made again, and no
#: breaker spares the next chat the faults.
_SETTINGS = """
breaker_failures = 1000

[[models]]
name = "provider"
kind = "openai_compatible"
base_url = {provider}
model = {model}
deadline_s = 30
first_token_s = 2
attempts = 6
"""


async def bench_chat(
    provider: str,
    model: str,
    system: tuple[str, str] | None,
    *,
    chats: int,
    at_once: int,
    pairs: int,
    words: int = 12,
    back_to_back: bool = False,
    advance: Advance = lambda done: None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Measure chats over a provider, `http://host:port/v1`.

    `system` is the address and a service key of a system whose provider that is; None: one of its
    own is started, and stopped. The messages of the pairs have so many `words`.

    Raises:
        Unavailable: the system or the provider does not answer.
    """
    if system is not None:
        bench = ChatBench(*system, provider, model, words=words, back_to_back=back_to_back)
        return await bench.run(chats, at_once, pairs, advance)
    toml = _SETTINGS.format(provider=json.dumps(provider), model=json.dumps(model))
    with scratch_system(tell, toml=toml) as (directory, record):
        key = local_operator_key(directory.root)
        bench = ChatBench(record.url, key, provider, model, words=words, back_to_back=back_to_back)
        return await bench.run(chats, at_once, pairs, advance)
