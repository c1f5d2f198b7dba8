"""Reads: of what is, and of what was at a moment of the past.

What is, an agent answers once it has applied `min_position`. What was, the past of the shard
answers from the log itself: every write is in there, so there is nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import structlog

from actors.names import Agent
from actors.past.queries import AskPast, AsOf, PastQuery, Recalled
from actors.queries import Query
from events.errors import CommandRejected, Unavailable
from events.memory import Value
from serve.context import GatewayContext
from serve.problems import AS_OF_HEADER, invalid

log = structlog.get_logger(__name__)


class When(Value, frozen=True, kw_only=True):
    """The moment that a read is of: `as_of`, or now with at least `min_position`.

    `where` is the place in the request that `as_of` came from, `least_where` that of the other.
    """

    as_of: AsOf | None = None
    min_position: int = 0
    where: str = "query.as_of"
    least_where: str = "query.min_position"


NOW = When()


class Reading(NamedTuple):
    """An answer, the headers that go with it, and the moment for further reads of the same."""

    answer: Any
    headers: dict[str, str]
    when: When


async def read(
    context: GatewayContext, shard: int, agent: Agent, query: Query, when: When = NOW
) -> Reading:
    """Ask an agent's projection, as it is or as it was.

    Raises:
        NotFound: there is no such thing, or there was none.
        Invalid: the moment, or `min_position`, is not in the log.
        DeadlineExceeded: the projection did not get to `min_position`, or back, in time.
    """
    if when.as_of is None:
        await _check_least(context, shard, when)
        timeout_s = context.settings.read_timeout_s
        answer = await context.backend.ask(
            shard, agent, query, min_position=when.min_position, timeout_s=timeout_s
        )
        return Reading(answer, {}, when)
    asked = AskPast(agent=agent, query=query, as_of=when.as_of)
    recalled: Recalled = await ask_past(context, shard, asked, {when.where: when.as_of})
    # A time is looked up once: whatever else is read for this answer is of the same position.
    then = msgspec.structs.replace(when, as_of=recalled.position)
    return Reading(recalled.answer, {AS_OF_HEADER: str(recalled.position)}, then)


async def _check_least(context: GatewayContext, shard: int, when: When) -> None:
    """Refuse a position that nothing has been written to: waiting for it would hold a place.

    Raises:
        Invalid: it is beyond the end of the log.
    """
    try:
        end = await context.end_before(shard, when.min_position)
    except Unavailable:
        # Not an error of this read: what the agents have, they answer while the log is away.
        log.warning("log_end_unknown", shard=shard)
        return
    if end is not None:
        beyond = f"position {when.min_position} is beyond the end of the log, {end}"
        raise invalid(when.least_where, beyond)


async def ask_past(
    context: GatewayContext,
    shard: int,
    query: PastQuery,
    moments: Mapping[str, AsOf | None] | None = None,
) -> Any:
    """Ask about the past of a shard; `moments` are those that the client gave, by their places.

    Raises:
        NotFound: there is no such thing.
        Invalid: a moment is a position beyond the end of the log.
        DeadlineExceeded: the past could not be rebuilt in time.
    """
    try:
        return await context.backend.ask_past(
            shard, query, timeout_s=context.settings.past_timeout_s
        )
    except CommandRejected as error:
        positions = {at: one for at, one in (moments or {}).items() if isinstance(one, int)}
        end = await context.backend.last_position(shard) if positions else 0
        for where, position in positions.items():
            if position > end:
                beyond = f"position {position} is beyond the end of the log, {end}"
                raise invalid(where, beyond) from error
        raise
