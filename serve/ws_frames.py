"""What is said over a WebSocket: one JSON object a message, its `type` first of all.

Frames of a client may carry a `ref`; it comes back on what answers them.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from events.errors import MirixError
from events.said import MessageReceived
from serve.answer_stream import Told
from serve.no_answer import NoAnswer
from serve.problems import Invalid, slug
from serve.requests import ClientId, StopText, UserId

Ref = Annotated[str, Meta(max_length=128)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]


class Frame(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    """Base of what clients send; subclasses repeat `kw_only=True`."""

    ref: Ref = ""


class Auth(Frame, frozen=True, kw_only=True, tag="auth"):
    """The first frame of a client that cannot set headers."""

    api_key: str


class Join(Frame, frozen=True, kw_only=True, tag="join"):
    """Enter the room of a person's conversation with an assistant profile."""

    agent_id: Short
    user_id: UserId | None = None
    conversation_id: ClientId | None = None


class Leave(Frame, frozen=True, kw_only=True, tag="leave"):
    """Leave a room."""

    room: Short


class Send(Frame, frozen=True, kw_only=True, tag="send"):
    """Say something in a room; the answer comes to all who are in it."""

    room: Short
    message: str
    model: Short | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    stop: Annotated[tuple[StopText, ...], Meta(max_length=4)] = ()


class Cancel(Frame, frozen=True, kw_only=True, tag="cancel"):
    """Give up the answer to a message of a room."""

    room: Short
    message_id: Short


class Resume(Frame, frozen=True, kw_only=True, tag="resume"):
    """Hear the rest of an answer, behind the last `id` that came."""

    room: Short
    last_event_id: Short


class Ping(Frame, frozen=True, kw_only=True, tag="ping"):
    """Ask for a `pong`."""


Said = Auth | Join | Leave | Send | Cancel | Resume | Ping
decode_frame = msgspec.json.Decoder(Said).decode


class _Referring(msgspec.Struct):
    """What can be read of a frame that is none of ours."""

    ref: Ref = ""


_decode_ref = msgspec.json.Decoder(_Referring).decode


def ref_of(text: str) -> str:
    """Return the `ref` of a frame, whatever else is in it; empty where it cannot be read."""
    try:
        return _decode_ref(text).ref
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return ""


def frame(type_: str, ref: str = "", **fields: Any) -> bytes:
    """Return a frame to a client."""
    return msgspec.json.encode({"type": type_, **({"ref": ref} if ref else {}), **fields})


def problem_frame(error: MirixError, ref: str = "") -> bytes:
    """Return the frame that tells of an error, with the fields of a problem."""
    fields: dict[str, Any] = {
        "problem": slug(type(error)),
        "title": error.title,
        "status": error.status,
        "detail": error.message,
    }
    if isinstance(error, Invalid):
        fields["errors"] = error.faults
    if isinstance(error, NoAnswer):
        fields["kind"] = error.kind
    return frame("error", ref, **fields)


def event_frame(room: str, told: Told) -> bytes:
    """Return the frame of an event of an answer: the same five as in a stream."""
    return frame("event", room=room, id=told.id, event=told.event, data=told.data)


def message_frame(room: str, said: MessageReceived, position: int) -> bytes:
    """Return the frame of a message that somebody said in a room."""
    data = {
        "id": said.message_id,
        "conversation_id": said.conversation,
        "role": said.role,
        "name": said.name,
        "content": said.content,
        "created_at": said.said_at,
        "external_id": said.external_id,
        "agent_id": said.assistant,
        "position": position,
    }
    return frame("message", room=room, data=data)
