"""One suite over every language model: what the port promises, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.models.build import build_model
from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    LanguageModel,
    ModelFailed,
    OutputSchema,
    Told,
    ToolCall,
    ToolOffered,
    Turn,
    whole,
)
from actors.models.settings import ModelSettings, ProviderSettings
from actors.queries import FoundMemory
from tests.misbehaving import Behaviour, MisbehavingServer
from tests.misbehaving.behaviour import in_seconds
from tests.misbehaving.server import USE_THE_TOOL

KEY = "sk-a-key-that-nobody-may-see"
SAID = "The kiln is at Ann's house"
DEADLINE_S = 10.0
SCHEMA = OutputSchema(
    name="what was said",
    schema={
        "type": "object",
        "properties": {"said": {"type": "string"}},
        "required": ["said"],
        "additionalProperties": False,
    },
)
TOOL = ToolOffered(
    name="search", description="Search.", input_schema={"type": "object", "properties": {}}
)
WIRES = ("openai", "openai_compatible", "anthropic")


@dataclass
class Subject:
    """A model, and the server behind it."""

    model: LanguageModel
    server: MisbehavingServer

    @property
    def body(self) -> dict[str, Any]:
        """What the server was asked last."""
        return self.server.asked[-1].body

    @property
    def protocol(self) -> str:
        """The protocol in which it was asked."""
        return self.server.asked[-1].protocol


MakeSubject = Callable[..., Subject]


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    """Return a server of its own for a test."""
    with MisbehavingServer().running() as started:
        yield started


@pytest.fixture
def make_subject(server: MisbehavingServer) -> MakeSubject:
    """Return a maker of models of a kind; `failover` is two of one rank, each with one attempt."""

    def make(kind: str, **settings: Any) -> Subject:
        return Subject(model_of(kind, server.address, settings), server)

    return make


def model_of(kind: str, address: str, settings: dict[str, Any]) -> LanguageModel:
    parts = {"deadline_s": 20.0, "api_key": KEY, "model": "small-model", "attempts": 1, **settings}
    wire = "openai_compatible" if kind == "failover" else kind
    base_url = address if wire == "anthropic" else f"{address}/v1"
    if kind == "extractive":
        parts, base_url = {}, ""
    provider = ProviderSettings(name="one", kind=wire, base_url=base_url, **parts)  # type: ignore[arg-type]  # a kind by name
    built = build_model(ModelSettings(providers=(provider,)), rng=random.Random(7))
    return built if kind == "failover" else built.providers[0].model


@pytest.fixture(params=[*WIRES, "failover"])
def subject(request: pytest.FixtureRequest, make_subject: MakeSubject) -> Subject:
    """Return each model that asks over the network."""
    return make_subject(request.param)


@pytest.fixture(params=[*WIRES, "failover", "extractive"])
def anyone(request: pytest.FixtureRequest, make_subject: MakeSubject) -> Subject:
    """Return each model."""
    return make_subject(request.param)


def asked(*turns: Turn, **parts: Any) -> GenerationRequest:
    return GenerationRequest(
        turns=turns or (Turn(role="user", content=SAID),),
        purpose="answer",
        user="usr_a",
        generation_id="gen_1",
        **parts,
    )


async def everything(model: LanguageModel, request: GenerationRequest) -> list[Told]:
    async with asyncio.timeout(DEADLINE_S), aclosing(model.generate(request)) as told:
        return [one async for one in told]


async def failure(model: LanguageModel, request: GenerationRequest | None = None) -> ModelFailed:
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(ModelFailed) as raised:
            await whole(model, request or asked())
    return raised.value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # the server is a thread of its own
            await asyncio.sleep(0.005)


def remembered() -> FoundMemory:
    now = datetime(2026, 1, 7, tzinfo=UTC)
    return FoundMemory(
        id="mem_1",
        tier="semantic",
        text=SAID,
        score=1.0,
        relevance=0.9,
        said_at=now,
        recorded_at=now,
    )


async def test_model_tells_pieces_and_then_the_whole_of_them(anyone: Subject) -> None:
    """The pieces together are the text, and the last thing told is the generation."""
    request = asked(question="Where is the kiln?", recalled=(remembered(),))

    *pieces, generation = await everything(anyone.model, request)

    assert len(pieces) > 1
    assert all(isinstance(piece, Delta) for piece in pieces)
    assert isinstance(generation, Generation)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Delta)) == generation.text
    assert SAID in generation.text
    assert generation.finish_reason == "stop"
    assert generation.provider == "one"
    assert generation.usage.prompt_tokens > 0
    assert generation.usage.completion_tokens > 0
    assert pickle.loads(pickle.dumps(generation)) == generation


async def test_model_counts_cached_tokens_as_part_of_the_prompt(subject: Subject) -> None:
    """Both protocols are brought to one meaning of the usage."""
    generation = await whole(subject.model, asked())

    assert generation.usage.cached_tokens == 1
    assert generation.usage.prompt_tokens > 1
    assert generation.model == "small-model-2026-01-07"


async def test_system_messages_are_kept_in_their_order(subject: Subject) -> None:
    """Nothing that the system says is lost, wherever it stands in the dialogue."""
    turns = (
        Turn(role="system", content="Be kind."),
        Turn(role="user", content="你好"),
        Turn(role="system", content="Answer in Chinese."),
        Turn(role="user", content=SAID),
    )

    await whole(subject.model, asked(*turns))

    messages = subject.body["messages"]
    if subject.protocol == "anthropic":
        assert subject.body["system"] == "Be kind.\n\nAnswer in Chinese."
        assert [message["role"] for message in messages] == ["user"]
        assert [block["text"] for block in messages[0]["content"]] == ["你好", SAID]
    else:
        assert [(one["role"], one["content"]) for one in messages] == [
            (turn.role, turn.content) for turn in turns
        ]


@pytest.mark.parametrize("structured", ["schema", "json", "prompt"])
@pytest.mark.parametrize("kind", WIRES)
async def test_output_schema_is_passed_on_in_the_way_that_is_configured(
    make_subject: MakeSubject, kind: str, structured: str
) -> None:
    """The provider gets the schema: as such, through a tool, or in words."""
    subject = make_subject(kind, structured=structured)

    generation = await whole(subject.model, asked(output=SCHEMA))

    sent = json.dumps(subject.body)
    assert "additionalProperties" in sent
    if structured == "schema" and kind == "anthropic":
        assert subject.body["output_config"]["format"]["type"] == "json_schema"
    elif structured == "schema":
        told = subject.body["response_format"]["json_schema"]
        assert told == {"name": "what_was_said", "schema": SCHEMA.schema, "strict": True}
    elif structured == "json" and kind == "anthropic":
        assert subject.body["tool_choice"]["name"] == "what_was_said"
    elif structured == "json":
        assert subject.body["response_format"] == {"type": "json_object"}
    else:
        assert not {"response_format", "output_config", "tool_choice"} & subject.body.keys()
        assert "follows this JSON schema" in sent
        return
    assert SAID in json.loads(generation.text)["said"]
    assert not generation.tool_calls
    assert generation.finish_reason == "stop"


async def test_output_schema_that_is_none_is_refused(make_subject: MakeSubject) -> None:
    """A client's schema may be anything; nobody is asked with one that cannot be put."""
    subject = make_subject("anthropic")
    nonsense = OutputSchema(name="x", schema={"type": "nothing", "properties": 7})

    assert (await failure(subject.model, asked(output=nonsense))).kind == "refused"


async def test_tool_calls_go_out_and_their_results_come_back(subject: Subject) -> None:
    """A call is put together from its pieces; its result goes to the provider with the call."""
    question = Turn(role="user", content=f"Please {USE_THE_TOOL}")

    generation = await whole(subject.model, asked(question, tools=(TOOL,)))

    call = ToolCall(id="call_7", name="search", arguments=generation.tool_calls[0].arguments)
    assert generation.tool_calls == (call,)
    assert json.loads(call.arguments) == {"query": "kiln"}
    assert generation.finish_reason == "tool_calls"
    assert generation.text == ""

    calling = Turn(role="assistant", tool_calls=generation.tool_calls)
    result = Turn(role="tool", tool_call_id=call.id, content="in the shed")
    answer = await whole(subject.model, asked(question, calling, result, tools=(TOOL,)))

    assert "in the shed" in answer.text
    sent = json.dumps(subject.body["messages"])
    assert sent.count("call_7") == 2


async def test_sampling_is_passed_on(make_subject: MakeSubject) -> None:
    """What the request says about sampling reaches the provider."""
    subject = make_subject("openai_compatible")

    await whole(
        subject.model,
        asked(temperature=0.5, top_p=0.9, seed=7, stop=("END",), max_tokens=12),
    )

    sampling = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["END"], "max_tokens": 12}
    assert {name: subject.body[name] for name in sampling} == sampling


async def test_request_goes_without_a_setting_that_the_model_does_not_know(
    make_subject: MakeSubject,
) -> None:
    """Models that reason refuse a temperature; they are asked without it from then on."""
    subject = make_subject("openai")
    subject.server.unknown = frozenset({"temperature"})

    for _ in range(2):
        assert SAID in (await whole(subject.model, asked())).text

    tried = ["temperature" in one.body for one in subject.server.asked]
    assert tried == [True, False, False]


async def test_closing_cancels_the_request_at_the_provider(subject: Subject) -> None:
    """Who reads no further makes the provider stop."""
    subject.server.script(Behaviour(piece_s=0.2))
    async with aclosing(subject.model.generate(asked())) as told:
        assert isinstance(await anext(told), Delta)

    await until(lambda: subject.server.cancelled == 1)
    assert subject.server.answered == 0


async def test_cancelled_task_cancels_the_request_at_the_provider(subject: Subject) -> None:
    """A task that is cancelled while the provider is silent leaves no request behind."""
    subject.server.script(Behaviour(misdeed="silent"))
    waiting = asyncio.create_task(whole(subject.model, asked()))
    await until(lambda: bool(subject.server.asked))

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: subject.server.cancelled == 1)


MISDEEDS = [
    (Behaviour.limited(), "rate_limited"),
    (Behaviour.http(500), "unavailable"),
    (Behaviour.http(503), "unavailable"),
    (Behaviour.http(529, "overloaded_error"), "unavailable"),
    (Behaviour.http(504), "timed_out"),
    (Behaviour.http(401, "invalid_api_key"), "unauthorized"),
    (Behaviour.http(429, "insufficient_quota"), "unauthorized"),
    (Behaviour.http(404, "model_not_found"), "refused"),
    (Behaviour.http(400, "context_length_exceeded"), "refused"),
    (Behaviour(misdeed="cuts"), "cut_off"),
    (Behaviour(misdeed="cuts", pieces=0), "cut_off"),
    (Behaviour(misdeed="ends"), "cut_off"),
    (Behaviour(misdeed="garbage"), "cut_off"),
    (Behaviour(misdeed="error_in_stream"), "unavailable"),
    (Behaviour(misdeed="empty"), "invalid"),
    (Behaviour(misdeed="filtered"), "refused"),
]


@pytest.mark.parametrize(
    ("behaviour", "kind"), MISDEEDS, ids=lambda one: getattr(one, "misdeed", one)
)
async def test_misdeed_is_told_by_its_kind(
    subject: Subject, behaviour: Behaviour, kind: str
) -> None:
    """Whatever goes wrong is one failure of the right kind, with neither key nor prompt in it."""
    subject.server.script(behaviour)

    failed = await failure(subject.model)

    assert failed.kind == kind
    (attempt,) = failed.failures
    assert (attempt.kind, attempt.provider, attempt.attempt) == (kind, "one", 1)
    assert attempt.generation_id == "gen_1"
    told = repr((failed, failed.failures))
    assert KEY not in told
    assert "kiln" not in told or kind == "invalid"
    again = pickle.loads(pickle.dumps(failed))
    assert (again.kind, again.failures, again.message) == (kind, failed.failures, failed.message)


async def test_provider_that_is_not_there_is_unavailable(make_subject: MakeSubject) -> None:
    """Nobody listens where the provider should be."""
    subject = make_subject("openai_compatible")
    subject.server.stop()

    assert (await failure(subject.model)).kind == "unavailable"


@pytest.mark.parametrize("kind", [*WIRES, "failover"])
@pytest.mark.parametrize("misdeed", ["silent", "stalls"])
async def test_provider_that_takes_too_long_is_given_up(
    make_subject: MakeSubject, kind: str, misdeed: Any
) -> None:
    """Silence before the first piece, and in the middle, ends in time and cancels the request."""
    subject = make_subject(kind, first_token_s=0.2, deadline_s=0.4)
    subject.server.script(Behaviour(misdeed=misdeed))

    assert (await failure(subject.model)).kind == "timed_out"
    await until(lambda: subject.server.cancelled == 1)


@pytest.mark.parametrize("told", ["seconds", "date"])
async def test_wait_that_the_provider_asks_for_is_read(subject: Subject, told: str) -> None:
    """Retry-After comes in seconds or as a date."""
    subject.server.script(Behaviour.limited("30" if told == "seconds" else in_seconds(30)))

    failed = await failure(subject.model)

    assert failed.retry_after_s == pytest.approx(30, abs=3)
