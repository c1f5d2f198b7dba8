"""One WebSocket: who it is, what it asks for, and what it is told.

Frames are read one after another; what is told waits in the member's queue, and a task of its own
sends it. The key is looked up again for every frame, in and out: out of use, it ends all.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Any, NamedTuple, assert_never

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.hearing import Place
from actors.queries import GetAssistant
from events.catalogue import AssistantProfile
from events.errors import CommandRejected, MirixError, NotFound, Unauthenticated
from events.ids import random_id
from projections.conversations import Message
from serve.answer_stream import SEND_TIMEOUT_S, coming_back, telling
from serve.chat import STREAM_GRACE_S, go_on, message_asked, messages_of
from serve.context import Caller, GatewayContext
from serve.edge import check_no_nul
from serve.identity import DEFAULT_CONVERSATION
from serve.problems import Malformed, invalid
from serve.requests import ChatForm
from serve.rooms import TRY_AGAIN, Member, Room, Rooms, room_id
from serve.routes_messages import said
from serve.tail import Places
from serve.ws_frames import (
    Auth,
    Cancel,
    Join,
    Leave,
    Ping,
    Resume,
    Said,
    Send,
    decode_frame,
    event_frame,
    frame,
    problem_frame,
    ref_of,
)

log = structlog.get_logger(__name__)

#: Close codes (RFC 6455, 7.4.1), and one of our own for a key.
GOING, NO_TEXT, TOO_LARGE, BROKEN, NO_KEY = 1000, 1003, 1009, 1011, 4401
#: A client that cannot set headers has so long to show its key.
AUTH_TIMEOUT_S = 10.0


class TooMany(CommandRejected):
    """The connection already has as much of it as it may have."""

    status = 429
    title = "Too many"


class _Ended(Exception):
    """The connection ends: (close code, reason)."""


class SocketPlaces(NamedTuple):
    """The places of a replica: of those that it knows, and of those that it waits to know.

    Whoever has no key cannot keep out those who have one.
    """

    known: Places
    strangers: Places


class Connection:
    """An accepted WebSocket."""

    def __init__(
        self, socket: WebSocket, context: GatewayContext, rooms: Rooms, places: SocketPlaces
    ) -> None:
        self._socket = socket
        self._context = context
        self._rooms = rooms
        self._places = places
        self._member = Member()
        self._entered: dict[str, Room] = {}
        #: Answers that it waits for; those that it is told by itself end with it.
        self._answers = set[asyncio.Task[None]]()
        self._own = set[asyncio.Task[None]]()
        self._key = ""

    async def run(self) -> None:
        """Serve the connection to its end, and leave all rooms."""
        with ExitStack() as held:
            await self._run(held)

    async def _run(self, held: ExitStack) -> None:
        code, reason = GOING, ""
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S):
                await self._introduce(held)
            code, reason = await self._serve()
        except _Ended as ended:
            code, reason = ended.args
        except TimeoutError:
            code, reason = NO_KEY, "no key came in time"
        except MirixError as error:
            code, reason = TRY_AGAIN, error.message
        except WebSocketDisconnect:
            pass  # there is nobody to close it for, and the rest is the same
        finally:
            for task in self._own:
                task.cancel()
            for room in self._entered.values():
                await self._rooms.leave(self._member, room)
            await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                # A frame that closes has room for 123 bytes of a reason.
                await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            return  # it is closed already, or its other end takes nothing any more

    async def _introduce(self, held: ExitStack) -> None:
        """Find out who it is, by a header, else by the first frame; `held` is its place then.

        Raises:
            Unavailable: there is no place for it.
        """
        headers = self._socket.headers
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        bearer = credentials.strip() if scheme.lower() == "bearer" else ""
        self._key = headers.get("x-api-key", "") or bearer
        ref, first = "", None
        waiting = held.enter_context(ExitStack())
        if not self._key:
            waiting.enter_context(self._places.strangers.place())
            try:
                first = _asked(await self._next())
            except CommandRejected as error:
                log.debug("websocket_stranger", error=error.message)
            if not isinstance(first, Auth):
                raise _Ended(NO_KEY, "send a key first: a header, or a frame of type auth")
            self._key, ref = first.api_key, first.ref
        await self._known()
        held.enter_context(self._places.known.place())
        waiting.close()
        await self._socket.send_text(frame("ready", ref).decode())

    async def _known(self) -> Caller:
        """Return who it is, as long as the key is in use."""
        try:
            key_id, tenant = await self._context.service_keys.authenticate(self._key)
        except Unauthenticated as error:
            raise _Ended(NO_KEY, error.message) from error
        correlation = self._context.identities.correlation(random_id("req"))
        return Caller(key_id=key_id, tenant=tenant, correlation_id=correlation)

    async def _serve(self) -> tuple[int, str]:
        """Read and write until one of them ends; return the close code and reason."""
        works = [asyncio.create_task(work) for work in (self._read(), self._write())]
        ending: list[asyncio.Future[Any]] = [*works, self._member.must_go]
        await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        for work in works:
            work.cancel()
        ends = await asyncio.gather(*works, return_exceptions=True)
        if self._member.must_go.done():
            return self._member.must_go.result()
        for end in ends:
            if isinstance(end, _Ended | WebSocketDisconnect):
                raise end
            if isinstance(end, Exception):
                log.error("websocket_failed", exc_info=end)
                return BROKEN, "internal error"
        return GOING, ""

    async def _write(self) -> None:
        while True:
            told = await self._member.waiting.get()
            await self._known()
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send_text(told.decode())
            except TimeoutError as error:
                raise _Ended(GOING, "nothing was taken for too long") from error

    async def _read(self) -> None:
        while True:
            text = await self._next()
            try:
                await self._do(_asked(text))
            except MirixError as error:
                self._member.tell(problem_frame(error, ref_of(text)))

    async def _next(self) -> str:
        """Return the text of the next frame."""
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", GOING))
        text: str | None = received.get("text")
        if text is None:
            raise _Ended(NO_TEXT, "frames are text, one JSON object each")
        if len(text) > self._context.settings.body_bytes_max:
            raise _Ended(TOO_LARGE, f"over {self._context.settings.body_bytes_max} characters")
        return text

    async def _do(self, asked: Said) -> None:
        caller = await self._known()
        match asked:
            case Ping():
                self._member.tell(frame("pong", asked.ref))
            case Auth():
                raise CommandRejected("this connection has shown its key already")
            case Join():
                await self._join(caller, asked)
            case Leave():
                room = self._room(asked.room)
                del self._entered[room.id]
                await self._rooms.leave(self._member, room)
                self._member.tell(frame("left", asked.ref, room=room.id))
            case Send():
                await self._send(caller, asked)
            case Cancel():
                room = self._room(asked.room)
                message = await message_asked(
                    self._context, room.person, asked.message_id, room.assistant
                )
                await self._context.backend.unheard(room.person.shard, message.id, 0.0)
                self._member.tell(frame("cancelling", asked.ref, message_id=message.id))
            case Resume():
                await self._resume(asked)
            case _:
                assert_never(asked)

    async def _join(self, caller: Caller, asked: Join) -> None:
        context = self._context
        person = context.identities.person(caller.tenant, asked.user_id)
        profile: AssistantProfile = await context.backend.ask(
            person.shard,
            "chat",
            GetAssistant(tenant=caller.tenant, assistant_id=asked.agent_id),
            timeout_s=context.settings.read_timeout_s,
        )
        conversation = asked.conversation_id or DEFAULT_CONVERSATION
        rooms_max = context.settings.ws_rooms_max
        is_new = room_id(person, profile.id, conversation) not in self._entered
        if is_new and len(self._entered) >= rooms_max:
            raise TooMany(f"in {rooms_max} rooms already; leave one first")
        room, position = await self._rooms.join(self._member, person, profile.id, conversation)
        self._entered[room.id] = room
        names = {"agent_id": profile.id, "conversation_id": conversation}
        self._member.tell(frame("joined", asked.ref, room=room.id, position=position, **names))

    async def _send(self, caller: Caller, asked: Send) -> None:
        room = self._room(asked.room)
        said(self._context, asked.message, "message")
        self._check_answers()
        form = ChatForm(
            message=asked.message,
            conversation_id=room.conversation,
            model=asked.model,
            temperature=asked.temperature,
            max_tokens=asked.max_tokens,
            stop=asked.stop,
        )
        received = messages_of(self._context, form, room.assistant, model_where="model")
        exchange, telling_it = await room.say(caller, received)
        self._count(telling_it)
        sent = {"message_id": exchange.message_id, "position": exchange.position}
        self._member.tell(frame("sent", asked.ref, room=room.id, **sent))

    async def _resume(self, asked: Resume) -> None:
        room = self._room(asked.room)
        self._check_answers()
        back = coming_back(asked.last_event_id, "last_event_id")
        message = await message_asked(self._context, room.person, back.message_id, room.assistant)
        if back.place is None or message.id in self._member.resuming:
            raise invalid("last_event_id", "there is nothing left to tell, or it is being told")
        self._member.resuming.add(message.id)
        self._member.tell(frame("resuming", asked.ref, room=room.id, message_id=message.id))
        task = asyncio.create_task(self._tell_rest(room, message, back.place))
        self._own.add(task)
        task.add_done_callback(self._own.discard)
        self._count(task)

    async def _tell_rest(self, room: Room, message: Message, place: Place) -> None:
        try:
            async with AsyncExitStack() as stack:
                exchange = await go_on(
                    self._context,
                    room.person,
                    message,
                    stack,
                    after=place,
                    grace_s=STREAM_GRACE_S,
                )
                async for told in telling(exchange, place):
                    self._member.tell(event_frame(room.id, told))
        except MirixError as error:
            self._member.tell(problem_frame(error))
        finally:
            self._member.resuming.discard(message.id)

    def _room(self, named: str) -> Room:
        room = self._entered.get(named)
        if room is None:
            raise NotFound(f"not in a room {named[:100]!r}; join it first")
        return room

    def _check_answers(self) -> None:
        if len(self._answers) >= self._context.settings.ws_answers_max:
            raise TooMany(f"{len(self._answers)} answers are on their way; wait for one of them")

    def _count(self, answer: asyncio.Task[None]) -> None:
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)


def _asked(text: str) -> Said:
    """Return what the text of a frame asks for.

    Raises:
        Malformed: it is not JSON, or none of ours.
        Invalid: a text in it holds U+0000.
    """
    try:
        asked: Said = decode_frame(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise Malformed(f"this is no frame: {error}") from error
    if "\\u0000" in text:
        check_no_nul(msgspec.to_builtins(asked), "")
    return asked
