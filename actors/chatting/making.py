"""One answer in the making: its text so far, those who listen, and who may give it up.

What is told goes through a queue of its own, so that the model is never read slower than it speaks:
the first piece goes out at once, pieces that come while one is on its way go out together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import structlog

from actors.models.port import GenerationRequest
from actors.models.tokens import estimated_usage
from actors.progress import AnswerPart, answers_subject, encode_signal
from events.catalogue import AnswerGiven, GenerationFailed, Payload, Usage
from events.errors import Unavailable
from events.signals import Signals

log = structlog.get_logger(__name__)


class Asked(NamedTuple):
    """A request to a model, since when it is asked, on the loop's clock, and the text before it."""

    request: GenerationRequest
    prompt_hash: str
    since_s: float
    before: str = ""


class Making:
    """The answer to one message while it is made; for one event loop."""

    def __init__(
        self, signals: Signals, shard: int, user: str, message_id: str, *, round: int = 0
    ) -> None:
        self.user = user
        self.text = ""
        self.round = round
        #: Generations so far, as they will be recorded.
        self.payloads: list[Payload] = []
        #: The generation in flight.
        self.asked: Asked | None = None
        self.is_given_up = False
        self._signals = signals
        self._subject = answers_subject(shard, message_id)
        self._waiting: deque[AnswerPart] = deque()
        self._news = asyncio.Event()
        self._work: asyncio.Task[AnswerGiven] | None = None
        self._grace: asyncio.TimerHandle | None = None

    # --- what is told ----------------------------------------------------------------------------

    def say(self, part: AnswerPart) -> None:
        """Tell the listeners something that is no piece of the text."""
        self._waiting.append(part)
        self._news.set()

    def add(self, piece: str) -> None:
        """Tell a piece of the text."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.kind == "content":
            self._waiting[-1] = msgspec.structs.replace(last, text=last.text + piece)
        elif piece:
            offset = len(self.text)
            self.say(AnswerPart(kind="content", text=piece, offset=offset, round=self.round))
        self.text += piece

    def start_over(self, text: str) -> None:
        """Begin another round: what was told of the text does not count, but for `text`."""
        self.round += 1
        self.text = ""
        self.say(AnswerPart(kind="thinking", text="starting over", round=self.round))
        self.add(text)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell while the context lasts; all is told when it ends."""
        teller = asyncio.create_task(self._tell_on())
        try:
            yield
        finally:
            self._waiting.append(_END)
            self._news.set()
            await teller

    async def _tell_on(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                part = self._waiting.popleft()
                if part is _END:
                    return
                await self.tell(part)

    async def tell(self, part: AnswerPart) -> None:
        """Send one part now."""
        try:
            await self._signals.publish(self._subject, encode_signal(part))
        except Unavailable as error:
            # Who listens asks the log after a silence; the answer itself is what must not be lost.
            log.debug("answer_part_not_told", error=error.message)

    # --- what is recorded ------------------------------------------------------------------------

    def record(self, failures: Sequence[GenerationFailed], prompt: str, prompt_hash: str) -> None:
        """Add attempts that failed, with what they were asked."""
        self.payloads += [
            msgspec.structs.replace(one, prompt=prompt, prompt_hash=prompt_hash) for one in failures
        ]

    def used(self) -> Usage:
        """Return about what the generation in flight has used: given up, it is paid for as well."""
        if self.asked is None:
            return Usage()
        return estimated_usage(self.asked.request, self.text[len(self.asked.before) :])

    # --- who listens -----------------------------------------------------------------------------

    def works(self, work: asyncio.Task[AnswerGiven]) -> None:
        """Name the work that ends when the answer is given up."""
        self._work = work

    def stay(self) -> None:
        """Go on: somebody listens."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def give_up_at(self, moment_s: float) -> None:
        """Give the answer up at a moment of the loop's clock, unless somebody listens again."""
        self.stay()
        self._grace = asyncio.get_running_loop().call_at(moment_s, self._give_up)

    def _give_up(self) -> None:
        if self._work is not None and not self._work.done():
            self.is_given_up = True
            self._work.cancel()


#: Put behind the last part that is told.
_END = AnswerPart(kind="complete")
