"""What signals promise: at most once, in order, to who listens, never without bound."""

from __future__ import annotations

import asyncio

import pytest

from events.connection import Connection
from events.errors import CommandRejected, DeadlineExceeded, Unavailable
from events.signals import WAITING_MAX, MemorySignals, Signals, matches
from tests.contract.conftest import DEADLINE_S


async def test_subscriber_receives_in_order_what_is_published_after_it_listens(
    signals: Signals,
) -> None:
    """Entering the context is enough: nothing that is published after it is missed."""
    await signals.publish("answers.a1", b"too early")
    async with asyncio.timeout(DEADLINE_S), signals.subscribe("answers.a1") as received:
        for number in range(100):
            await signals.publish("answers.a1", str(number).encode())
        await signals.publish("answers.a2", b"for somebody else")
        got = [await anext(received) for _ in range(100)]
    assert got == [("answers.a1", str(number).encode()) for number in range(100)]


async def test_wildcards_stand_for_one_token_or_the_rest(signals: Signals) -> None:
    """`*` is one token, `>` is all that follows."""
    async with (
        asyncio.timeout(DEADLINE_S),
        signals.subscribe("progress.*.chat") as one,
        signals.subscribe("progress.>") as rest,
    ):
        for subject in ("progress.0.chat", "progress.0.tool", "progress.1.chat"):
            await signals.publish(subject, b"")
        assert [(await anext(one))[0] for _ in range(2)] == ["progress.0.chat", "progress.1.chat"]
        assert (await anext(rest))[0] == "progress.0.chat"
        assert (await anext(rest))[0] == "progress.0.tool"


async def test_two_subscribers_both_receive(signals: Signals) -> None:
    """A signal is not taken away by the first who hears it."""
    async with (
        asyncio.timeout(DEADLINE_S),
        signals.subscribe("s.x") as first,
        signals.subscribe("s.x") as second,
    ):
        await signals.publish("s.x", b"hello")
        assert await anext(first) == await anext(second) == ("s.x", b"hello")


async def test_subscriber_goes_on_receiving_when_it_waited_in_vain(signals: Signals) -> None:
    """A wait that is given up ends nothing: what comes later is received."""
    async with asyncio.timeout(DEADLINE_S), signals.subscribe("s.x") as received:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(received), 0.01)
        await signals.publish("s.x", b"hello")
        assert await anext(received) == ("s.x", b"hello")


@pytest.mark.parametrize("subject", ["", "a..b", "a b", "a.*", ">"])
async def test_publish_is_rejected_when_the_subject_is_not_one(
    signals: Signals, subject: str
) -> None:
    """Wildcards and empty tokens are for subscribers, or for nobody."""
    with pytest.raises(CommandRejected):
        await signals.publish(subject, b"")


async def test_question_is_answered_by_the_one_who_answers_there(signals: Signals) -> None:
    """Many at a time, each with its own answer, and none once who answers is gone."""
    both = asyncio.Barrier(2)

    async def answer(body: bytes) -> bytes:
        await both.wait()  # neither is answered before the other was asked
        return b"to " + body

    async with asyncio.timeout(DEADLINE_S):
        async with signals.answer("questions.a1", answer):
            asked = [signals.ask("questions.a1", body, DEADLINE_S) for body in (b"one", b"two")]
            assert await asyncio.gather(*asked) == [b"to one", b"to two"]
        with pytest.raises(Unavailable):
            await signals.ask("questions.a1", b"three", DEADLINE_S)


async def test_question_fails_when_there_is_no_answer_this_way_or_none_in_time(
    signals: Signals,
) -> None:
    """An empty answer is none; neither is one that comes too late."""

    async def answer(body: bytes) -> bytes:
        if body == b"late":
            await asyncio.sleep(DEADLINE_S)
        return b""

    async with asyncio.timeout(DEADLINE_S), signals.answer("questions.a1", answer):
        with pytest.raises(Unavailable) as none:
            await signals.ask("questions.a1", b"none", DEADLINE_S)
        assert not isinstance(none.value, DeadlineExceeded)
        with pytest.raises(DeadlineExceeded):
            await signals.ask("questions.a1", b"late", 0.05)


async def test_question_whose_answer_is_too_large_fails(connection: Connection) -> None:
    """What the server would not carry is not sent: who asked is told, and need not wait."""

    async def answer(body: bytes) -> bytes:
        return bytes(16 * 1024 * 1024)

    signals = connection.signals
    async with asyncio.timeout(DEADLINE_S), signals.answer("questions.a1", answer):
        with pytest.raises(Unavailable, match="cannot be answered this way"):
            await signals.ask("questions.a1", b"all", DEADLINE_S)


async def test_slow_subscriber_loses_the_oldest() -> None:
    """A queue never grows beyond its bound; the newest signals are kept."""
    signals = MemorySignals()
    async with signals.subscribe("s.x") as received:
        for number in range(WAITING_MAX + 10):
            await signals.publish("s.x", str(number).encode())
        assert await anext(received) == ("s.x", b"10")


@pytest.mark.parametrize(
    ("wanted", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.b", "a", False),
    ],
)
def test_matches_follows_the_rules_of_nats(wanted: str, subject: str, expected: bool) -> None:
    """The twin's matching is that of the server."""
    assert matches(wanted, subject) is expected
