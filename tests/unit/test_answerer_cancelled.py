"""Answers that nobody waits for any more are given up, unless somebody asks for them in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.answerer import Answered
from actors.progress import Unheard, cancel_subject, encode_signal
from events.catalogue import AnswerAbandoned, AnswerGiven, GenerationFailed
from tests.unit.builders import event_of
from tests.unit.fakes.chat_parts import USER, Peers, Speaking, Stage, asking

QUESTION = asking("Where does Zoe live?")


@asynccontextmanager
async def answering(stage: Stage) -> AsyncIterator[asyncio.Task[Answered]]:
    """Answer the question while somebody listens and cancellations are heard."""
    async with listening_for_cancellations(stage), stage.listening(QUESTION.message_id):
        cause = event_of(QUESTION, position=9, user=USER)
        yield asyncio.create_task(stage.answerer.answer(cause, QUESTION))


@asynccontextmanager
async def listening_for_cancellations(stage: Stage) -> AsyncIterator[None]:
    hearing = asyncio.create_task(stage.answerer.run())
    await asyncio.sleep(0)  # it listens from its first step on
    try:
        yield
    finally:
        hearing.cancel()


async def leave(stage: Stage, grace_s: float) -> None:
    subject = cancel_subject(0, QUESTION.message_id)
    await stage.signals.publish(subject, encode_signal(Unheard(grace_s=grace_s)))


async def test_a_generation_is_closed_when_its_listener_has_gone() -> None:
    """The provider stops working, what was said by then is recorded, others hear of it."""
    model = Speaking(["Zoe lives ", asyncio.Event()])
    stage = Stage(model)
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zoe lives ")
        await leave(stage, 0)
        (failed, abandoned), afterwards = await work
        await afterwards(11)
        await stage.until(lambda: stage.heard[-1].kind == "error")
    assert model.closed == 1
    assert isinstance(failed, GenerationFailed)
    assert (failed.kind, failed.prompt) == ("cancelled", "chat/system@1")
    assert failed.usage.prompt_tokens > 0  # a budget that is made anew from the log knows of it
    assert failed.usage.completion_tokens == 3
    assert isinstance(abandoned, AnswerAbandoned)
    assert (abandoned.reason, abandoned.partial) == ("cancelled", "Zoe lives ")
    assert (stage.heard[-1].failure, stage.heard[-1].position) == ("cancelled", 11)


async def test_an_answer_goes_on_when_somebody_asks_for_it_within_the_grace() -> None:
    """A client that comes back finds what it missed, and the rest comes as it is made."""
    rest = asyncio.Event()
    model = Speaking(["Zoe lives ", rest, "in Lisbon."])
    stage = Stage(model)
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zoe lives ")
        await leave(stage, 0.05)
        await asyncio.sleep(0)
        so_far = stage.answerer.so_far(USER, QUESTION.message_id)
        assert so_far is not None
        assert (so_far.state, so_far.text, so_far.round) == ("making", "Zoe lives ", 0)
        done, _ = await asyncio.wait({work}, timeout=0.15)  # three times the grace
        assert not done
        rest.set()
        payloads, _ = await work
    assert isinstance(payloads[-1], AnswerGiven)
    assert model.closed == 0


async def test_an_answer_is_given_up_when_the_grace_is_over() -> None:
    """Nobody came back."""
    stage = Stage(Speaking(["Zoe lives ", asyncio.Event()]))
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zoe lives ")
        await leave(stage, 0.01)
        payloads, _ = await asyncio.wait_for(work, 5)
    assert isinstance(payloads[-1], AnswerAbandoned)


async def test_an_answer_is_given_up_when_its_listener_left_before_it_was_begun() -> None:
    """A message that waited behind another one of its conversation costs no generation."""
    model = Speaking(["Zoe", asyncio.Event()])
    stage = Stage(model)
    async with listening_for_cancellations(stage):
        await leave(stage, 0)
        await asyncio.sleep(0)
        cause = event_of(QUESTION, position=9, user=USER)
        payloads, _ = await asyncio.wait_for(stage.answerer.answer(cause, QUESTION), 5)
    assert isinstance(payloads[-1], AnswerAbandoned)
    assert payloads[-1].reason == "cancelled"


async def test_another_answer_goes_on_when_one_is_given_up() -> None:
    """A cancellation is for one message."""
    stage = Stage(Speaking(["Zo", asyncio.Event()]), Peers())
    other = Stage(Speaking(["Hi."]), Peers())
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zo")
        await leave(stage, 0)
        assert isinstance((await other.answer(asking("Hello there", id="o")))[-1], AnswerGiven)
        await work


async def test_an_answer_is_not_taken_for_given_up_when_its_agent_ends() -> None:
    """Ended with its process, a message is answered after the next start: nothing is recorded."""
    stage = Stage(Speaking(["Zo", asyncio.Event()]))
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zo")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_nobody_hears_of_another_ones_answer() -> None:
    """How far an answer is, is for the person who asked."""
    stage = Stage(Speaking(["Zoe", asyncio.Event()]))
    async with answering(stage) as work:
        await stage.until(lambda: stage.text() == "Zoe")
        assert stage.answerer.so_far("usr_eve", QUESTION.message_id) is None
        assert stage.answerer.so_far(USER, "msg_other") is None
        work.cancel()


async def test_the_text_is_still_there_until_the_conversation_shows_it() -> None:
    """Between the append and its way back, who asks is not told that there is no answer."""
    stage = Stage(Speaking(["Lisbon."]))
    await stage.answer(QUESTION)
    so_far = stage.answerer.so_far(USER, QUESTION.message_id)
    assert so_far is not None
    assert so_far.text == "Lisbon."


async def test_listeners_hear_when_a_message_is_parked() -> None:
    """Whatever an answer failed with, nobody waits for ever."""
    stage = Stage(Speaking())
    async with stage.listening(QUESTION.message_id):
        await stage.answerer.failed(QUESTION, "the index is broken")
        await stage.until(lambda: stage.heard[-1].kind == "error")
    assert (stage.heard[-1].text, stage.heard[-1].failure) == ("the index is broken", "failed")
