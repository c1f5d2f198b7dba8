"""The end of the log as it grows: several shards merged into one stream that can be resumed.

A shard's log is followed from a position, so what is behind that position comes first and what is
appended comes after, without a gap between. How far the stream has come is one text, the ids of its
events: `0-120`, and with several shards `0-120,1-98`, a position of each.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TypeAlias

from events.envelope import Event
from events.errors import Unavailable
from events.journal import Batch
from serve.backend import Backend
from serve.problems import invalid

#: Batches that wait for a slow reader; the logs are read no further meanwhile.
BATCHES_WAITING_MAX = 4

_PLACE = re.compile(r"([0-9]{1,4})-([0-9]{1,19})", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,19}", re.ASCII)

#: What a follower of a shard hands over: a batch, what ended it, or (None) that it came to an end.
_Told: TypeAlias = tuple[int, Batch | Exception | None]


class Places:
    """How many streams may be open at a time; they last, and each takes a request's place."""

    def __init__(self, free: int, what: str = "streams of events") -> None:
        self._free = free
        self._what = what

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Unavailable: there is none.
        """
        if self._free == 0:
            raise Unavailable(f"too many {self._what} are open here; try again later")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Tail:
    """Events of several shards as they come.

    `id` is the place of the event that was yielded last, `passed` the place behind which its reader
    has asked for more: what it was given up to there, it has dealt with.
    """

    def __init__(self, places: Mapping[int, int]) -> None:
        self._reached = dict(places)
        self._told: asyncio.Queue[_Told] = asyncio.Queue(BATCHES_WAITING_MAX)
        self.passed = self.id

    @property
    def id(self) -> str:
        """What `places_named` reads: the stream goes on behind here."""
        return ",".join(f"{shard}-{position}" for shard, position in sorted(self._reached.items()))

    async def events(self, timeout_s: float) -> AsyncGenerator[Event, None]:
        """Yield events until the time is up.

        Raises:
            Unavailable: a log cannot be followed any further.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while loop.time() < deadline_s:
            try:
                # Around one batch, not around the loop: nothing may be yielded inside a timeout.
                async with asyncio.timeout_at(deadline_s):
                    shard, told = await self._told.get()
            except TimeoutError:
                return
            match told:
                case Batch(events=events, through=through):
                    for event in events:
                        self._reached[shard] = event.position
                        yield event
                        self.passed = self.id
                    self._reached[shard] = through
                    self.passed = self.id
                case Exception() as error:
                    raise error
                case None:
                    raise Unavailable(f"the log of shard {shard} is closed; try again")

    async def follow(self, backend: Backend, shard: int) -> None:
        """Hand over what comes in a shard, until cancelled."""
        try:
            async with aclosing(backend.follow(shard, after=self._reached[shard])) as batches:
                async for batch in batches:
                    await self._told.put((shard, batch))
            await self._told.put((shard, None))
        # Not swallowed: whatever it is, who reads the events raises it.
        except Exception as error:
            await self._told.put((shard, error))


@asynccontextmanager
async def tailing(backend: Backend, places: Mapping[int, int]) -> AsyncIterator[Tail]:
    """Follow shards, each from its place, while the context lasts."""
    tail = Tail(places)
    tasks = [asyncio.create_task(tail.follow(backend, shard)) for shard in places]
    try:
        yield tail
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def places_named(
    backend: Backend, shards: Sequence[int], text: str, where: str
) -> dict[int, int]:
    """Return where to go on in each of `shards`: behind what `text` names, empty: the end.

    Raises:
        Invalid: `text` is not of the form, names another shard or leaves one out, or a position
            that is beyond the end of its log.
    """
    ends = {shard: await backend.last_position(shard) for shard in shards}
    if not text:
        return ends
    example = ",".join(f"{shard}-{end}" for shard, end in ends.items())
    if len(shards) == 1 and _POSITION.fullmatch(text):
        text = f"{shards[0]}-{text}"
    found = [_PLACE.fullmatch(part) for part in text.split(",")]
    places = {int(one[1]): int(one[2]) for one in found if one is not None}
    if None in found or len(found) != len(shards) or set(places) != set(shards):
        raise invalid(where, f"is not a place in this stream; it is at {example} now")
    for shard, position in places.items():
        if position > ends[shard]:
            beyond = f"position {position} is beyond the end of the log, {ends[shard]}"
            raise invalid(where, beyond)
    return places
