"""What agents tell the gateway while they work: ephemeral, never in the log.

`AnswerPart`s travel on `signals.answers.<shard>.<message id>` while an answer is made, `Progress`
on `signals.progress.<shard>.<agent>` after each batch and as a heartbeat. Losing one loses nothing:
the answer is an event, and the next heartbeat repeats the progress.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from actors.names import Agent
from events.catalogue import Citation, Usage
from events.ids import derived_id
from events.memory import Value

#: An agent tells its progress at least this often,
HEARTBEAT_S = 1.0
#: and not more often than this: each telling wakes the gateway.
PROGRESS_PAUSE_S = 0.005


class AnswerPart(Value, frozen=True, kw_only=True):
    """One step of an answer in the making, in the seeds' five kinds.

    `content` parts carry a piece of the answer in `text`, which begins at character `offset` of
    round `round`: a broken attempt is followed by another round, which begins at 0 again.
    `complete` carries the whole of it. `failure` says of an `error` what kind it is.
    """

    kind: Literal["start", "thinking", "content", "complete", "error"]
    text: str = ""
    message_id: str = ""
    citations: tuple[Citation, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    position: int = 0
    offset: int = 0
    round: int = 0
    finish_reason: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    failure: str = ""


class Progress(Value, frozen=True, kw_only=True):
    """How far an agent is.

    `through` is the last position that it has applied and handled, but for what is `open`: the
    first cause of each lane that it still works on, with the person whose it is. `wrote` is the
    last that it has appended itself, `parked` the number of causes it gave up on.
    """

    shard: int
    agent: str
    through: int
    wrote: int
    pid: int
    parked: int = 0
    open: tuple[tuple[int, str], ...] = ()


class AgentStatus(Value, frozen=True, kw_only=True):
    """An agent of a shard, as the gateway sees it.

    `alive` says that it was heard of lately, `open` how many causes up to `through` it still works
    on.
    """

    shard: int
    agent: Agent
    through: int
    alive: bool
    pid: int = 0
    parked: int = 0
    wrote: int = 0
    open: int = 0


def answer_id(message_id: str) -> str:
    """Return the id of the answer to a message: known before there is one."""
    return derived_id("msg", "answer", message_id)


def cancel_subject(shard: int, message_id: str) -> str:
    """Return the subject on which the chat agent hears that nobody waits for an answer any more.

    `*` for all messages.
    """
    return f"signals.unheard.{shard}.{message_id}"


class Unheard(Value, frozen=True, kw_only=True):
    """Nobody listens to an answer any more: it is given up unless somebody asks for it in time."""

    grace_s: float = 0.0


def answers_subject(shard: int, message_id: str) -> str:
    """Return the subject of the parts of the answer to a message."""
    return f"signals.answers.{shard}.{message_id}"


def progress_subject(shard: int, agent: str) -> str:
    """Return the subject of an agent's progress; `*` for all agents."""
    return f"signals.progress.{shard}.{agent}"


_encoder = msgspec.msgpack.Encoder()


def encode_signal(signal: AnswerPart | Progress | Unheard) -> bytes:
    """Return the signal as msgpack."""
    return _encoder.encode(signal)


decode_answer_part = msgspec.msgpack.Decoder(AnswerPart).decode
decode_progress = msgspec.msgpack.Decoder(Progress).decode
decode_unheard = msgspec.msgpack.Decoder(Unheard).decode
