"""An answer as server-sent events: the seeds' five, each with the place to come back to.

The id of an event is `<message id>:<round>:<characters told by then>`. Whoever comes back with it
gets the rest; after the closing `[DONE]` the id says `<message id>:end`, and there is nothing left.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import msgspec
import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from actors.hearing import BEGINNING, Place
from events.errors import MirixError
from serve.answers import ChatAnswer
from serve.chat import Exchange
from serve.no_answer import NoAnswer
from serve.problems import POSITION_HEADER, invalid, slug

log = structlog.get_logger(__name__)

#: An empty line to the client this often, so that nothing between takes the connection for dead.
HEARTBEAT_S = 15
#: A client that takes nothing for so long is gone.
SEND_TIMEOUT_S = 30

_ID = re.compile(
    r"(?P<message>[A-Za-z0-9_-]{1,128}):(?:(?P<round>\d{1,9}):(?P<offset>\d{1,9})|end)", re.ASCII
)


#: No answer is made in so many rounds. Who comes back with more made the id up: they are told all
#: of it, from the beginning, and with ids that they can come back with.
ROUND_MAX = 1_000_000


class Told(NamedTuple):
    """One thing to tell of an answer: of the seeds' five kinds; come back with its `id`."""

    event: str
    data: dict[str, Any] | ChatAnswer
    id: str


class ComingBack(NamedTuple):
    """Where a client goes on; `place` is None when it has been told everything."""

    message_id: str
    place: Place | None


def coming_back(text: str, where: str) -> ComingBack:
    """Return where the id of an event says to go on.

    Raises:
        Invalid: it is no such id.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise invalid(where, "is no id of such a stream; send the last one that came")
    if found["round"] is None:
        return ComingBack(found["message"], None)
    place = Place(round=int(found["round"]), offset=int(found["offset"]))
    return ComingBack(found["message"], BEGINNING if place.round > ROUND_MAX else place)


async def telling(exchange: Exchange, after: Place = BEGINNING) -> AsyncIterator[Told]:
    """Yield what there is to tell of an answer, to its end or to what went wrong."""
    at, place = exchange.message_id, after

    def id_of(place: Place) -> str:
        return f"{at}:{place.round}:{place.offset}"

    yield Told("start", {"message_id": at, "position": exchange.position}, id_of(place))
    try:
        async for part in exchange.parts():
            restart = part.kind == "thinking" and not part.offset and place.offset > 0
            place = Place(round=part.round, offset=part.offset)
            match part.kind:
                case "start":
                    continue  # it has been told
                case "complete":
                    yield Told("complete", ChatAnswer.of(part, at, exchange.position), id_of(place))
                case "content":
                    place = Place(round=part.round, offset=part.offset + len(part.text))
                    data = {"text": part.text, "offset": part.offset, "round": part.round}
                    yield Told("content", data, id_of(place))
                case "thinking":
                    thought = {"text": part.text, **({"restart": True} if restart else {})}
                    yield Told("thinking", thought, id_of(place))
                case "error":
                    yield Told("error", _problem(exchange.no_answer(part)), id_of(place))
    except MirixError as error:
        # The status has been sent: the problem is told inside the stream.
        yield Told("error", _problem(error), id_of(place))
    except Exception:
        # The status has been sent here, too: the client hears that it failed, the log hears why.
        log.exception("answer_stream_failed", message_id=at)
        unforeseen = {"type": "urn:mirix:problem:internal-error", "text": "Internal error"}
        yield Told("error", unforeseen, id_of(place))


def _problem(error: MirixError) -> dict[str, Any]:
    told: dict[str, Any] = {"type": slug(type(error)), "text": error.message}
    if isinstance(error, NoAnswer):
        told |= {"kind": error.kind, "retry_after_s": error.retry_after_s}
    return told


class AnswerStream(EventSourceResponse):
    """Streams an answer, and stops listening to it whatever becomes of the client."""

    def __init__(
        self, exchange: Exchange, listening: AsyncExitStack, after: Place = BEGINNING
    ) -> None:
        super().__init__(
            _events(exchange, after),
            headers={POSITION_HEADER: str(exchange.position)},
            sep="\n",
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: ServerSentEvent(comment="here", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
        )
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        async with self._listening:
            await super().__call__(scope, receive, send)


async def _events(exchange: Exchange, after: Place) -> AsyncIterator[ServerSentEvent]:
    async for told in telling(exchange, after):
        line = msgspec.json.encode({"event": told.event, "data": told.data}).decode()
        yield ServerSentEvent(line, id=told.id, sep="\n")
    yield ServerSentEvent("[DONE]", id=f"{exchange.message_id}:end", sep="\n")
