"""Chat with an assistant profile: the whole answer, or as it is made (server-sent events)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated

import msgspec
from fastapi import Header, Query, Request, Response
from sse_starlette import EventSourceResponse

from actors.hearing import BEGINNING
from actors.queries import ListMessages
from events.moments import POSITION_MAX
from projections.conversations import Message
from serve.answer_stream import AnswerStream, ComingBack, coming_back
from serve.answers import ChatAnswer, MessageShown
from serve.chat import STREAM_GRACE_S, Exchange, begin, go_on, message_asked, messages_of
from serve.connected import while_connected
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
from serve.identity import Person
from serve.openapi import (
    BODY_PROBLEMS,
    MISSING,
    Responses,
    at_moment,
    gives,
    gives_list,
    problem,
    takes,
)
from serve.problems import invalid
from serve.reading import read
from serve.requests import ChatForm
from serve.routes_agents import profile_of, read_profile
from serve.routes_messages import said

router = protected_router("chat")

CHAT_EXAMPLE = {"message": "Where do I live?", "user_id": "alice", "conversation_id": "today"}
CURSOR_HEADER = "X-Next-Cursor"


@router.post(
    "/agents/{agent_id}/chat",
    response_class=Json,
    summary="Ask and wait for the answer",
    openapi_extra=takes(ChatForm, CHAT_EXAMPLE),
    responses={
        200: gives(ChatAnswer, "The answer."),
        **MISSING,
        **BODY_PROBLEMS,
        422: problem("The request has the wrong shape, or the language model refuses it (`kind`)."),
        429: problem("The budget of tokens is spent; see Retry-After."),
        503: problem("Every way to an answer failed; `kind` says how. See Retry-After."),
    },
)
async def chat(request: Request, agent_id: str) -> Response:
    """Record a message to an assistant profile and answer with what it said.

    When the client goes away, the answer is given up.
    """
    async with AsyncExitStack() as stack:
        exchange = await _begin(request, agent_id, await read_json(request, ChatForm), stack)
        part = await while_connected(request, exchange.answer())
        answer = ChatAnswer.of(part, exchange.message_id, exchange.position)
    return written(answer, answer.position)


STREAMED: Responses = {
    200: {
        "description": (
            'Server-sent events: `data: {"event": ..., "data": {...}}` with the events start, '
            "thinking, content, and at the end complete or error; then `data: [DONE]`. Each has "
            "an `id` to come back with. After `thinking` with `restart`, what was told so far "
            "does not count: the answer starts over."
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "Resumed behind the end: there is nothing left to tell."},
    **MISSING,
}
LastEventId = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        max_length=256,
        description="The last `id` that came: go on behind it, and ask nothing again.",
    ),
]


@router.post(
    "/agents/{agent_id}/stream-chat",
    response_class=EventSourceResponse,
    summary="Ask and hear the answer as it is made",
    openapi_extra=takes(ChatForm, CHAT_EXAMPLE),
    responses={**STREAMED, **BODY_PROBLEMS},
)
async def stream_chat(request: Request, agent_id: str, last_event_id: LastEventId = "") -> Response:
    """Record a message to an assistant profile and stream what it says.

    With `Last-Event-ID` nothing is recorded: the stream of that message goes on. When the client
    goes away and does not come back in 10 s, the answer is given up.
    """
    form = await read_json(request, ChatForm)
    if last_event_id:
        person = person_named(request, form.user_id)
        back = coming_back(last_event_id, "header.Last-Event-ID")
        return await _resumed(request, agent_id, person, back)
    # Recorded before the stream begins: what can go wrong so far still has its own status.
    async with AsyncExitStack() as stack:
        exchange = await _begin(request, agent_id, form, stack, grace_s=STREAM_GRACE_S)
        return AnswerStream(exchange, stack.pop_all())


@router.get(
    "/agents/{agent_id}/stream-chat/{message_id}",
    response_class=EventSourceResponse,
    summary="Hear the answer to a message again, or go on hearing it",
    responses=STREAMED,
)
async def resume_chat(
    request: Request,
    agent_id: str,
    message_id: str,
    person: AskedPerson,
    last_event_id: LastEventId = "",
) -> Response:
    """Stream the answer to a message that was asked before: all of it, or behind `Last-Event-ID`.

    An answer that is already there is told as one content and complete.
    """
    back = ComingBack(message_id, BEGINNING)
    if last_event_id:
        back = coming_back(last_event_id, "header.Last-Event-ID")
        if back.message_id != message_id:
            raise invalid("header.Last-Event-ID", "is of another message than the path names")
    return await _resumed(request, agent_id, person, back)


async def _resumed(request: Request, agent_id: str, person: Person, back: ComingBack) -> Response:
    context = context_of(request)
    message = await message_asked(context, person, back.message_id, agent_id)
    if back.place is None:
        return Response(status_code=204)
    async with AsyncExitStack() as stack:
        exchange = await go_on(
            context, person, message, stack, after=back.place, grace_s=STREAM_GRACE_S
        )
        return AnswerStream(exchange, stack.pop_all(), back.place)


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


async def _begin(
    request: Request, agent_id: str, form: ChatForm, stack: AsyncExitStack, *, grace_s: float = 0.0
) -> Exchange:
    context, caller = context_of(request), caller_of(request)
    said(context, form.message, "body.message")
    check_storable(form.context, "body.context")
    if form.context and len(msgspec.json.encode(form.context)) > context.settings.message_chars_max:
        raise invalid("body.context", f"is over {context.settings.message_chars_max} characters")
    person = person_named(request, form.user_id)
    if not await context.backend.is_assistant(person.shard, caller.tenant, agent_id):
        await profile_of(request, agent_id, shard=person.shard)  # a new one, or there is none
    received = messages_of(context, form, agent_id)
    return await begin(context, caller, person, received, stack, grace_s=grace_s)
