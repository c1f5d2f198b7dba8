"""Failover: who is asked, how often, when, and what is told of those who failed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing

import pytest
import stamina
from stamina.instrumentation import RetryDetails

from actors.models.budgets import Budgets
from actors.models.build import build_model
from actors.models.extractive import ExtractiveModel
from actors.models.failover import FailoverModel, Provider
from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    ModelFailed,
    OutputSchema,
    StartedOver,
    Told,
    whole,
)
from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from tests.unit.fakes.chat_parts import Speaking
from tests.unit.fakes.told_model import ToldModel, asked, breaks, provider

DEADLINE_S = 5.0
Pair = tuple[ProviderSettings, ToldModel | ExtractiveModel]


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retry without the waits in between."""
    stamina.set_testing(True, attempts=100, cap=True)
    yield
    stamina.set_testing(False)


def failover(
    *pairs: Pair, seed: int = 7, budgets: Budgets | None = None, **settings: float
) -> FailoverModel:
    return FailoverModel(
        [Provider(settings=one, model=model) for one, model in pairs],
        ModelSettings(providers=tuple(one for one, _ in pairs), **settings),  # type: ignore[arg-type]  # fields by name
        budgets or Budgets(),
        random.Random(seed),
    )


async def everything(model: FailoverModel, request: GenerationRequest) -> list[Told]:
    async with asyncio.timeout(DEADLINE_S), aclosing(model.generate(request)) as told:
        return [one async for one in told]


async def failure(model: FailoverModel, request: GenerationRequest) -> ModelFailed:
    with pytest.raises(ModelFailed) as raised:
        await everything(model, request)
    return raised.value


async def test_lower_rank_is_asked_first(no_waits: None) -> None:
    """The order of the settings says nothing, the rank does."""
    first, second = ToldModel("first"), ToldModel("second")
    model = failover((provider("second", rank=2), second), (provider("first", rank=1), first))

    assert (await whole(model, asked())).provider == "first"
    assert not second.asked_at


async def test_a_model_that_does_not_end_is_ended() -> None:
    """What no event could hold is no output; the provider is told to stop."""
    endless = Speaking(["word " * 1000] * 100)

    with pytest.raises(ModelFailed, match="did not end") as raised:
        await whole(endless, asked())

    assert raised.value.kind == "invalid"
    assert endless.closed == 1


async def test_equals_share_by_weight() -> None:
    """Of 2,000 requests, weights of 3 and 1 make three quarters and one, as a seed has it."""
    model = failover(
        (provider("often", weight=3.0), ToldModel("often")),
        (provider("seldom", weight=1.0), ToldModel("seldom")),
    )

    shares = Counter([(await whole(model, asked())).provider for _ in range(2000)])

    # Four standard deviations of a binomial share of 0.75 in 2,000.
    assert shares["often"] / 2000 == pytest.approx(0.75, abs=0.039)


async def test_next_equal_is_asked_when_the_first_is_away(no_waits: None) -> None:
    """Balancing is also failover: nobody of a rank is left out."""
    away = ToldModel("away", *[breaks("unavailable")] * 1000)
    model = failover(
        (provider("away", weight=1e6), away), (provider("there", weight=1e-6), ToldModel("there"))
    )

    generation = await whole(model, asked())

    assert generation.provider == "there"
    assert generation.attempt == 4
    assert [one.attempt for one in generation.failures] == [1, 2, 3]
    assert {(one.provider, one.kind) for one in generation.failures} == {("away", "unavailable")}
    assert generation.failures[0].generation_id == "gen_1"


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable", "timed_out", "cut_off"])
async def test_what_may_pass_is_tried_again(no_waits: None, kind: str) -> None:
    """A limit, an outage, a time-out and a broken stream are tried again with the same one."""
    model = failover((provider("one"), ToldModel("one", breaks(kind), breaks(kind))))  # type: ignore[arg-type]  # a kind

    assert (await whole(model, asked())).attempt == 3


@pytest.mark.parametrize("kind", ["unauthorized", "refused", "invalid"])
async def test_what_will_not_pass_is_the_next_ones_turn(no_waits: None, kind: str) -> None:
    """No time is lost on a wrong key or a prompt that is too long; another one may take it."""
    first = ToldModel("first", breaks(kind))  # type: ignore[arg-type]  # a kind
    model = failover((provider("first"), first), (provider("next", rank=2), ToldModel("next")))

    generation = await whole(model, asked())

    assert (generation.provider, generation.attempt) == ("next", 2)
    assert len(first.asked_at) == 1


async def test_waits_double_with_jitter() -> None:
    """Between attempts: 100 and 200 ms, and up to 100 more."""
    waits: list[float] = []

    def note(details: RetryDetails) -> None:
        waits.append(details.wait_for)

    stamina.instrumentation.set_on_retry_hooks([note])
    try:
        one = ToldModel("one", breaks("unavailable"), breaks("unavailable"))
        await whole(failover((provider("one"), one)), asked())
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)

    assert 0.1 <= waits[0] <= 0.2 <= waits[1] <= 0.3
    assert one.asked_at[2] - one.asked_at[0] >= sum(waits)


async def test_wait_that_the_provider_asks_for_is_kept() -> None:
    """The next attempt comes when the provider said, not before."""
    one = ToldModel("one", breaks("rate_limited", 0.35))

    await whole(failover((provider("one"), one)), asked())

    assert 0.35 <= one.asked_at[1] - one.asked_at[0] < 1


async def test_wait_beyond_the_deadline_is_the_next_ones_turn() -> None:
    """Nobody waits an hour for an answer: another provider is asked at once."""
    limited = ToldModel("limited", breaks("rate_limited", 3600))
    model = failover((provider("limited"), limited), (provider("next", rank=2), ToldModel("next")))

    assert (await whole(model, asked())).provider == "next"
    assert len(limited.asked_at) == 1


async def test_failure_says_when_to_come_again() -> None:
    """With nobody else to ask, the client hears what the provider asked for."""
    model = failover((provider("limited"), ToldModel("limited", breaks("rate_limited", 3600))))

    failed = await failure(model, asked())

    assert (failed.kind, failed.retry_after_s) == ("rate_limited", 3600)


async def test_what_was_told_is_taken_back_before_the_next_attempt(no_waits: None) -> None:
    """A listener hears that it starts over; without anything told, there is nothing to take."""
    one = ToldModel("one", breaks("unavailable"), breaks("cut_off", None, "In the ", "sh"))

    *told, generation = await everything(failover((provider("one"), one)), asked())

    assert told == [
        Delta(text="In the "),
        Delta(text="sh"),
        StartedOver(reason="one: cut_off"),
        Delta(text="one"),
    ]
    assert isinstance(generation, Generation)
    assert [failed.kind for failed in generation.failures] == ["unavailable", "cut_off"]


async def test_quotations_are_the_last_resort(no_waits: None) -> None:
    """When every model is away, a question still gets what memory says."""
    away = ToldModel("away", *[breaks("unavailable")] * 3)
    model = failover((provider("away"), away), (EXTRACTIVE, ExtractiveModel()))

    generation = await whole(model, asked(question="Where is the kiln?"))

    assert generation.provider == "extractive"
    assert len(generation.failures) == 3


async def test_quotations_are_no_answer_to_a_request_with_a_schema(no_waits: None) -> None:
    """The failure that counts is the model's, not the refusal of who could never do it."""
    away = ToldModel("away", *[breaks("unavailable")] * 3)
    model = failover((provider("away"), away), (EXTRACTIVE, ExtractiveModel()))
    request = asked(question="Where?", output=OutputSchema(name="x", schema={}))

    failed = await failure(model, request)

    assert failed.kind == "unavailable"
    assert [one.provider for one in failed.failures] == ["away"] * 3
    assert "away: " in failed.message or "unavailable" in failed.message


@pytest.mark.parametrize("name", ["second", "second-1"])
async def test_request_can_name_provider_or_model(name: str) -> None:
    """Only who is named is asked."""
    model = failover(
        (provider("first"), ToldModel("first")), (provider("second", rank=9), ToldModel("second"))
    )

    assert (await whole(model, asked(model=name))).provider == "second"


async def test_unknown_model_is_refused_with_those_there_are() -> None:
    """The refusal helps: it names what could be asked for."""
    model = failover((provider("first"), ToldModel("first")), (EXTRACTIVE, ExtractiveModel()))

    failed = await failure(model, asked(model="gpt-0"))

    assert failed.kind == "refused"
    assert failed.message == (
        "there is no model called 'gpt-0'; there are: first (first-1), extractive"
    )
    assert [(one.kind, one.model) for one in failed.failures] == [("refused", "gpt-0")]


async def test_breaker_opens_after_failures_in_a_row_and_closes_again(no_waits: None) -> None:
    """A provider that keeps failing is passed over for a while, then asked again."""
    one = ToldModel("one", *[breaks("unavailable")] * 3)
    settings = provider("one", attempts=1)
    model = failover((settings, one), breaker_failures=3, breaker_s=0.2)
    for _ in range(3):
        await failure(model, asked())

    failed = await failure(model, asked())

    assert len(one.asked_at) == 3
    assert failed.kind == "unavailable"
    assert failed.retry_after_s is not None
    assert 0 < failed.retry_after_s <= 0.2
    assert [attempt.kind for attempt in failed.failures] == ["unavailable"]

    async def answered() -> bool:
        try:
            return bool(await whole(model, asked()))
        except ModelFailed:
            return False

    async with asyncio.timeout(DEADLINE_S):
        while not await answered():  # noqa: ASYNC110  # a breaker sets no event
            await asyncio.sleep(0.01)
    assert len(one.asked_at) == 4


async def test_breaker_leaves_the_others_alone(no_waits: None) -> None:
    """Who is passed over costs the next one nothing, and is no attempt."""
    away = ToldModel("away", *[breaks("unavailable")] * 1000)
    model = failover(
        (provider("away"), away),
        (provider("next", rank=2), ToldModel("next")),
        breaker_failures=2,
        breaker_s=60.0,
    )
    await whole(model, asked())

    generation = await whole(model, asked())

    assert (generation.provider, generation.attempt, generation.failures) == ("next", 1, ())
    assert len(away.asked_at) == 2


async def test_refusals_and_limits_open_no_breaker(no_waits: None) -> None:
    """One long prompt, or a busy minute, says nothing against a provider."""
    scripts = [breaks("refused"), breaks("rate_limited")] * 5
    one = ToldModel("one", *scripts)
    model = failover((provider("one", attempts=1), one), breaker_failures=1, breaker_s=60.0)

    for _ in scripts:
        await failure(model, asked())

    assert (await whole(model, asked())).provider == "one"


async def test_closing_closes_the_provider(no_waits: None) -> None:
    """Who reads no further ends the attempt, and no other begins."""
    one = ToldModel("one", breaks("cut_off", None, "a ", "b "))
    model = failover((provider("one"), one))

    async with aclosing(model.generate(asked())) as told:
        await anext(told)

    assert (one.closed, len(one.asked_at)) == (1, 1)


async def test_answers_side_by_side_keep_apart(no_waits: None) -> None:
    """Many at once: each has its own attempts, and its own failures."""
    scripts = [breaks("unavailable"), breaks("cut_off", None, "x")] * 20
    one = ToldModel("one", *scripts)
    model = failover((provider("one", attempts=10), one), breaker_failures=1000)

    async with asyncio.timeout(DEADLINE_S):
        told = await asyncio.gather(
            *(whole(model, asked(generation_id=f"gen_{number}")) for number in range(50))
        )

    for number, generation in enumerate(told):
        assert {one.generation_id for one in generation.failures} <= {f"gen_{number}"}
        assert generation.attempt == len(generation.failures) + 1
    assert sum(len(generation.failures) for generation in told) == len(scripts)


def test_nothing_of_an_sdk_is_imported_without_such_a_provider() -> None:
    """The extractive answerer alone needs neither of them."""
    import subprocess
    import sys

    code = (
        "import sys; from actors.models.build import build_model;"
        "from actors.models.settings import ModelSettings; build_model(ModelSettings());"
        "print([name for name in ('openai', 'anthropic', 'ray') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


async def test_default_settings_quote(no_waits: None) -> None:
    """Without any model configured, an answer is a quotation, and extraction is refused."""
    model = build_model(ModelSettings())

    assert (await whole(model, asked(question="Where is it?"))).model == "extractive"
    failed = await failure(model, asked(output=OutputSchema(name="x", schema={})))
    assert failed.kind == "refused"
