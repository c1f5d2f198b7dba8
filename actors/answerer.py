"""Makes an answer: asks the search agent, quotes, tells the listeners, records what was said."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

import structlog

from actors.answering import MODEL, extractive_answer
from actors.ports import Recall
from actors.progress import AnswerPart, answer_id, answers_subject, encode_signal
from actors.queries import SearchMemories
from events.catalogue import AnswerGiven, GenerationCompleted, MessageReceived, Payload, Usage
from events.envelope import Event
from events.errors import Unavailable
from events.ids import derived_id
from events.signals import Signals

log = structlog.get_logger(__name__)

#: Hits asked for; the answer quotes the best of them.
HITS_MAX = 10
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+|[^\w\s]")


class Answerer:
    """Answers one message at a time per user; different users' answers run side by side."""

    def __init__(self, recall: Recall, signals: Signals, shard: int) -> None:
        self._recall = recall
        self._signals = signals
        self._shard = shard

    async def answer(
        self, cause: Event, message: MessageReceived
    ) -> tuple[list[Payload], Callable[[int], Awaitable[None]]]:
        """Return the events of the answer, and what tells the listeners once they are appended."""
        reply_id = answer_id(message.message_id)
        await self._tell(message, AnswerPart(kind="start", message_id=reply_id, model=MODEL))
        await self._tell(message, AnswerPart(kind="thinking", text="searching memory"))
        found = await self._recall.search(
            SearchMemories(
                user=cause.user,
                tenant=cause.envelope.tenant,
                query=message.content,
                limit=HITS_MAX,
                exclude_ids=(message.message_id,),
            ),
            min_position=cause.position,
        )
        answer = extractive_answer(message.content, found.results)
        for piece in re.findall(r"\S+\s*", answer.text):
            await self._tell(message, AnswerPart(kind="content", text=piece))
        prompt = "\x1f".join((message.content, *(hit.id for hit in found.results)))
        usage = Usage(
            prompt_tokens=_tokens(message.content), completion_tokens=_tokens(answer.text)
        )
        given = AnswerGiven(
            message_id=reply_id,
            conversation=message.conversation,
            assistant=message.assistant,
            in_reply_to=message.message_id,
            content=answer.text,
            citations=answer.citations,
            model=MODEL,
            usage=usage,
        )
        generated = GenerationCompleted(
            generation_id=derived_id("gen", message.message_id),
            model=MODEL,
            prompt_hash=hashlib.sha256(prompt.encode()).hexdigest(),
            output=answer.text,
            usage=usage,
        )

        async def tell_the_whole(position: int) -> None:
            await self._tell(message, complete_part(given, position))

        return [generated, given], tell_the_whole

    async def failed(self, message: MessageReceived, reason: str) -> None:
        """Tell the listeners that there will be no answer."""
        await self._tell(message, AnswerPart(kind="error", text=reason))

    async def _tell(self, message: MessageReceived, part: AnswerPart) -> None:
        subject = answers_subject(self._shard, message.message_id)
        try:
            await self._signals.publish(subject, encode_signal(part))
        except Unavailable as error:
            # Who listens asks the log after a silence; the answer itself is what must not be lost.
            log.debug("answer_part_not_told", error=error.message)


def complete_part(given: AnswerGiven, position: int) -> AnswerPart:
    """Return the closing part of an answer."""
    return AnswerPart(
        kind="complete",
        text=given.content,
        message_id=given.message_id,
        citations=given.citations,
        usage=given.usage,
        model=given.model,
        position=position,
    )


def _tokens(text: str) -> int:
    """Words, Chinese characters and signs: the extractive answerer has no other tokens."""
    return len(_WORD.findall(text))
