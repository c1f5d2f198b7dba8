"""Rooms: a conversation of a person with an assistant, and whoever listens to it here.

What is said in a room is in the log, whichever way and in whichever replica it was said; so each
replica follows the log for the rooms that have members in it, and listens to the answers. A member
has a bounded queue of its own: one that is slow loses its place and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

import structlog

from actors.hearing import BEGINNING
from events.catalogue import MessageReceived
from events.envelope import Event
from events.errors import Unavailable
from events.ids import derived_id
from serve.answer_stream import telling
from serve.chat import STREAM_GRACE_S, Exchange, begin
from serve.context import Caller, GatewayContext
from serve.identity import Person
from serve.ws_frames import event_frame, message_frame

log = structlog.get_logger(__name__)

#: Frames that a member may have waiting; one with more is too slow.
WAITING_MAX = 1_024
#: Messages of late whose answers a room has begun to tell.
TOLD_MAX = 256
#: Close codes (RFC 6455, 7.4.1): come back; too slow, come back later.
RESTART, TRY_AGAIN = 1012, 1013

_KINDS = frozenset({MessageReceived.__name__})


class Member:
    """One connection, as rooms see it."""

    def __init__(self) -> None:
        self.waiting = asyncio.Queue[bytes](WAITING_MAX)
        #: Messages whose answers it is told by itself, from where it was.
        self.resuming = set[str]()
        #: The close code and reason, once it must go.
        self.must_go: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def tell(self, frame: bytes) -> None:
        """Put a frame into the member's queue, or let it go when that is full."""
        try:
            self.waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.go(TRY_AGAIN, "too slow: come back and resume")

    def go(self, code: int, reason: str) -> None:
        """Let the connection end."""
        if not self.must_go.done():
            self.must_go.set_result((code, reason))


def room_id(person: Person, assistant: str, conversation: str) -> str:
    """Return the id of the room of a person's conversation with an assistant."""
    return derived_id("room", person.id, assistant, conversation)


class Room:
    """A conversation of a person with an assistant, with the members it has here."""

    def __init__(
        self, context: GatewayContext, person: Person, assistant: str, conversation: str
    ) -> None:
        self.id = room_id(person, assistant, conversation)
        self.person = person
        self.assistant = assistant
        self.conversation = conversation
        self.members = set[Member]()
        self._context = context
        self._told: OrderedDict[str, None] = OrderedDict()
        self._tasks = set[asyncio.Task[None]]()

    def tell(self, frame: bytes) -> None:
        """Tell all members."""
        for member in tuple(self.members):
            member.tell(frame)

    async def say(
        self, caller: Caller, received: Sequence[MessageReceived]
    ) -> tuple[Exchange, asyncio.Task[None]]:
        """Record a message and tell its answer to all members; return the task that tells it."""
        self._begin_to_tell(received[-1].message_id)
        async with AsyncExitStack() as stack:
            exchange = await begin(
                self._context, caller, self.person, received, stack, grace_s=STREAM_GRACE_S
            )
            listening = stack.pop_all()
        return exchange, self._task(self._answer(exchange, listening))

    def hear(self, event: Event, message: MessageReceived) -> None:
        """Tell a message of the log to the members, and the answer to it."""
        if message.assistant not in ("", self.assistant):
            return
        self.tell(message_frame(self.id, message, event.position))
        if message.answer_wanted and self._begin_to_tell(message.message_id):
            self._task(self._listen(message.message_id, event.position))

    async def close(self) -> None:
        """Stop telling; answers that nobody else listens to will be given up."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_to_tell(self, message_id: str) -> bool:
        if message_id in self._told:
            return False
        self._told[message_id] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
        return True

    async def _listen(self, message_id: str, position: int) -> None:
        """Tell the answer to a message that was said elsewhere, from its beginning."""
        exchange = Exchange(self._context, self.person, message_id)
        exchange.position = position
        stack = AsyncExitStack()
        try:
            await exchange.listen(stack, grace_s=STREAM_GRACE_S, after=BEGINNING)
        except Unavailable as error:
            log.warning("room_deaf", room=self.id, error=error.message)
            return
        await self._answer(exchange, stack)

    async def _answer(self, exchange: Exchange, listening: AsyncExitStack) -> None:
        async with listening:
            async for told in telling(exchange):
                frame = event_frame(self.id, told)
                for member in tuple(self.members):
                    if exchange.message_id not in member.resuming:
                        member.tell(frame)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class Rooms:
    """The rooms that have members in this replica."""

    def __init__(self, context: GatewayContext) -> None:
        self._context = context
        self._rooms: dict[str, Room] = {}
        self._followers: dict[int, asyncio.Task[None]] = {}
        self._entering = asyncio.Lock()

    async def join(
        self, member: Member, person: Person, assistant: str, conversation: str
    ) -> tuple[Room, int]:
        """Enter a room; return it with a position behind which the member misses nothing.

        Raises:
            Unavailable: the log cannot be read.
        """
        async with self._entering:
            # Read before the room is entered: what is appended from here on is heard.
            position = await self._context.backend.last_position(person.shard)
            room = Room(self._context, person, assistant, conversation)
            room = self._rooms.setdefault(room.id, room)
            room.members.add(member)
            if person.shard not in self._followers:
                follower = asyncio.create_task(self._follow(person.shard, position))
                self._followers[person.shard] = follower
        return room, position

    async def leave(self, member: Member, room: Room) -> None:
        """Leave a room; the last to leave closes it here."""
        room.members.discard(member)
        if room.members or self._rooms.get(room.id) is not room:
            return
        del self._rooms[room.id]
        await room.close()
        shard = room.person.shard
        if not any(one.person.shard == shard for one in self._rooms.values()):
            follower = self._followers.pop(shard, None)
            if follower is not None:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)

    async def _follow(self, shard: int, after: int) -> None:
        try:
            following = self._context.backend.follow(shard, after=after, kinds=_KINDS)
            async with aclosing(following) as batches:
                async for batch in batches:
                    for event in batch.events:
                        self._hear(event)
        # Not swallowed: whoever is in a room of this shard is told to come back.
        except Exception:
            log.exception("rooms_deaf", shard=shard)
        self._followers.pop(shard, None)
        for room in [one for one in self._rooms.values() if one.person.shard == shard]:
            for member in tuple(room.members):
                member.go(RESTART, "the log cannot be followed: come back and resume")

    def _hear(self, event: Event) -> None:
        message = event.payload
        if isinstance(message, MessageReceived):
            for room in tuple(self._rooms.values()):
                if room.person.id == event.user and room.conversation == message.conversation:
                    room.hear(event, message)
