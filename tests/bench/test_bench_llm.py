"""The pure parts of `mirix bench llm`, over ways whose pace is known; `make bench-llm` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from cluster.bench_llm import WARM_UPS, Stream, body_of, content_of, pace_of
from cluster.bench_llm_gateway import (
    at_rest,
    bare_read,
    figures,
    our_read,
    prompt_like,
    settings_for,
)
from cluster.bench_llm_pace import Pace, Timed, added, against, pace, prompts
from cluster.data_dir import DataDir
from cluster.tiny_model import make_chat_model, make_large_configuration
from cluster.wiring import runs_models, serve_settings
from events.errors import Unavailable
from serve.settings import ServeSettings
from serve.vllm_settings import VllmSettings


def way(asked: list[int]) -> Stream:
    """Return a way whose tokens come two in a piece, after the first."""

    async def stream(number: int, tokens: int) -> AsyncGenerator[object, None]:
        asked.append(number)
        yield 1
        for _ in range((tokens - 1) // 2):
            await asyncio.sleep(0)
            yield 2

    return stream


def timed(first_s: float, last_s: float, tokens: int = 11, prompt: int = 0) -> Timed:
    """Return an answer with these times."""
    return Timed(first_s=first_s, last_s=last_s, tokens=tokens, prompt_tokens=prompt)


async def test_every_request_of_a_way_is_asked_once() -> None:
    """Warm-ups, one after the other, all at once; no prompt is asked for twice."""
    asked: list[int] = []

    found = await pace_of(way(asked), requests=4, tokens=11)

    assert len(set(asked)) == len(asked) == WARM_UPS + 8
    assert found.tokens_per_s > 0


def test_pace_is_that_of_the_answers() -> None:
    """Medians of single requests, about the slowest first token, the rate of all at once."""
    alone = [timed(0.010, 0.030), timed(0.012, 0.052), timed(0.100, 0.400)]
    together = [timed(0.1, 0.5, tokens=10), timed(0.2, 0.5, tokens=20)]

    found = pace(alone, together, 0.5)

    assert found.first_token_ms == 12
    assert 95 < found.first_token_p99_ms <= 100
    assert found.between_tokens_ms == 4
    assert found.tokens_per_s == 60


def test_answer_of_one_token_has_no_time_between_tokens() -> None:
    """There is nothing to divide by."""
    assert timed(0.1, 0.1, tokens=1).between_s == 0


def test_way_is_told_against_the_bare_engine() -> None:
    """What it loses of the rate, what it adds to the times."""
    bare = Pace(
        tokens_per_s=400.0, first_token_ms=10.0, first_token_p99_ms=12.0, between_tokens_ms=2.0
    )
    other = Pace(
        tokens_per_s=300.0, first_token_ms=14.5, first_token_p99_ms=20.0, between_tokens_ms=2.5
    )

    told = against(bare, other)

    assert told["lost_tokens_per_s"] == "25.0%"
    assert told["added_first_token_ms"] == pytest.approx(4.5)
    assert told["added_between_tokens_ms"] == pytest.approx(0.5)
    assert figures(other, bare)["lost_tokens_per_s"] == "25.0%"


def test_gateway_adds_what_the_pairs_differ_by() -> None:
    """Within a pair: that the machine was slower during one of them adds nothing."""
    pairs = [
        (timed(0.015, 0.035), timed(0.010, 0.020)),
        (timed(0.016, 0.037), timed(0.010, 0.020)),
        (timed(0.505, 1.516), timed(0.500, 1.500)),
    ]

    assert added(pairs) == {"added_first_token_ms": 5.0, "added_between_tokens_ms": 1.1}


def test_prompts_are_told_by_their_medians() -> None:
    """Whoever reads the figures sees that both ways were asked for as much."""
    asked = [timed(0, 0, prompt=400), timed(0, 0, prompt=500), timed(0, 0, prompt=900)]

    assert prompts(asked) == {"prompt_tokens": 500, "cached_tokens": 0}


def test_prompts_differ_from_their_first_word() -> None:
    """No answer profits from the prefix of another."""
    first, second = body_of(1, 8), body_of(2, 8)

    assert first["messages"][0]["content"][:2] != second["messages"][0]["content"][:2]
    assert first["ignore_eos"] is True


@pytest.fixture(scope="module", params=["tiny", "large"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    """Return the tokenizer of either model of the benchmark."""
    directory = tmp_path_factory.mktemp("model")
    if request.param == "tiny":
        make_chat_model(directory, words_only=True)
    else:
        make_large_configuration(directory)
    return Tokenizer.from_file(str(directory / "tokenizer.json"))


@pytest.mark.parametrize(("length", "shared"), [(400, 0), (513, 320), (700, 672), (64, 32)])
def test_bare_endpoint_is_asked_for_as_many_tokens(
    tokenizer: Tokenizer, length: int, shared: int
) -> None:
    """The prompt has the length of ours, and shares with the next as much as ours does."""
    prompts_of = [
        f"<|im_start|>user\n{prompt_like(tokenizer, number, length, shared)}<|im_end|>\n"
        "<|im_start|>assistant\n"
        for number in (123_456, 654_321)
    ]

    first, second = (tokenizer.encode(text).ids for text in prompts_of)

    same = next(place for place in range(length) if first[place] != second[place])
    assert len(first) == len(second) == length
    assert same == max(shared, 3)  # the chat template's beginning is the same for all


def test_only_chunks_with_words_count() -> None:
    """The opening, the end and the usage are not tokens."""
    assert content_of({"choices": [{"delta": {"content": "x"}}]})
    assert content_of({"choices": [{"delta": {"content": ""}}]})
    assert not content_of({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    assert not content_of({"choices": []})


def test_bare_endpoint_is_read() -> None:
    """What shows counts; the usage stands in a chunk of its own."""
    used = {"prompt_tokens": 9, "completion_tokens": 4}

    assert bare_read({"choices": [{"delta": {"content": "x"}}]}) == (True, None)
    assert bare_read({"choices": [{"delta": {"role": "assistant", "content": ""}}]})[0] is False
    assert bare_read({"choices": [], "usage": used}) == (False, used)


def test_our_stream_is_read() -> None:
    """Pieces of the answer count; its end holds the usage; a quotation or an error is no answer."""
    used = {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 0}

    assert our_read({"event": "start", "data": {}}, "bench") == (False, None)
    assert our_read({"event": "content", "data": {"text": "x"}}, "bench") == (True, None)
    whole = {"event": "complete", "data": {"model": "bench", "usage": used}}
    assert our_read(whole, "bench") == (False, used)
    with pytest.raises(Unavailable, match="extractive"):
        our_read({"event": "complete", "data": {"model": "extractive"}}, "bench")
    with pytest.raises(Unavailable, match="too late"):
        our_read({"event": "error", "data": {"text": "too late"}}, "bench")


def test_system_is_at_rest_when_no_agent_has_work() -> None:
    """Neither events ahead nor anything begun."""
    idle = {"lag": 0, "open": 0}

    assert at_rest({"agents": [idle, idle]})
    assert not at_rest({"agents": [idle, {"lag": 1, "open": 0}]})
    assert not at_rest({"agents": [idle, {"lag": 0, "open": 1}]})


def test_system_of_the_benchmark_asks_the_model_that_is_served(tmp_path: Path) -> None:
    """By the name of its application, before any other, at the address that Serve has already."""
    make_chat_model(tmp_path / "bench")
    data = DataDir(tmp_path / "data")
    data.prepare()
    model = VllmSettings(model=str(tmp_path / "bench"), name="bench", gpus=0)

    settings = settings_for(data, model, ServeSettings(port=12_345))

    assert runs_models(settings)
    (provider,) = settings.models
    assert (provider.kind, provider.model) == ("vllm", model.served_name)
    served = serve_settings(settings)
    assert (served.host, served.port) == (ServeSettings().host, 12_345)
    assert served.model_kinds[0] == "vllm"
