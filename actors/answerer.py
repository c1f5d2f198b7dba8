"""Makes answers: many side by side, each told while it is made, recorded when it is there.

Step 7 of the message path. What an answer is made of is `actors/chatting`; here is what becomes of
it: an answer, or a word why there is none, and those who wait for it hear of either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
import structlog

from actors.asking import not_asked
from actors.chatting.context import SYSTEM_PROMPT, MessageTooLong
from actors.chatting.conversing import Conversing, usage_of
from actors.chatting.making import Making
from actors.chatting.preparing import Preparing
from actors.models.extractive import ExtractiveModel
from actors.models.port import LanguageModel, ModelFailed
from actors.models.settings import ModelSettings
from actors.ports import ChatPeers, Recall
from actors.progress import AnswerPart, answer_id, cancel_subject, decode_unheard
from actors.queries import AnswerSoFar
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    GenerationFailed,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from events.errors import Unavailable
from events.signals import Signals

log = structlog.get_logger(__name__)

#: How long after it was made an answer is still known here: by then the conversation shows it.
KEPT_S = 30.0
#: Messages whose answer nobody waits for, before it is begun; the oldest are forgotten.
UNHEARD_MAX = 1000
#: Between two tries to listen where there is no connection.
LISTEN_AGAIN_S = 1.0

#: What was given up, as events, and what tells the listeners once they are appended.
Answered = tuple[list[Payload], Callable[[int], Awaitable[None]]]


class Answerer:
    """Answers messages; for one event loop."""

    def __init__(
        self,
        recall: Recall,
        signals: Signals,
        shard: int,
        *,
        model: LanguageModel | None = None,
        settings: ModelSettings | None = None,
        peers: ChatPeers | None = None,
    ) -> None:
        """Put it together; without model and peers it answers by quoting what is recalled."""
        self._settings = settings or ModelSettings()
        model = model or ExtractiveModel()
        preparing = Preparing(recall, model, self._settings, peers)
        self._conversing = Conversing(model, preparing)
        self._signals = signals
        self._shard = shard
        self._makings: dict[str, Making] = {}
        #: When to give up the answer to a message, on the loop's clock.
        self._unheard: dict[str, float] = {}

    async def run(self) -> None:
        """Listen for answers that nobody waits for any more, until cancelled."""
        while True:
            try:
                async with self._signals.subscribe(cancel_subject(self._shard, "*")) as heard:
                    async for subject, body in heard:
                        self._hear(subject.rpartition(".")[2], decode_unheard(body).grace_s)
            except Unavailable as error:
                log.warning("cancellations_not_heard", error=error.message)
            await asyncio.sleep(LISTEN_AGAIN_S)

    def so_far(self, user: str, message_id: str) -> AnswerSoFar | None:
        """Return how far the answer to a message is; None: none is being made.

        Who asks listens: an answer that was about to be given up goes on. It is known here for
        `KEPT_S` more seconds when it is done; where the conversation shows it, that counts.
        """
        self._unheard.pop(message_id, None)
        making = self._makings.get(message_id)
        if making is None or making.user != user:
            return None
        making.stay()
        return AnswerSoFar(state="making", text=making.text, round=making.round)

    async def answer(self, cause: Event, message: MessageReceived) -> Answered:
        """Return the events of the answer, and what tells the listeners once they are appended.

        Nothing that a model fails with is raised: then the events say that there is no answer.

        Raises:
            Unavailable: memory cannot be searched at the moment.
        """
        making = self._begin(cause, message)
        try:
            conclusion = await self._conclusion(cause, message, making)
        finally:
            making.stay()
            asyncio.get_running_loop().call_later(KEPT_S, self._forget, message, making)
        self._unheard.pop(message.message_id, None)

        async def tell_the_whole(position: int) -> None:
            part = closing_part(conclusion, position)
            await making.tell(msgspec.structs.replace(part, round=making.round))

        return [*making.payloads, conclusion], tell_the_whole

    async def _conclusion(
        self, cause: Event, message: MessageReceived, making: Making
    ) -> AnswerGiven | AnswerAbandoned:
        async with making.telling():
            work = asyncio.create_task(self._conversing.converse(cause, message, making))
            making.works(work)
            try:
                return await work
            except asyncio.CancelledError:
                if not making.is_given_up or _is_cancelled():
                    raise
                return self._cancelled(message, making)
            except ModelFailed as failure:
                return self._failed(message, making, failure)
            except MessageTooLong as refusal:
                return _abandoned(message, making, "refused", refusal.message)

    async def failed(self, message: MessageReceived, reason: str) -> None:
        """Tell the listeners that there will be no answer."""
        making = self._makings.pop(message.message_id, None)
        making = making or Making(self._signals, self._shard, "", message.message_id)
        part = AnswerPart(kind="error", text=reason, failure="failed", round=making.round)
        await making.tell(part)

    def _begin(self, cause: Event, message: MessageReceived) -> Making:
        id_ = message.message_id
        before = self._makings.get(id_)
        # What an attempt before this one told does not count.
        round_ = before.round + 1 if before and before.text else 0
        making = Making(self._signals, self._shard, cause.user, id_, round=round_)
        self._makings[id_] = making
        if (moment_s := self._unheard.get(id_)) is not None:
            making.give_up_at(moment_s)
        asked = message.options.model if message.options else ""
        first = min(self._settings.providers, key=lambda provider: provider.rank)
        making.say(
            AnswerPart(
                kind="start", message_id=answer_id(id_), model=asked or first.name, round=round_
            )
        )
        making.say(AnswerPart(kind="thinking", text="searching memory", round=round_))
        return making

    def _forget(self, message: MessageReceived, making: Making) -> None:
        if self._makings.get(message.message_id) is making:
            del self._makings[message.message_id]

    def _hear(self, message_id: str, grace_s: float) -> None:
        moment_s = asyncio.get_running_loop().time() + grace_s
        self._unheard.pop(message_id, None)
        self._unheard[message_id] = moment_s
        if len(self._unheard) > UNHEARD_MAX:
            del self._unheard[next(iter(self._unheard))]
        making = self._makings.get(message_id)
        if making is not None:
            making.give_up_at(moment_s)

    # --- no answer -------------------------------------------------------------------------------

    def _cancelled(self, message: MessageReceived, making: Making) -> AnswerAbandoned:
        detail = "nobody waited for the answer any more"
        if making.asked is not None:
            request, prompt_hash, since_s, _ = making.asked
            lasted_s = asyncio.get_running_loop().time() - since_s
            failed = GenerationFailed(
                generation_id=request.generation_id,
                purpose=request.purpose,
                provider="",
                model=request.model,
                kind="cancelled",
                detail=detail,
                usage=making.used(),
                duration_ms=round(lasted_s * 1000),
            )
            making.record((failed,), SYSTEM_PROMPT, prompt_hash)
        return _abandoned(message, making, "cancelled", detail, reason="cancelled")

    def _failed(
        self, message: MessageReceived, making: Making, failure: ModelFailed
    ) -> AnswerAbandoned:
        if making.asked is not None:
            request, prompt_hash, *_ = making.asked
            stopped = msgspec.structs.replace(not_asked(request, failure), usage=making.used())
            # Without attempts of its own it was us who ended it, in the middle.
            failures = failure.failures or (stopped,)
            making.record(failures, SYSTEM_PROMPT, prompt_hash)
        return _abandoned(message, making, failure.kind, failure.message)


def _is_cancelled() -> bool:
    """Tell whether the task that runs this has been asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _abandoned(
    message: MessageReceived,
    making: Making,
    kind: str,
    detail: str,
    *,
    reason: Literal["cancelled", "failed"] = "failed",
) -> AnswerAbandoned:
    return AnswerAbandoned(
        conversation=message.conversation,
        assistant=message.assistant,
        in_reply_to=message.message_id,
        reason=reason,
        kind=kind,
        detail=detail,
        partial=making.text,
        usage=usage_of(making.payloads),
    )


def closing_part(conclusion: AnswerGiven | AnswerAbandoned, position: int) -> AnswerPart:
    """Return the last part of an answer, or of none."""
    if isinstance(conclusion, AnswerAbandoned):
        return AnswerPart(
            kind="error",
            text=conclusion.detail,
            message_id=answer_id(conclusion.in_reply_to),
            usage=conclusion.usage,
            position=position,
            failure=conclusion.kind,
        )
    return AnswerPart(
        kind="complete",
        text=conclusion.content,
        message_id=conclusion.message_id,
        citations=conclusion.citations,
        usage=conclusion.usage,
        model=conclusion.model,
        position=position,
        finish_reason=conclusion.finish_reason,
        tool_calls=conclusion.tool_calls,
    )
