"""Chat with an assistant profile: the whole answer, or as it is made (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

import msgspec
import structlog
from fastapi import Query, Request, Response
from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from actors.progress import AnswerPart
from actors.queries import ListMessages
from events.errors import MirixError
from events.moments import POSITION_MAX
from projections.conversations import Message
from serve.answers import ChatAnswer, CitationShown, MessageShown, UsageShown
from serve.chat import Exchange, begin
from serve.context import caller_of, context_of
from serve.edge import (
    AskedPerson,
    Json,
    Limit,
    ReadAt,
    check_storable,
    person_named,
    protected_router,
    read_json,
    written,
)
from serve.openapi import BODY_PROBLEMS, MISSING, at_moment, gives, gives_list, takes
from serve.problems import POSITION_HEADER, invalid, slug
from serve.reading import read
from serve.requests import ChatForm
from serve.routes_agents import profile_of, read_profile
from serve.routes_messages import said

log = structlog.get_logger(__name__)
router = protected_router("chat")

CHAT_EXAMPLE = {"message": "Where do I live?", "user_id": "alice", "conversation_id": "today"}
CURSOR_HEADER = "X-Next-Cursor"


@router.post(
    "/agents/{agent_id}/chat",
    response_class=Json,
    summary="Ask and wait for the answer",
    openapi_extra=takes(ChatForm, CHAT_EXAMPLE),
    responses={200: gives(ChatAnswer, "The answer."), **MISSING, **BODY_PROBLEMS},
)
async def chat(request: Request, agent_id: str) -> Response:
    """Record a message to an assistant profile and answer with what it said."""
    async with AsyncExitStack() as stack:
        exchange = await _begin(request, agent_id, stack)
        answer = _whole(exchange, await exchange.answer())
    return written(answer, answer.position)


@router.post(
    "/agents/{agent_id}/stream-chat",
    response_class=EventSourceResponse,
    summary="Ask and hear the answer as it is made",
    openapi_extra=takes(ChatForm, CHAT_EXAMPLE),
    responses={
        200: {
            "description": (
                'Server-sent events: `data: {"event": ..., "data": {...}}` with the events start, '
                "thinking, content, and at the end complete or error; then `data: [DONE]`."
            ),
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def stream_chat(request: Request, agent_id: str) -> Response:
    """Record a message to an assistant profile and stream what it says."""
    # Recorded before the stream begins: what can go wrong so far still has its own status.
    async with AsyncExitStack() as stack:
        exchange = await _begin(request, agent_id, stack)
        return _AnswerStream(exchange, stack.pop_all())


@router.get(
    "/agents/{agent_id}/messages",
    response_class=Json,
    summary="List the messages of an assistant profile's conversations",
    responses={
        200: at_moment(
            {
                **gives_list(MessageShown, "Oldest first."),
                "headers": {
                    CURSOR_HEADER: {
                        "description": "Pass it as `cursor` for the next page; absent on the last.",
                        "schema": {"type": "string"},
                    }
                },
            }
        ),
        **MISSING,
    },
)
async def list_messages(
    request: Request,
    agent_id: str,
    person: AskedPerson,
    when: ReadAt,
    limit: Limit = 50,
    cursor: Annotated[
        int, Query(ge=0, le=POSITION_MAX, description="Only what comes after this position.")
    ] = 0,
    conversation_id: Annotated[
        str, Query(max_length=256, description="Only this conversation.")
    ] = "",
) -> Response:
    """List what a user and an assistant profile said to each other."""
    # Positions are those of the person's shard, which knows every profile: the profile is looked
    # up there as of then. Of now, the shard that is written last says whether it is there.
    if when.as_of is None:
        await profile_of(request, agent_id)
    else:
        when = (await read_profile(request, agent_id, person.shard, when)).when
    query = ListMessages(
        user=person.id,
        assistant=agent_id,
        conversation=conversation_id,
        limit=limit,
        after_position=cursor,
    )
    found = await read(context_of(request), person.shard, "chat", query, when)
    views: tuple[Message, ...] = found.answer
    answer = Json([MessageShown.of(view) for view in views], headers=found.headers)
    if len(views) == limit:
        answer.headers[CURSOR_HEADER] = str(views[-1].position)
    return answer


async def _begin(request: Request, agent_id: str, stack: AsyncExitStack) -> Exchange:
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, ChatForm)
    said(context, form.message, "body.message")
    check_storable(form.context, "body.context")
    if form.context and len(msgspec.json.encode(form.context)) > context.settings.message_chars_max:
        raise invalid("body.context", f"is over {context.settings.message_chars_max} characters")
    person = person_named(request, form.user_id)
    profile = await profile_of(request, agent_id, shard=person.shard)
    return await begin(context, caller, person, profile.id, form, stack)


def _whole(exchange: Exchange, part: AnswerPart) -> ChatAnswer:
    return ChatAnswer(
        response=part.text,
        citations=tuple(map(CitationShown.of, part.citations)),
        usage=UsageShown.of(part.usage),
        model=part.model,
        position=max(exchange.position, part.position),
        message_id=part.message_id,
        in_reply_to=exchange.message_id,
    )


class _AnswerStream(EventSourceResponse):
    """Streams an answer, and stops listening to it whatever becomes of the client."""

    def __init__(self, exchange: Exchange, listening: AsyncExitStack) -> None:
        headers = {POSITION_HEADER: str(exchange.position)}
        super().__init__(_told(exchange), headers=headers, sep="\n")
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        async with self._listening:
            await super().__call__(scope, receive, send)


async def _told(exchange: Exchange) -> AsyncIterator[dict[str, str]]:
    yield _line("start", {"message_id": exchange.message_id, "position": exchange.position})
    told = False
    try:
        async for part in exchange.parts():
            match part.kind:
                case "start":
                    continue  # it has been told
                case "complete":
                    if not told:  # found in the log: nothing was heard of it before
                        yield _line("content", {"text": part.text})
                    yield _line("complete", _whole(exchange, part))
                case "content":
                    told = True
                    yield _line("content", {"text": part.text})
                case "thinking" | "error":
                    yield _line(part.kind, {"text": part.text})
    except MirixError as error:
        # The status has been sent: the problem is told inside the stream.
        yield _line("error", {"type": slug(type(error)), "text": error.message})
    except Exception:
        # The status has been sent here, too: the client hears that it failed, the log hears why.
        log.exception("answer_stream_failed", message_id=exchange.message_id)
        yield _line("error", {"type": "urn:mirix:problem:internal-error", "text": "Internal error"})
    yield {"data": "[DONE]"}


def _line(event: str, data: Any) -> dict[str, str]:
    return {"data": msgspec.json.encode({"event": event, "data": data}).decode()}
