"""Messages and documents in: one request, one atomic batch, one position."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response

from actors.extraction import find_secrets
from actors.queries import KnownMessages
from events.catalogue import DocumentReceived, MessageReceived
from events.ids import derived_id, random_id
from serve.answers import DocumentAccepted, MessagesAccepted
from serve.context import GatewayContext, caller_of, context_of, new_event
from serve.edge import moment, person_named, protected_router, read_json, written
from serve.identity import DEFAULT_CONVERSATION, Person
from serve.openapi import BODY_PROBLEMS, gives, takes
from serve.problems import invalid
from serve.requests import DocumentForm, MessageForm, MessagesForm

router = protected_router("messages")

Wait = Annotated[bool, Query(description="Answer only when every agent has handled it.")]

MESSAGES_EXAMPLE = {
    "user_id": "alice",
    "conversation_id": "2026-01-07",
    "messages": [
        {
            "role": "user",
            "name": "Alice",
            "content": "Yesterday I moved to Lisbon.",
            "created_at": "2026-01-07T09:30:00Z",
            "external_id": "m-1",
        }
    ],
}
DOCUMENT_EXAMPLE = {
    "user_id": "alice",
    "title": "Router handbook",
    "text": "Hold the reset button for ten seconds.",
    "media_type": "text/plain",
}


@router.post(
    "/messages",
    status_code=202,
    response_class=Response,
    summary="Hand in messages",
    openapi_extra=takes(MessagesForm, MESSAGES_EXAMPLE),
    responses={
        200: gives(MessagesAccepted, "With `wait=true`: every agent has handled them."),
        202: gives(MessagesAccepted, "They are in the log; the agents will handle them."),
        **BODY_PROBLEMS,
    },
)
async def add_messages(request: Request, wait: Wait = False) -> Response:
    """Record up to 500 messages of one conversation, all or none.

    Sending a message again with the same `external_id` changes nothing and answers the same ids.
    """
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, MessagesForm)
    if len(form.messages) > context.settings.messages_max:
        raise invalid("body.messages", f"at most {context.settings.messages_max} in one request")
    person = person_named(request, form.user_id)
    conversation_id = form.conversation_id or DEFAULT_CONVERSATION
    conversation = context.identities.conversation(person.id, conversation_id)
    ids = _message_ids(context, person, conversation, form.messages)
    # Only what has an id of the client's can be there already.
    has_own_ids = any(message.external_id for message in form.messages)
    known = await _known(context, person, ids) if has_own_ids else {}
    # A message that came twice in one request is one message.
    distinct = dict(zip(ids, enumerate(form.messages), strict=True))
    events = [
        new_event(
            caller,
            person,
            _received(context, message_id, conversation_id, message, f"body.messages[{index}]"),
            entity=conversation,
            event_id=derived_id("evt", "MessageReceived", message_id),
        )
        for message_id, (index, message) in distinct.items()
        if message_id not in known
    ]
    # Those that came moments ago the log recognises by itself, and answers where they are.
    end = await context.backend.last_position(person.shard) if has_own_ids else 0
    positions = await context.record_each(caller, person, events) if events else ()
    places = (*positions, *known.values())
    position = max(places)
    if wait:
        await context.handled(person, position, first=min(places))
    new = sum(at > end for at in positions)
    accepted = MessagesAccepted(position=position, message_ids=ids, new=new)
    return written(accepted, position, 200 if wait else 202)


async def _known(context: GatewayContext, person: Person, ids: tuple[str, ...]) -> dict[str, int]:
    """Return which messages were handed in before, however long ago, and where they are.

    Recorded a second time they would be new causes: what was corrected or deleted since would
    come back.
    """
    found: dict[str, int] = await context.backend.ask(
        person.shard,
        "chat",
        KnownMessages(user=person.id, message_ids=ids),
        timeout_s=context.settings.read_timeout_s,
    )
    return found


def _message_ids(
    context: GatewayContext,
    person: Person,
    conversation: str,
    messages: tuple[MessageForm, ...],
) -> tuple[str, ...]:
    first: dict[str, MessageForm] = {}
    ids = []
    for index, message in enumerate(messages):
        message_id = context.identities.message(person.id, conversation, message.external_id or "")
        if first.setdefault(message_id, message) != message:
            raise invalid(
                f"body.messages[{index}].external_id",
                f"{message.external_id!r} names two different messages in this request",
            )
        ids.append(message_id)
    return tuple(ids)


def _received(
    context: GatewayContext, message_id: str, conversation_id: str, form: MessageForm, where: str
) -> MessageReceived:
    return MessageReceived(
        message_id=message_id,
        conversation=conversation_id,
        role=form.role,
        name=form.name or "",
        content=said(context, form.content, f"{where}.content"),
        said_at=told_at(context, form.created_at, f"{where}.created_at"),
        external_id=form.external_id or "",
        tags=form.tags,
        secret_spans=find_secrets(form.content),
    )


def said(context: GatewayContext, text: str, where: str) -> str:
    """Return what was said.

    Raises:
        Invalid: it is blank, or longer than the limit.
    """
    if not text.strip():
        raise invalid(where, "is empty")
    chars_max = context.settings.message_chars_max
    if len(text) > chars_max:
        raise invalid(where, f"has {len(text)} characters; the limit is {chars_max}")
    return text


def told_at(context: GatewayContext, text: str | None, where: str) -> datetime:
    """Return when something was said: as told, or now."""
    return context.clock() if text is None else moment(text, where)


@router.post(
    "/documents",
    status_code=202,
    response_class=Response,
    summary="Hand in a document",
    openapi_extra=takes(DocumentForm, DOCUMENT_EXAMPLE),
    responses={
        200: gives(DocumentAccepted, "With `wait=true`: every agent has handled it."),
        202: gives(DocumentAccepted, "It is in the log; the agents will handle it."),
        **BODY_PROBLEMS,
    },
)
async def add_document(request: Request, wait: Wait = False) -> Response:
    """Record a document as text."""
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, DocumentForm)
    if not form.text.strip():
        raise invalid("body.text", "is empty")
    chars_max = context.settings.document_chars_max
    if len(form.text) > chars_max:
        raise invalid("body.text", f"has {len(form.text)} characters; the limit is {chars_max}")
    person = person_named(request, form.user_id)
    document = DocumentReceived(
        document_id=random_id("doc"),
        title=form.title,
        text=form.text,
        media_type=form.media_type,
        uri=form.uri,
        said_at=told_at(context, form.created_at, "body.created_at"),
        tags=form.tags,
    )
    event = new_event(caller, person, document, entity=document.document_id)
    position = await context.record(caller, person, [event])
    if wait:
        await context.handled(person, position)
    accepted = DocumentAccepted(position=position, document_id=document.document_id)
    return written(accepted, position, 200 if wait else 202)
