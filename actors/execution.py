"""Runs effects: what a decision becomes before it can be appended.

First half, on the thread that owns the state: effects that need keys alone become payloads at once
(`conclusions`), so that the decider sees them before the next cause. Second half, on the event
loop: vectors for all texts of a batch in one call (`Execution.complete`), and, each in its lane,
answers, tool calls and generations (`Execution.reach`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np
import structlog

from actors.answerer import Answerer
from actors.asking import Asking, last_told
from actors.effects import (
    Answer,
    Append,
    CallTool,
    Effect,
    EmbedMemory,
    EmbedMessage,
    Generate,
    Keep,
    Reaching,
    Revise,
)
from actors.embedding import ModelNotServed
from actors.ports import EmbeddingService, Tools
from events.catalogue import (
    GenerationCompleted,
    GenerationFailed,
    MemoryEmbedded,
    MemoryRecorded,
    MemoryRevised,
    MessageEmbedded,
    MessageReceived,
    Payload,
    ToolFailed,
    ToolReturned,
)
from events.envelope import Event
from events.errors import DeadlineExceeded, MirixError, Unavailable
from events.memory import Content, MemoryDraft, VaultContent, passages, texts_hash, tier_of
from events.sealing import KeyRing

log = structlog.get_logger(__name__)

#: Attempts at an effect that fails for a reason other than absence.
ATTEMPTS_MAX = 3

#: Vectors of one event: 768 kB of them.
VECTORS_MAX = 1000
#: The longest wait between two tries at something that is away.
RETRY_WAIT_S_MAX = 5.0

T = TypeVar("T")

#: Called with the position of the last event of the cause, once it is in the log.
Afterwards = Callable[[int], Awaitable[None]]


class Step:
    """One effect on its way: its payloads so far, and what is to be told once they are appended.

    `is_done` is false while an effect that takes long has not been run. `told` is what a model
    said, or why it said nothing.
    """

    def __init__(self, effect: Effect, payloads: list[Payload]) -> None:
        self.effect = effect
        self.payloads = payloads
        self.is_done = not isinstance(effect, Reaching)
        self.told: GenerationCompleted | GenerationFailed | None = None
        self.afterwards: Afterwards | None = None

    def texts(self) -> tuple[str, ...]:
        """Return the texts that need vectors."""
        match self.effect:
            case EmbedMessage(text=text):
                return (text,)
            case EmbedMemory(texts=texts):
                return texts
            case Keep() | Revise():
                return passages(self._content())
            case _:
                return ()

    @property
    def model(self) -> str:
        """The model whose vectors are needed; empty: the system's own."""
        match self.effect:
            case EmbedMessage(model=model) | EmbedMemory(model=model):
                return model
            case _:
                return ""

    def embed(self, model: str, vectors: np.ndarray) -> None:
        """Add the events that hold the vectors of `texts`, float16 little endian.

        Those of a large document are more than one event may hold.
        """
        rows = tuple(row.tobytes() for row in vectors.astype("<f2"))
        match self.effect:
            case EmbedMessage(message_id=message_id):
                self.payloads.append(
                    MessageEmbedded(message_id=message_id, model=model, vector=rows[0])
                )
            case EmbedMemory() as asked:
                self.payloads.append(
                    MemoryEmbedded(
                        tier=asked.tier,
                        memory_id=asked.memory_id,
                        model=model,
                        first=asked.first,
                        vectors=rows,
                        text_hash=texts_hash(asked.texts),
                    )
                )
            case Keep(draft=MemoryDraft(id=memory_id)) | Revise(memory_id=memory_id):
                tier = tier_of(self._content())
                self.payloads += [
                    MemoryEmbedded(
                        tier=tier,
                        memory_id=memory_id,
                        model=model,
                        first=first,
                        vectors=rows[first : first + VECTORS_MAX],
                    )
                    for first in range(0, len(rows), VECTORS_MAX)
                ]
            case _:
                raise TypeError(f"{type(self.effect).__name__} has nothing to embed")

    def _content(self) -> Content:
        match self.effect:
            case Keep(draft=draft):
                return draft.content
            case Revise(content=content):
                return content
            case _:
                raise TypeError(f"{type(self.effect).__name__} has no content")


class Plan:
    """A cause, and the steps that follow from it; `failure` is set when it has to be parked."""

    def __init__(self, cause: Event, lane: str = "") -> None:
        self.cause = cause
        self.lane = lane
        self.steps: list[Step] = []
        self.failure: Exception | None = None
        self.attempts = 0

    @property
    def is_reaching(self) -> bool:
        """Whether work that takes long is still to be done."""
        return self.failure is None and not all(step.is_done for step in self.steps)

    def give_up(self, error: Exception) -> None:
        """Leave nothing of what would have followed: the cause is parked."""
        self.steps = []
        self.failure = error


def conclusions(effect: Effect, user: str, keys: KeyRing) -> list[Payload]:
    """Return the payloads that an effect gives without leaving the process."""
    match effect:
        case Append(payload=payload):
            return [payload]
        case Keep(draft=draft):
            content = _sealed(draft.content, draft.id, effect.secret, user, keys)
            kept = msgspec.structs.replace(draft, content=content)
            return [MemoryRecorded(memory=kept, secret_span=effect.secret_span)]
        case Revise():
            content = _sealed(effect.content, effect.memory_id, effect.secret, user, keys)
            return [
                MemoryRevised(
                    tier=effect.tier,
                    memory_id=effect.memory_id,
                    content=content,
                    tags=effect.tags,
                    reason=effect.reason,
                )
            ]
        case _:
            return []


def _sealed(content: Content, memory_id: str, secret: str, user: str, keys: KeyRing) -> Content:
    if not secret or not isinstance(content, VaultContent):
        return content
    return msgspec.structs.replace(
        content,
        secret=keys.seal_secret(user, memory_id, secret),
        secret_fingerprint=keys.fingerprint(user, secret),
    )


class Execution:
    """The part of an agent's shell that reaches out."""

    def __init__(
        self,
        *,
        embedding: EmbeddingService,
        answerer: Answerer,
        tools: Tools,
        retry_wait_s: float,
        asking: Asking | None = None,
        at_once: int = 64,
    ) -> None:
        """Put it together; `at_once` bounds how many slow effects run at a time."""
        self._embedding = embedding
        self._answerer = answerer
        self._tools = tools
        self._asking = asking
        self._retry_wait_s = retry_wait_s
        self._places = asyncio.Semaphore(at_once)

    async def complete(self, plans: Sequence[Plan]) -> None:
        """Bring all quick steps of all plans to their payloads; a plan that cannot be is marked."""
        await self._embed_all(plans)

    async def reach(self, plan: Plan) -> None:
        """Run the slow steps of a plan; one that cannot be run marks the plan."""
        async with self._places:
            await asyncio.gather(
                *(self._attempt(plan, step) for step in plan.steps if not step.is_done)
            )

    async def answer_failed(self, message: MessageReceived, failure: Exception) -> None:
        """Tell those who wait for an answer that there will be none."""
        reason = failure.message if isinstance(failure, MirixError) else type(failure).__name__
        await self._answerer.failed(message, reason)

    async def _embed_all(self, plans: Sequence[Plan]) -> None:
        """Embed the texts of all plans together; when that fails, find out whose it is."""
        try:
            await self._embed([step for plan in plans for step in plan.steps])
        # Whatever the embedder fails with, one text must not stop the agent: its cause is parked.
        except Exception as error:
            if len(plans) == 1:
                log.warning("texts_not_embedded", cause=plans[0].cause.id, error=repr(error))
                plans[0].failure, plans[0].attempts = error, 1
                return
            for plan in plans:
                await self._embed_all([plan])

    async def _embed(self, steps: Sequence[Step]) -> None:
        by_model: dict[str, list[tuple[Step, tuple[str, ...]]]] = {}
        for step in steps:
            if texts := step.texts():
                by_model.setdefault(step.model, []).append((step, texts))
        for model, wanting in by_model.items():
            every_text = [text for _, group in wanting for text in group]
            try:
                embedded = await self._patiently(partial(self._embedding.embed, every_text, model))
            except ModelNotServed as error:
                # Found by their words until `mirix reembed` has them: nothing waits for a model
                # that may be gone for good.
                log.warning("passages_not_embedded", model=model, error=error.message)
                continue
            start = 0
            for step, group in wanting:
                step.embed(embedded.model, embedded.vectors[start : start + len(group)])
                start += len(group)

    async def _attempt(self, plan: Plan, step: Step) -> None:
        """Run an answer or a tool call, a bounded number of times."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                await self._patiently(lambda: self._run(plan, step))
            # Whatever an effect fails with, it must not stop the agent: the cause is parked with
            # its error, and everything after it goes on.
            except Exception as error:
                log.warning(
                    "effect_failed", cause=plan.cause.id, attempt=attempt, error=repr(error)
                )
                plan.failure, plan.attempts = error, attempt
                await asyncio.sleep(self._retry_wait_s * attempt)
            else:
                plan.failure = None
                step.is_done = True
                return

    async def _run(self, plan: Plan, step: Step) -> None:
        match step.effect:
            case Answer(message=message):
                step.payloads, step.afterwards = await self._answerer.answer(plan.cause, message)
            case CallTool() as call:
                step.payloads = [await self._call(plan.cause, call)]
            case Generate() as asked if self._asking is not None:
                step.payloads = await self._asking.ask(plan.cause, asked)
                step.told = last_told(step.payloads)
            case _:
                raise TypeError(f"{type(step.effect).__name__} is not run here")

    async def _call(self, cause: Event, call: CallTool) -> Payload:
        try:
            result = await self._tools.call(
                call.tool,
                call.arguments,
                user=cause.user,
                tenant=cause.envelope.tenant,
                position=cause.position,
            )
        except Unavailable:
            raise
        except MirixError as error:
            return ToolFailed(call_id=call.call_id, tool=call.tool, error=error.message)
        return ToolReturned(call_id=call.call_id, tool=call.tool, result=result)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Wait out what is away for the moment: the log keeps the causes, nothing is lost."""
        wait_s = self._retry_wait_s
        while True:
            try:
                return await work()
            except (DeadlineExceeded, ModelNotServed):
                raise  # it is there and too slow, or gone: an attempt that failed
            except Unavailable as error:
                log.warning("effect_waits", error=error.message, wait_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_WAIT_S_MAX)
