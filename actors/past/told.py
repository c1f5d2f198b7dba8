"""What a model told a fork: then, as the log has it; now, where one is given; or nothing.

A recorded generation answers again when the same agent asked for the same cause, with the same
purpose, part, attempt and prompt. So a fork of other settings costs nothing, and one of another
prompt asks only what was never asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from actors.asking import generation_id
from actors.effects import Generate
from actors.names import Agent
from events.catalogue import GenerationCompleted, GenerationFailed, Payload
from events.envelope import Envelope, Event
from events.journal import EventReader

#: Asks a model: (agent, cause, what) -> failed attempts and last the outcome, as they are recorded.
Live = Callable[[Agent, Event, Generate], Awaitable[Sequence[Payload]]]

GENERATIONS = frozenset({GenerationCompleted.__name__, GenerationFailed.__name__})


class Told:
    """Answers the generations of one fork, and counts how.

    Made on the event loop; `wait_for` is for the thread on which the fork decides.
    """

    def __init__(
        self, reader: EventReader, live: Live | None, *, reuse: bool = True, prefer: str = ""
    ) -> None:
        self._reader = reader
        self._live = live
        self._reuse = reuse
        self._prefer = prefer
        self._loop = asyncio.get_running_loop()
        #: (producer, cause) -> positions of its generations: what they said stays in the log.
        self._noted: dict[tuple[str, str], set[int]] = {}
        self.reused = self.asked = self.unasked = 0

    def note(self, position: int, envelope: Envelope) -> None:
        """Note where a generation is, if the event is one."""
        if envelope.type in GENERATIONS:
            key = (envelope.producer, envelope.causation_id)
            self._noted.setdefault(key, set()).add(position)

    def wait_for(self, agent: Agent, cause: Event, asked: Generate) -> Sequence[Payload]:
        """Return what `tell` does; not for the thread of the event loop."""
        telling = self.tell(agent, cause, asked)
        return asyncio.run_coroutine_threadsafe(telling, self._loop).result()

    async def tell(self, agent: Agent, cause: Event, asked: Generate) -> Sequence[Payload]:
        """Return the failed attempts, and last what was said or that nothing was."""
        recorded = await self._recorded(agent, cause, asked) if self._reuse else []
        if recorded:
            self.reused += 1
            return recorded
        if self._live is not None:
            self.asked += 1
            return await self._live(agent, cause, asked)
        self.unasked += 1
        nobody = GenerationFailed(
            generation_id=generation_id(agent, cause, asked),
            purpose=asked.purpose,
            provider="",
            model="",
            kind="unavailable",
            detail="no recorded generation fits, and a fork was given no model to ask",
            prompt=asked.prompt,
        )
        return [nobody]

    async def _recorded(self, agent: Agent, cause: Event, asked: Generate) -> list[Payload]:
        """Return what was told then, in the order of the log: the last is the outcome."""
        noted = self._noted.get((agent, cause.id), ())
        wanted = generation_id(agent, cause, asked)
        found: list[Payload] = []
        for event in await self._reader.at(sorted(noted)):
            match event.payload:
                case GenerationCompleted() | GenerationFailed() as told if (
                    told.generation_id == wanted
                    and told.purpose == asked.purpose
                    and told.prompt == asked.prompt
                ):
                    found.append(told)
                case _:
                    pass
        return found if found and self._is_preferred(found[-1]) else []

    def _is_preferred(self, outcome: Payload) -> bool:
        assert isinstance(outcome, GenerationCompleted | GenerationFailed), "as it was looked up"
        return self._prefer in ("", outcome.provider, outcome.model)
