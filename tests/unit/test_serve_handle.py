"""A model behind a deployment's handle: what its chunks and its failures become.

The deployment is a real one, in Ray Serve's local mode, and says what it is told to; real vLLM
answers in tests/llm.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from ray import serve
from ray.serve.exceptions import BackPressureError

from actors.models.port import Delta, Generation, ModelFailed, ToolCall, Turn, whole
from actors.models.port import GenerationRequest as Request
from actors.models.serve_handle import ServeModel
from actors.models.settings import ProviderSettings
from events.catalogue import Usage


class Scripted:
    """Says chunks; an exception among them is raised."""

    def __init__(self, script: Sequence[Any]) -> None:
        self._script = script

    async def ask(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        for one in self._script:
            if isinstance(one, Exception):
                raise one
            yield json.dumps(one)


def model(*script: Any) -> ServeModel:
    """Return a model that says this."""
    application = serve.deployment(Scripted).bind(script)
    handle = serve.run(application, name=uuid4().hex, route_prefix=None, _local_testing_mode=True)
    return ServeModel(ProviderSettings(name="local", kind="vllm", model="tiny"), handle)


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """Return a chunk."""
    return {"model": "tiny", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


USED = {
    "model": "tiny",
    "choices": [],
    "usage": {
        "prompt_tokens": 40,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 32},
    },
}
REQUEST = Request(
    turns=(Turn(role="user", content="a secret word"),),
    purpose="answer",
    user="somebody",
    generation_id="g1",
)


async def test_chunks_become_pieces_and_a_whole() -> None:
    """Text, the reason of the end and the tokens that the prefix cache gave."""
    said = model(
        piece(role="assistant", content=""), piece(content="Hel"), piece("stop", content="lo"), USED
    )

    told = [one async for one in said.generate(REQUEST)]

    assert told[:-1] == [Delta(text="Hel"), Delta(text="lo")]
    answer = told[-1]
    assert isinstance(answer, Generation)
    assert (answer.text, answer.finish_reason, answer.model) == ("Hello", "stop", "tiny")
    assert answer.usage == Usage(prompt_tokens=40, completion_tokens=2, cached_tokens=32)


async def test_pieces_of_a_tool_call_become_one_call() -> None:
    """The name comes first, the arguments in pieces."""

    def call(**fields: Any) -> dict[str, Any]:
        return piece(tool_calls=[{"index": 0, **fields}])

    said = model(
        call(id="c1", function={"name": "look_up", "arguments": ""}),
        call(function={"arguments": '{"what": '}),
        call(function={"arguments": '"lake"}'}),
        piece("tool_calls"),
        USED,
    )

    answer = await whole(said, REQUEST)

    assert answer.tool_calls == (ToolCall(id="c1", name="look_up", arguments='{"what": "lake"}'),)
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (
            [{"error": {"message": "a secret word", "type": "BadRequestError", "code": 400}}],
            "refused",
        ),
        ([{"error": {"message": "", "type": "NotFoundError", "code": 404}}], "refused"),
        ([{"error": {"message": "", "type": "Busy", "code": 429}}], "rate_limited"),
        ([{"error": {"message": "", "type": "InternalServerError", "code": 500}}], "unavailable"),
        (
            [piece(content="Hel"), {"error": {"type": "InternalServerError", "code": 500}}],
            "cut_off",
        ),
        ([BackPressureError(num_queued_requests=9, max_queued_requests=8)], "rate_limited"),
        ([piece(content="Hel")], "cut_off"),
        ([piece(content="Hel"), ValueError("no JSON")], "cut_off"),
    ],
    ids=["400", "404", "429", "500", "500-later", "queue-full", "no-end", "unreadable"],
)
async def test_failure_has_the_kind_of_its_cause(script: list[Any], kind: str) -> None:
    """What the engine refused, what Serve would not take, what broke off."""
    with pytest.raises(ModelFailed) as failed:
        await whole(model(*script), REQUEST)

    assert failed.value.kind == kind
    (attempt,) = failed.value.failures
    assert attempt.kind == kind
    assert "secret" not in attempt.detail
