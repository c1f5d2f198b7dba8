"""Questions that travel as signals: the same answers and errors as from the actor itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.embedding import ModelNotServed
from actors.names import Agent
from actors.queries import (
    FoundMemory,
    GetCoreBlocks,
    GetState,
    Query,
    SearchMemories,
    SearchOutcome,
)
from actors.questions import Elsewhere, answering, ask, questions_subject
from events.errors import CorruptLog, MirixError, Unavailable
from events.signals import MemorySignals
from projections.retrieval.explained import SignalValue

MOMENT = datetime(2026, 1, 7, 12, 30, 15, 123456, tzinfo=UTC)
SEARCH = SearchMemories(user="usr_ann", tenant="org", query="kiln", since=MOMENT, tags=("a",))
OUTCOME = SearchOutcome(
    search_id="s1",
    position=7,
    results=(
        FoundMemory(
            id="m1",
            tier="semantic",
            text="I bought a kiln",
            score=0.25,
            said_at=MOMENT,
            recorded_at=MOMENT,
            message_ids=("m1",),
            signals={"words": SignalValue(value=0.5, rank=1, weight=0.3)},
        ),
    ),
)


async def asked(query: Query, answer: Any, *, agent: Agent = "search") -> Any:
    """Put a query to an agent that answers so, or fails so; check that it heard what was asked."""
    signals = MemorySignals()

    async def here(heard: Query, min_position: int, timeout_s: float) -> Any:
        assert (heard, min_position, timeout_s) == (query, 5, 10.0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with answering(signals, 0, agent, here):
        return await ask(signals, 0, agent, query, 5, 10.0)


async def test_search_is_asked_and_answered_as_it_is() -> None:
    """Times, tags, signals: nothing is lost on the way, in either direction."""
    assert await asked(SEARCH, OUTCOME) == OUTCOME
    assert await asked(GetCoreBlocks(user="usr_ann"), (), agent="core_memory") == ()


@pytest.mark.parametrize(
    "error",
    [Unavailable("restarting"), CorruptLog("a hole", 12), ModelNotServed("none such")],
)
async def test_error_arrives_as_it_was_raised(error: MirixError) -> None:
    """Its kind says who must act, its arguments what happened."""
    with pytest.raises(type(error)) as raised:
        await asked(SEARCH, error)
    assert raised.value.args == error.args


async def test_question_goes_elsewhere_when_it_cannot_be_answered_this_way() -> None:
    """One that is rare, one that nobody answers, and one that ended in no answer."""
    signals = MemorySignals()
    with pytest.raises(Elsewhere):
        await ask(signals, 0, "search", GetState(), 0, 1.0)
    with pytest.raises(Elsewhere):
        await ask(signals, 0, "search", SEARCH, 0, 1.0)
    with pytest.raises(Elsewhere):
        await asked(SEARCH, RuntimeError("a bug"))


async def test_question_that_cannot_be_read_is_given_no_answer() -> None:
    """As of a program of another version: the actor is asked, which says what is wrong."""
    signals = MemorySignals()

    async def here(query: Query, min_position: int, timeout_s: float) -> Any:
        raise AssertionError(query)

    async with answering(signals, 0, "search", here):
        for body in (b"", b"\x01", b"\x94\xa4Gone\xc0\x00\xcb" + bytes(8)):
            with pytest.raises(Unavailable):
                await signals.ask(questions_subject(0, "search"), body, 1.0)
