"""An answer as OpenAI's clients read it: whole, or chunk by chunk.

What was streamed cannot be taken back on this wire: when the answer starts over after some of it
was told, the stream ends with an error, and the client asks again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from actors.progress import AnswerPart
from events.errors import MirixError, Unavailable
from events.memory import Value
from serve.answer_stream import HEARTBEAT_S, SEND_TIMEOUT_S
from serve.answers import CitationShown
from serve.chat import Exchange
from serve.openai_answers import (
    Chunk,
    ChunkChoice,
    ChunkDelta,
    Completion,
    CompletionChoice,
    CompletionMessage,
    FromMemory,
    OpenAIError,
    OpenAIFault,
    TokensUsed,
)
from serve.openai_errors import fault_of
from serve.problems import POSITION_HEADER

log = structlog.get_logger(__name__)


class Asked(Value, frozen=True, kw_only=True):
    """What all chunks of an answer say alike; `created` is in seconds since 1970."""

    id: str
    model: str
    created: int
    conversation_id: str
    include_usage: bool = False

    def completion(self, part: AnswerPart) -> Completion:
        """Return the whole answer by its closing part."""
        # By OpenAI's rules there is no content beside calls, or some.
        content = part.text if part.text or not part.tool_calls else None
        message = CompletionMessage(content=content, tool_calls=part.tool_calls or msgspec.UNSET)
        return Completion(
            id=f"chatcmpl-{self.id}",
            created=self.created,
            model=self.model,
            choices=(
                CompletionChoice(message=message, finish_reason=part.finish_reason or "stop"),
            ),
            usage=TokensUsed.of(part.usage),
            mirix=self._from_memory(part),
        )

    def chunk(self, delta: ChunkDelta) -> Chunk:
        """Return a piece of the answer."""
        return self._chunk((ChunkChoice(delta=delta),))

    def last_chunks(self, part: AnswerPart) -> list[Chunk]:
        """Return what closes the stream: calls of tools, why it ended, what it used."""
        calls = tuple({"index": at, **call} for at, call in enumerate(part.tool_calls))
        ended = ChunkChoice(delta=ChunkDelta(), finish_reason=_why_ended(part))
        chunks = [self.chunk(ChunkDelta(tool_calls=calls))] if calls else []
        from_memory = self._from_memory(part)
        chunks.append(msgspec.structs.replace(self._chunk((ended,)), mirix=from_memory))
        if self.include_usage:
            usage = TokensUsed.of(part.usage)
            chunks.append(msgspec.structs.replace(self._chunk(()), usage=usage))
        return chunks

    def _chunk(self, choices: tuple[ChunkChoice, ...]) -> Chunk:
        return Chunk(
            id=f"chatcmpl-{self.id}",
            created=self.created,
            model=self.model,
            choices=choices,
            usage=None if self.include_usage else msgspec.UNSET,
        )

    def _from_memory(self, part: AnswerPart) -> FromMemory:
        return FromMemory(
            message_id=self.id,
            conversation_id=self.conversation_id,
            position=part.position,
            model=part.model,
            citations=tuple(map(CitationShown.of, part.citations)),
        )


async def first_told(parts: AsyncIterator[AnswerPart], exchange: Exchange) -> AnswerPart:
    """Return the first part that there is something to send of.

    Until then nothing has been sent, and what goes wrong has a status of its own.

    Raises:
        NoAnswer: there will be none.
        NotHandledYet: there is none within the time allowed.
    """
    async for part in parts:
        if part.kind == "error":
            raise exchange.no_answer(part)
        if part.kind in ("content", "complete"):
            return part
    raise Unavailable("the answer broke off; try again")


class CompletionStream(EventSourceResponse):
    """Streams an answer, and stops listening to it whatever becomes of the client."""

    def __init__(
        self,
        asked: Asked,
        exchange: Exchange,
        first: AnswerPart,
        parts: AsyncIterator[AnswerPart],
        listening: AsyncExitStack,
    ) -> None:
        super().__init__(
            _events(asked, exchange, first, parts),
            headers={POSITION_HEADER: str(exchange.position)},
            sep="\n",
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: ServerSentEvent(comment="here", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
        )
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        async with self._listening:
            await super().__call__(scope, receive, send)


async def _events(
    asked: Asked, exchange: Exchange, first: AnswerPart, parts: AsyncIterator[AnswerPart]
) -> AsyncIterator[ServerSentEvent]:
    yield _line(asked.chunk(ChunkDelta(role="assistant", content="")))
    try:
        async for told in _chunks(asked, exchange, first, parts):
            yield _line(told)
    except MirixError as error:
        # The status has been sent: the error is told inside the stream.
        yield _line(fault_of(error))
    except Exception:
        # The status has been sent here, too: the client hears that it failed, the log hears why.
        log.exception("completion_stream_failed", message_id=exchange.message_id)
        yield _line(OpenAIError(error=OpenAIFault(message="Internal error", type="server_error")))
    yield ServerSentEvent("[DONE]", sep="\n")


async def _chunks(
    asked: Asked, exchange: Exchange, first: AnswerPart, parts: AsyncIterator[AnswerPart]
) -> AsyncIterator[Chunk]:
    part, told = first, 0
    while True:
        match part.kind:
            case "content":
                told += len(part.text)
                yield asked.chunk(ChunkDelta(content=part.text))
            case "complete":
                for chunk in asked.last_chunks(part):
                    yield chunk
                return
            case "error":
                raise exchange.no_answer(part)
            case "thinking" if told and not part.offset:
                raise Unavailable(
                    "the answer broke off and starts over; what was streamed does not count, "
                    "ask again"
                )
            case _:
                pass
        part = await anext(parts)


def _line(told: Chunk | OpenAIError) -> ServerSentEvent:
    return ServerSentEvent(msgspec.json.encode(told).decode(), sep="\n")


def _why_ended(part: AnswerPart) -> str:
    return part.finish_reason or "stop"
