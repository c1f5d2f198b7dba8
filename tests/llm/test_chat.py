"""The chat model, asked as agents ask it: through `ServeModel`, real vLLM at the other end."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    ModelFailed,
    OutputSchema,
    ToolCall,
    ToolOffered,
    Turn,
    whole,
)
from tests.llm.conftest import Models, request, until

SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["event", "fact"]},
        "title": {"type": "string", "maxLength": 12},
        "weight": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["kind", "title", "weight"],
    "additionalProperties": False,
}


#: Of a tool; nothing in it can be longer than a few tokens.
ARGUMENTS = {
    "type": "object",
    "properties": {"kind": {"enum": ["event", "fact"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


class Held(msgspec.Struct, forbid_unknown_fields=True):
    """What follows the schema."""

    kind: str
    title: str
    weight: int


async def test_answer_is_whole_when_asked(models: Models) -> None:
    """The answer has the asked-for length, its tokens are counted and its times measured."""
    answer = await whole(models.model(), request())

    assert answer.text
    assert (answer.provider, answer.model) == ("local", "tiny")
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens == 32
    assert answer.usage.prompt_tokens > 10
    assert 0 < answer.first_token_ms <= answer.duration_ms


async def test_pieces_are_told_while_the_model_goes_on(models: Models) -> None:
    """Pieces come one by one, and together they are the answer."""
    told = [one async for one in models.model().generate(request(max_tokens=100))]

    *pieces, last = told
    assert isinstance(last, Generation)
    assert len(pieces) > 20
    assert "".join(piece.text for piece in pieces if isinstance(piece, Delta)) == last.text
    assert last.first_token_ms < last.duration_ms / 2


async def test_output_follows_a_schema_though_the_weights_are_noise(models: Models) -> None:
    """The engine lets no token through that the schema does not allow."""
    asked = request(output=OutputSchema(name="held", schema=SCHEMA), max_tokens=200)

    answer = await whole(models.model(), asked)

    assert answer.finish_reason == "stop"
    # The grammar lets control characters stand in texts as they are, which strict readers refuse.
    held = msgspec.convert(json.loads(answer.text, strict=False), Held)
    assert held.kind in ("event", "fact")
    assert 0 <= held.weight <= 9


async def test_tool_is_called_when_the_model_has_to(models: Models) -> None:
    """The engine's pieces of a call become one call with JSON arguments."""
    from ray import serve

    from actors.models.serve_names import MODEL_DEPLOYMENT

    handle = serve.get_deployment_handle(MODEL_DEPLOYMENT, models.chat.application)
    tool = ToolOffered(name="look_up", description="Look something up.", input_schema=ARGUMENTS)

    # Of two blanks in a row, the likeliest goes on for ever; a drawn one does not.
    asked = request("hi", tools=(tool,), max_tokens=300, temperature=1.0, seed=1)
    answer = await whole(models.model(handle=Insisting(handle)), asked)

    (call,) = answer.tool_calls
    assert call.name == "look_up"
    assert call.id
    assert msgspec.json.decode(call.arguments) in ({"kind": "event"}, {"kind": "fact"})


class Insisting:
    """A handle that has the model call a tool: of itself, a random one never would."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def options(self, **options: Any) -> Any:
        return Insisting(self._handle.options(**options))

    @property
    def ask(self) -> Any:
        return self

    def remote(self, body: dict[str, Any]) -> Any:
        choice = {"type": "function", "function": {"name": "look_up"}}
        return self._handle.ask.remote({**body, "tool_choice": choice})


async def test_dialogue_with_a_tools_result_is_taken(models: Models) -> None:
    """Every kind of turn reaches the model's template."""
    asked = request(
        turns=(
            Turn(role="system", content="You remember."),
            Turn(role="user", content="Where was I?"),
            Turn(role="assistant", tool_calls=(ToolCall(id="c1", name="look_up"),)),
            Turn(role="tool", tool_call_id="c1", content='{"found": "in the mountains"}'),
        )
    )

    assert (await whole(models.model(), asked)).text


async def test_adapter_says_something_else_than_its_model(models: Models) -> None:
    """A LoRA adapter is asked for by name, in the same replica."""
    plain = await whole(models.model(), request())
    adapted = await whole(models.model("tiny:other"), request())

    assert adapted.model == "tiny:other"
    assert adapted.text != plain.text


@pytest.mark.parametrize(
    ("model", "asked", "kind"),
    [
        ("tiny:nobody", request(), "refused"),
        ("nothing-of-this-name", request(), "unavailable"),
        ("tiny", request("word " * 5000), "refused"),
    ],
    ids=["wrong-adapter", "wrong-model", "over-long-prompt"],
)
async def test_failure_says_its_kind_and_nothing_of_the_prompt(
    models: Models, model: str, asked: GenerationRequest, kind: str
) -> None:
    """What cannot be answered is refused at once, with an attempt ready to be recorded."""
    with pytest.raises(ModelFailed) as failed:
        await whole(models.model(model), asked)

    assert failed.value.kind == kind
    (attempt,) = failed.value.failures
    assert (attempt.provider, attempt.kind) == ("local", kind)
    assert "word" not in attempt.detail


async def test_engine_drops_a_request_when_its_reader_goes_away(models: Models) -> None:
    """Closing the generator ends the work: by its own count the engine has nothing left to do."""
    finished = await settled(models, "ray_vllm_request_success_total")
    written = models.metric("ray_vllm_generation_tokens_total")

    async with aclosing(models.model().generate(request(max_tokens=1900))) as told:
        await anext(told)
        await anext(told)
    # The engine counts when it works: this one's end is told together with what else there is.
    await whole(models.model(), request(max_tokens=8))
    await until(lambda: models.metric("ray_vllm_request_success_total") > finished)

    assert models.metric("ray_vllm_num_requests_running") == 0
    assert models.metric("ray_vllm_generation_tokens_total") - written < 1500


async def settled(models: Models, name: str) -> float:
    """Return a count once all is in it that was before: a request of our own, told of later."""
    before = models.metric(name)
    await whole(models.model(), request(max_tokens=2))
    await until(lambda: models.metric(name) > before)
    return models.metric(name)
