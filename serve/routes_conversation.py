"""What was said by a person and to them, whichever assistant profile it was said to, or none."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from actors.queries import ListMessages
from events.moments import POSITION_MAX
from projections.conversations import Message
from serve.answers import MessageShown
from serve.context import context_of
from serve.edge import AskedPerson, Json, Limit, ReadAt, protected_router
from serve.openapi import at_moment, gives_list
from serve.reading import read
from serve.routes_chat import CURSOR_HEADER

router = protected_router("messages")

_NEXT = {
    "description": "Pass it as `cursor` for the next page; absent on the last.",
    "schema": {"type": "string"},
}


@router.get(
    "/messages",
    response_class=Json,
    summary="List what was said",
    responses={
        200: at_moment(
            {**gives_list(MessageShown, "Oldest first."), "headers": {CURSOR_HEADER: _NEXT}}
        )
    },
)
async def list_messages(
    request: Request,
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
    """List the messages of a user and the answers to them, in the order of the log."""
    query = ListMessages(
        user=person.id, conversation=conversation_id, limit=limit, after_position=cursor
    )
    found = await read(context_of(request), person.shard, "chat", query, when)
    views: tuple[Message, ...] = found.answer
    answer = Json([MessageShown.of(view) for view in views], headers=found.headers)
    if len(views) == limit:
        answer.headers[CURSOR_HEADER] = str(views[-1].position)
    return answer
