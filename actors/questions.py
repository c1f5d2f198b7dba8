"""Questions that travel as signals: what is asked so often that the way to an actor is too long.

A call between two actors at rest takes 2 ms there and back, a question over the log's server .8
(`docs/adr/0014-frequent-questions-travel-as-signals.md`). So what every search and every answer
asks goes this way (`ANSWERS`). All else goes to the actor, and so does what could not be answered
this way: while the connection is down, an agent starts, or an answer is too large for one message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import structlog

from actors.names import Agent
from actors.queries import (
    CoreBlockView,
    Foresee,
    GetCoreBlocks,
    Query,
    SearchMemories,
    SearchOutcome,
)
from events.errors import DeadlineExceeded, MirixError, Unavailable
from events.signals import Signals

#: What is asked this way, and what it answers.
ANSWERS: Mapping[type[Query], Any] = {
    SearchMemories: SearchOutcome,
    Foresee: type(None),
    GetCoreBlocks: tuple[CoreBlockView, ...],
}

#: Answers a question of this agent: (query, min_position, timeout_s) -> its answer.
AskHere = Callable[[Query, int, float], Awaitable[Any]]

log = structlog.get_logger(__name__)

_encoder = msgspec.msgpack.Encoder()
_questions = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in ANSWERS}
_answers = {kind: msgspec.msgpack.Decoder(answer) for kind, answer in ANSWERS.items()}
#: Name of the query, the query, the position that it needs, seconds that it may take.
_asked = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw, int, float])
#: Name of the error, if it is one, and the answer or the arguments of the error.
_told = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


class Elsewhere(Exception):
    """The question has to be put to the agent's actor."""


def questions_subject(shard: int, agent: Agent) -> str:
    """Return the subject under which an agent is asked."""
    return f"questions.{shard}.{agent}"


async def ask(
    signals: Signals, shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
) -> Any:
    """Put a question to an agent.

    Raises:
        Elsewhere: it cannot be asked this way, or not now.
        Unavailable: the agent did not answer in time.
        MirixError: whatever the agent answers with.
    """
    answers = _answers.get(type(query))
    if answers is None:
        raise Elsewhere
    body = _encoder.encode((type(query).__name__, query, min_position, timeout_s))
    try:
        told = await signals.ask(questions_subject(shard, agent), body, timeout_s + 1)
    except DeadlineExceeded as error:
        raise Unavailable(f"agent {agent} of shard {shard} does not answer; try again") from error
    except Unavailable as error:
        raise Elsewhere from error
    failed, answer = _told.decode(told)
    if failed:
        raise _kinds_of_error().get(failed, MirixError)(*msgspec.msgpack.decode(answer))
    return answers.decode(answer)


def answering(
    signals: Signals, shard: int, agent: Agent, here: AskHere
) -> AbstractAsyncContextManager[None]:
    """Answer an agent's questions while the context lasts."""

    async def answer(body: bytes) -> bytes:
        try:
            name, query, min_position, timeout_s = _asked.decode(body)
            found = await here(_questions[name].decode(query), min_position, timeout_s)
            return _encoder.encode(("", found))
        except MirixError as error:
            return _encoder.encode((type(error).__name__, error.args))
        except Exception:  # who asked is told to ask the actor, which tells of it as of any other
            log.exception("question_failed", shard=shard, agent=agent)
            return b""

    return signals.answer(questions_subject(shard, agent), answer)


def _kinds_of_error() -> dict[str, type[MirixError]]:
    """Return all kinds of errors that there are in this process, by name."""
    found, open_ = {}, [MirixError]
    while open_:
        kind = open_.pop()
        found[kind.__name__] = kind
        open_ += kind.__subclasses__()
    return found
