"""Chats through gateway and agents while the models misbehave: none lost, none twice, all told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from events.catalogue import (
    AnswerAbandoned,
    AnswerGiven,
    GenerationCompleted,
    GenerationFailed,
    MessageReceived,
    Payload,
)
from tests.life import Life, system_in_one_process
from tests.misbehaving import Behaviour, Faults, MisbehavingServer

CHATS = 60
PEOPLE = 30
DEADLINE_S = 120.0


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    """Return a server that does something wrong for 4 of 10 requests."""
    with MisbehavingServer(Faults(0.4, seed=7)).running() as started:
        yield started


def models(server: MisbehavingServer, *more: ProviderSettings, **settings: Any) -> ModelSettings:
    """Return two equals, one of each protocol, with two attempts each."""
    common: dict[str, Any] = {
        "api_key": "sk-a-key-that-nobody-may-see",
        "model": "small",
        "attempts": 2,
        "first_token_s": 1.0,
        "deadline_s": 4.0,
    }
    providers = (
        ProviderSettings(name="one", kind="openai", base_url=f"{server.address}/v1", **common),
        ProviderSettings(name="two", kind="anthropic", base_url=server.address, **common),
        *more,
    )
    return ModelSettings(providers=providers, **{"breaker_failures": 10_000, **settings})


async def profile(life: Life) -> str:
    made: dict[str, str] = await life.send("POST", "/agents/", json={"name": "friend"})
    return made["id"]


async def chat(life: Life, friend: str, number: int) -> httpx2.Response:
    body = {
        "message": f"What about kiln number {number}?",
        "user_id": f"person-{number % PEOPLE}",
        "conversation_id": f"talk-{number}",
    }
    return await life.http.post(f"/api/v1/agents/{friend}/chat", json=body)


async def chats(life: Life, friend: str) -> list[httpx2.Response]:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(*(chat(life, friend, number) for number in range(CHATS)))


async def told_in(life: Life, kind: type[Payload]) -> list[Any]:
    kinds = frozenset({kind.__name__})
    return [event.payload async for event in life.journal.read(kinds=kinds)]


async def check_each_is_concluded_once(life: Life) -> tuple[int, int]:
    """Every message has one answer, or one word that there is none; return how many of each."""
    asked = {one.message_id for one in await told_in(life, MessageReceived) if one.answer_wanted}
    given = [one.in_reply_to for one in await told_in(life, AnswerGiven)]
    abandoned = [one.in_reply_to for one in await told_in(life, AnswerAbandoned)]
    assert len(asked) == CHATS
    assert Counter(given + abandoned) == Counter(asked)
    return len(given), len(abandoned)


async def test_chats_under_faults_are_answered_once_or_refused_clearly(
    server: MisbehavingServer,
) -> None:
    """None is lost, none is there twice, and every failure of a model is in the log."""
    async with system_in_one_process(models(server)) as life:
        answers = await chats(life, await profile(life))

        for number, answer in enumerate(answers):
            if answer.status_code == 200:
                assert f"kiln number {number}?" in answer.json()["response"]
            else:
                assert answer.status_code in (429, 503), answer.text
                assert "no language model gave an answer" in answer.text
        given, abandoned = await check_each_is_concluded_once(life)
        assert given == sum(answer.status_code == 200 for answer in answers)
        assert given > abandoned
        completed = await told_in(life, GenerationCompleted)
        failed = await told_in(life, GenerationFailed)
        assert len(completed) == given
        assert len(failed) >= CHATS // 10
        assert {one.kind for one in failed} >= {"rate_limited", "unavailable", "cut_off"}
        # What the server was asked is in the log, attempt by attempt; on a busy machine one may
        # have been too late before it got there.
        attempts = len(completed) + len(failed)
        late = sum(one.kind == "timed_out" for one in failed)
        assert attempts - late <= len(server.asked) <= attempts
        assert "sk-a-key" not in repr(failed)


async def test_chats_under_faults_are_all_answered_when_quotations_are_the_last_resort(
    server: MisbehavingServer,
) -> None:
    """With the extractive answerer behind the models, nobody goes without an answer."""
    async with system_in_one_process(models(server, EXTRACTIVE)) as life:
        answers = await chats(life, await profile(life))

        assert {answer.status_code for answer in answers} == {200}
        assert await check_each_is_concluded_once(life) == (CHATS, 0)
        completed = await told_in(life, GenerationCompleted)
        assert len({one.generation_id for one in completed}) == CHATS


async def test_answer_that_started_over_is_whole_in_the_stream(server: MisbehavingServer) -> None:
    """A stream that broke off is taken back, and what comes after the restart is the answer."""
    server.script(Behaviour(misdeed="cuts", pieces=3), Behaviour())
    async with system_in_one_process(models(server)) as life:
        friend = await profile(life)
        body = {"message": "Where is the kiln?", "user_id": "ann"}
        streamed = await life.http.post(f"/api/v1/agents/{friend}/stream-chat", json=body)

        assert streamed.status_code == 200
        assert "restart" in streamed.text
        after = streamed.text.rpartition("restart")[2]
        assert "kiln" in after
        assert "complete" in after
        (failed,) = await told_in(life, GenerationFailed)
        assert (failed.kind, failed.attempt) == ("cut_off", 1)


async def test_spent_budget_is_a_clear_answer_and_asks_nobody(server: MisbehavingServer) -> None:
    """A person without tokens for today hears so, and when to come again."""
    async with system_in_one_process(models(server, user_tokens_a_day=1)) as life:
        answer = await chat(life, await profile(life), 1)

        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert "tokens for today" in answer.text
        assert not server.asked
        (failed,) = await told_in(life, GenerationFailed)
        assert failed.kind == "budget_spent"
