"""Budgets of tokens: checked before, charged after, and made anew from the log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import pytest

from actors.models.budgets import Budgets
from actors.models.extractive import ExtractiveModel
from actors.models.failover import FailoverModel, Provider
from actors.models.port import ModelFailed, whole
from actors.models.settings import EXTRACTIVE, ModelSettings
from actors.models.usage import UsageFollower
from events.catalogue import GenerationCompleted, GenerationFailed, Payload, Usage
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import NewEvent
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from tests.unit.fakes.told_model import ToldModel, asked, breaks, provider

DEADLINE_S = 5.0
ANN, BOB = "usr_ann", "usr_bob"


def spent_by(budgets: Budgets, user: str) -> ModelFailed | None:
    try:
        budgets.check(user, 1)
    except ModelFailed as failed:
        return failed if failed.kind == "budget_spent" else None
    return None


def test_budget_is_spent_when_a_user_used_it_up() -> None:
    """One person's tokens are gone, another's are not; it says when there are new ones."""
    clock = FixedClock(datetime(2026, 1, 7, 22, 0, tzinfo=UTC))
    budgets = Budgets(user_tokens_a_day=100, clock=clock)
    budgets.charge(ANN, 99)
    assert spent_by(budgets, ANN) is None

    budgets.charge(ANN, 1)

    failed = spent_by(budgets, ANN)
    assert failed is not None
    assert failed.retry_after_s == 2 * 3600
    assert spent_by(budgets, BOB) is None


def test_budget_is_new_after_midnight() -> None:
    """A day is a day of UTC, whenever its first token was used."""
    clock = FixedClock(datetime(2026, 1, 7, 23, 59, tzinfo=UTC))
    budgets = Budgets(user_tokens_a_day=100, clock=clock)
    budgets.charge(ANN, 500)
    assert spent_by(budgets, ANN)

    clock.advance(90)

    assert spent_by(budgets, ANN) is None


def test_budget_has_no_room_for_a_prompt_that_is_longer_than_the_rest() -> None:
    """What is known before is counted before."""
    budgets = Budgets(user_tokens_a_day=100)
    budgets.charge(ANN, 60)

    budgets.check(ANN, 40)
    with pytest.raises(ModelFailed):
        budgets.check(ANN, 41)


def test_budget_of_all_is_shared_by_everybody_and_every_shard() -> None:
    """Each of two shards has half of the day's tokens."""
    budgets = Budgets(tokens_a_day=200, shards=2)
    budgets.charge(ANN, 60)
    assert spent_by(budgets, BOB) is None

    budgets.charge(BOB, 40)

    assert spent_by(budgets, ANN)


def test_budget_of_nothing_is_no_limit() -> None:
    """Zero is what the settings say for: as many as you like."""
    budgets = Budgets()
    budgets.charge(ANN, 10**12)

    assert spent_by(budgets, ANN) is None


def failover(
    model: ToldModel | ExtractiveModel, budgets: Budgets, **settings: int
) -> FailoverModel:
    chosen = EXTRACTIVE if isinstance(model, ExtractiveModel) else provider(model.name, **settings)
    return FailoverModel(
        [Provider(settings=chosen, model=model)], ModelSettings(), budgets, random.Random(7)
    )


async def test_generation_charges_what_it_used() -> None:
    """The usage that the provider told counts, not the estimate."""
    budgets = Budgets(user_tokens_a_day=1000)

    await whole(failover(ToldModel("one"), budgets), asked())

    assert budgets.used(ANN) == 40


async def test_failed_attempt_is_charged_when_it_had_begun() -> None:
    """A stream that broke off is paid for, one that never began is not."""
    budgets = Budgets(user_tokens_a_day=1000)
    model = failover(ToldModel("one", breaks("unavailable")), budgets, attempts=1)
    with suppress(ModelFailed):
        await whole(model, asked())
    assert budgets.used(ANN) == 0

    model = failover(ToldModel("one", breaks("cut_off", None, "some words")), budgets, attempts=1)
    with pytest.raises(ModelFailed) as raised:
        await whole(model, asked())

    (attempt,) = raised.value.failures
    assert budgets.used(ANN) == attempt.usage.prompt_tokens + attempt.usage.completion_tokens > 0


async def test_generation_that_is_given_up_is_charged() -> None:
    """What a provider made until the client went away counts."""
    budgets = Budgets(user_tokens_a_day=1000)
    async with aclosing(failover(ToldModel("one"), budgets).generate(asked())) as told:
        await anext(told)

    assert 0 < budgets.used(ANN) < 40


async def test_spent_budget_fails_before_anybody_is_asked() -> None:
    """It is one failure to record, of nobody."""
    budgets = Budgets(user_tokens_a_day=10)
    budgets.charge(ANN, 10)
    one = ToldModel("one")

    with pytest.raises(ModelFailed) as raised:
        await whole(failover(one, budgets), asked())

    assert raised.value.kind == "budget_spent"
    assert [(failed.kind, failed.provider) for failed in raised.value.failures] == [
        ("budget_spent", "")
    ]
    assert not one.asked_at


async def test_quotations_cost_nothing() -> None:
    """They are neither charged nor held up."""
    budgets = Budgets(user_tokens_a_day=10)
    budgets.charge(ANN, 10)

    await whole(failover(ExtractiveModel(), budgets), asked(question="Where is it?"))

    assert budgets.used(ANN) == 10


def completed(tokens: int, model: str = "one-1") -> GenerationCompleted:
    return GenerationCompleted(
        generation_id="gen_1",
        model=model,
        prompt_hash="",
        output="",
        usage=Usage(prompt_tokens=tokens),
    )


def failed(tokens: int) -> GenerationFailed:
    return GenerationFailed(
        generation_id="gen_1",
        purpose="answer",
        provider="one",
        model="one-1",
        kind="cut_off",
        usage=Usage(completion_tokens=tokens),
    )


class Told:
    """A journal whose clock can be moved, and what agents tell it."""

    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 1, 6, 12, 0, tzinfo=UTC))
        codec = Codec(KeyRing(MemoryKeyStore(b"m" * 32)))
        self.journal = Journal(MemoryLog(0), codec, self.clock)
        self._number = 0

    async def tell(self, payload: Payload, producer: str = "chat", user: str = ANN) -> None:
        self._number += 1
        event = NewEvent(
            event_id=f"evt_{self._number}",
            payload=payload,
            tenant="org",
            user=user,
            producer=producer,
        )
        await self.journal.append([event])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # a budget sets no event
            await asyncio.sleep(0.005)


async def test_follower_charges_what_was_used_today() -> None:
    """After a start: today's generations of all agents count, yesterday's and quotations do not."""
    told = Told()
    for _ in range(5):
        await told.tell(completed(1000))
    told.clock.advance(24 * 3600)
    await told.tell(completed(7))
    await told.tell(failed(20), producer="memory")
    await told.tell(completed(300, model="extractive"))
    await told.tell(completed(4000), user=BOB)
    budgets = Budgets(user_tokens_a_day=10_000, clock=told.clock)

    await UsageFollower(told.journal, budgets, "chat").start()

    assert (budgets.used(ANN), budgets.used(BOB)) == (27, 4000)


async def test_follower_charges_nothing_for_an_empty_log() -> None:
    """A new log has no day before today."""
    told = Told()
    budgets = Budgets(user_tokens_a_day=10, clock=told.clock)

    await UsageFollower(told.journal, budgets, "chat").start()

    assert budgets.used(ANN) == 0


async def test_follower_charges_what_other_agents_use_from_then_on() -> None:
    """Its own agent's generations are charged where they are made, not twice."""
    told = Told()
    budgets = Budgets(user_tokens_a_day=10_000, clock=told.clock)
    follower = UsageFollower(told.journal, budgets, "chat")
    await follower.start()
    running = asyncio.create_task(follower.run())

    await told.tell(completed(1000), producer="chat")
    await told.tell(completed(5), producer="semantic")
    await told.tell(failed(6), producer="core")

    await until(lambda: budgets.used(ANN) == 11)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
