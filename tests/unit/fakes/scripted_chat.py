"""A gateway over a real backend whose chat agent a test plays: part by part, losing what it wants.

Log, signals, projection, listening and repairing are the real ones; the generation alone is the
test's. Served by uvicorn on a port of its own, so that a client can really go away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn

from actors.backend import AgentsBackend
from actors.embedding import HashEmbedder
from actors.embedding_queue import LocalEmbedding
from actors.hearing import complete_part
from actors.names import Agent
from actors.past.queries import PastQuery
from actors.progress import (
    AnswerPart,
    answer_id,
    answers_subject,
    cancel_subject,
    decode_unheard,
    encode_signal,
)
from actors.queries import AnswerSoFar, Foresee, GetAnswerSoFar, Query
from actors.readers import read
from events.catalogue import AnswerAbandoned, AnswerGiven, Citation, MessageReceived, Usage
from events.codec import Codec
from events.envelope import NewEvent
from events.ids import random_id
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.payload import Payload
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.conversations import ConversationsProjection
from serve.access import bootstrap, pepper_of
from serve.gateway import build_app
from serve.settings import ServeSettings

KEY = "a-preset-key-for-tests"
DEADLINE_S = 20.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds that tells nobody when it begins to."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # signals, logs and servers set no event
            await asyncio.sleep(0.005)


class ScriptedChat:
    """The chat agent of a test: what was asked, and what to say to it."""

    def __init__(self) -> None:
        self.keystore = MemoryKeyStore(b"m" * 32)
        self.journal = Journal(MemoryLog(0), Codec(KeyRing(self.keystore)))
        self.signals = MemorySignals()
        self.backend = AgentsBackend(
            [self.journal],
            self.signals,
            self._ask,
            self._ask_past,
            LocalEmbedding(HashEmbedder()),
        )
        self.making: dict[str, tuple[int, str]] = {}
        self.unheard: dict[str, list[float]] = {}
        self.asked_so_far: list[str] = []
        self.foreseen: list[str] = []
        self.url = ""
        self._projection = ConversationsProjection()
        self._through = 0

    async def _fold(self) -> None:
        async for event in self.journal.read(self._through):
            if event.position > self._through:
                self._projection.apply(event)
                self._through = event.position

    async def _ask(
        self, shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
    ) -> Any:
        if isinstance(query, Foresee):
            self.foreseen.append(query.message.message_id)
            return None
        await self._fold()
        if not isinstance(query, GetAnswerSoFar):
            return read(self._projection, query, None)
        self.asked_so_far.append(query.message_id)
        user, id_ = query.user, query.message_id
        if id_ in self.making:
            number, text = self.making[id_]
            return AnswerSoFar(state="making", text=text, round=number)
        answer = self._projection.messages.get(user, {}).get(answer_id(id_))
        if answer is not None:
            return AnswerSoFar(state="given", answer=answer)
        abandoned = self._projection.abandoned.get(user, {}).get(id_)
        if abandoned is not None:
            return AnswerSoFar(state="abandoned", abandoned=abandoned)
        return AnswerSoFar(state="unknown")

    async def _ask_past(self, shard: int, query: PastQuery, timeout_s: float) -> Any:
        raise AssertionError(query)

    async def hear_who_leaves(self) -> None:
        """Note who is said to be unheard, until cancelled."""
        async with self.signals.subscribe(cancel_subject(0, "*")) as told:
            async for subject, body in told:
                message_id = subject.rpartition(".")[2]
                self.unheard.setdefault(message_id, []).append(decode_unheard(body).grace_s)

    async def asked(self, count: int = 1) -> list[MessageReceived]:
        """Return the messages that want an answer, once there are so many."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                read_ = self.journal.read(kinds=frozenset({"MessageReceived"}))
                found = [event.payload async for event in read_]
                wanted = [m for m in found if isinstance(m, MessageReceived) and m.answer_wanted]
                if len(wanted) >= count:
                    return wanted
                await asyncio.sleep(0.005)

    async def say(self, message_id: str, text: str, *, lost: bool = False, over: int = 0) -> None:
        """Go on with an answer; `lost` says it to nobody, `over` begins that round anew."""
        number, before = self.making.get(message_id, (0, ""))
        if over:
            number, before = over, ""
        self.making[message_id] = (number, before + text)
        if not lost:
            part = AnswerPart(kind="content", text=text, offset=len(before), round=number)
            await self.tell(message_id, part)

    async def tell(self, message_id: str, part: AnswerPart) -> None:
        """Tell a part to who listens."""
        await self.signals.publish(answers_subject(0, message_id), encode_signal(part))

    async def finish(self, message: MessageReceived, text: str, **fields: Any) -> None:
        """Record the whole answer, and tell it."""
        citation = Citation(id="mem_1", tier="semantic", text="Lives in Oslo", mark=1)
        given = AnswerGiven(
            message_id=answer_id(message.message_id),
            conversation=message.conversation,
            assistant=message.assistant,
            in_reply_to=message.message_id,
            content=text,
            **{
                "model": "scripted",
                "citations": (citation,),
                "usage": Usage(prompt_tokens=7, completion_tokens=5, cached_tokens=4),
                **fields,
            },
        )
        await self._record(message, given)
        user = self._user_of(message)
        view = self._projection.messages[user][given.message_id]
        await self.tell(message.message_id, complete_part(view))

    async def abandon(self, message: MessageReceived, kind: str, *, lost: bool = False) -> None:
        """Record that there will be no answer, and tell it unless that is lost."""
        given_up = AnswerAbandoned(
            conversation=message.conversation,
            assistant=message.assistant,
            in_reply_to=message.message_id,
            reason="cancelled" if kind == "cancelled" else "failed",
            kind=kind,
            detail="every provider failed",
        )
        await self._record(message, given_up)
        if not lost:
            part = AnswerPart(kind="error", text="every provider failed", failure=kind)
            await self.tell(message.message_id, part)

    async def _record(self, message: MessageReceived, payload: Payload) -> None:
        await self._fold()
        user = self._user_of(message)
        event = NewEvent(
            event_id=random_id("evt"),
            payload=payload,
            tenant="default",
            user=user,
            producer="chat",
        )
        await self.journal.append([event])
        self.making.pop(message.message_id, None)
        await self._fold()

    def _user_of(self, message: MessageReceived) -> str:
        return next(
            u for u, held in self._projection.messages.items() if message.message_id in held
        )


@asynccontextmanager
async def scripted(
    settings: ServeSettings | None = None,
) -> AsyncIterator[tuple[ScriptedChat, httpx2.AsyncClient]]:
    """Serve while the context lasts; yields the chat agent to play and a client over real HTTP."""
    chat = ScriptedChat()
    await bootstrap(chat.backend, pepper_of(chat.keystore), KEY)
    await chat.backend.start()
    app = build_app(settings or ServeSettings(), chat.backend, chat.keystore)
    async with serving(app) as url:
        chat.url = url
        leaving = asyncio.create_task(chat.hear_who_leaves())
        headers = {"X-API-Key": KEY}
        try:
            async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
                yield chat, client
        finally:
            leaving.cancel()
            await chat.backend.stop()


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an application by uvicorn, in this event loop; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    # Signals are pytest's.
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task
