"""The arithmetic of `mirix bench llm`, over ways whose pace is known; `make bench-llm` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cluster.bench_llm import WARM_UPS, Pace, Stream, against, body_of, content_of, pace_of


def way(first_s: float, between_s: float, asked: list[int]) -> Stream:
    """Return a way whose tokens come at this pace, two in a piece."""

    async def stream(number: int, tokens: int) -> AsyncGenerator[object, None]:
        asked.append(number)
        await asyncio.sleep(first_s)
        yield 1
        for _ in range((tokens - 1) // 2):
            await asyncio.sleep(2 * between_s)
            yield 2

    return stream


async def test_pace_is_that_of_the_way() -> None:
    """Medians of single requests, the rate of all at once, and no prompt asked for twice."""
    asked: list[int] = []

    pace = await pace_of(way(0.05, 0.01, asked), requests=4, tokens=11)

    assert 50 <= pace.first_token_ms < 80
    assert 10 <= pace.between_tokens_ms < 20
    assert 100 < pace.tokens_per_s <= 4 * 11 / 0.15
    assert len(set(asked)) == len(asked) == WARM_UPS + 8


def test_way_is_told_against_the_bare_engine() -> None:
    """What it loses of the rate, what it adds to the times."""
    bare = Pace(tokens_per_s=400.0, first_token_ms=10.0, between_tokens_ms=2.0)
    other = Pace(tokens_per_s=300.0, first_token_ms=14.5, between_tokens_ms=2.5)

    figures = against(bare, other)

    assert figures["lost_tokens_per_s"] == "25.0%"
    assert figures["added_first_token_ms"] == pytest.approx(4.5)
    assert figures["added_between_tokens_ms"] == pytest.approx(0.5)


def test_prompts_differ_from_their_first_word() -> None:
    """No answer profits from the prefix of another."""
    first, second = body_of(1, 8), body_of(2, 8)

    assert first["messages"][0]["content"][:2] != second["messages"][0]["content"][:2]
    assert first["ignore_eos"] is True


def test_only_chunks_with_words_count() -> None:
    """The opening, the end and the usage are not tokens."""
    assert content_of({"choices": [{"delta": {"content": "x"}}]})
    assert content_of({"choices": [{"delta": {"content": ""}}]})
    assert not content_of({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    assert not content_of({"choices": []})
