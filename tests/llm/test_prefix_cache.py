"""Six agents read one message: the shared first part of their prompts is computed once."""

from __future__ import annotations

import asyncio

from actors.models.port import Turn, whole
from actors.names import OWNER_OF
from events.memory import TIERS
from tests.llm.conftest import Models, request

#: What the six have alike, about 600 tokens of the tiny tokenizer.
SHARED = "\n".join(
    f"message {number}: the user went hiking with a friend and had dinner by the lake."
    for number in range(40)
)


async def hit_rate(models: Models, about: str, *, at_once: bool) -> float:
    """Ask for the six tiers; return the part of their prompts' tokens that the cache gave."""
    model = models.model()
    asked = [
        request(
            turns=(
                Turn(role="system", content=f"{about}\n{SHARED}"),
                Turn(role="user", content=f"Extract what belongs to the {OWNER_OF[tier]} tier."),
            ),
            max_tokens=4,
        )
        for tier in TIERS
    ]
    if at_once:
        answers = await asyncio.gather(*(whole(model, one) for one in asked))
    else:
        answers = [await whole(model, one) for one in asked]
    assert len(answers) == 6
    cached = sum(answer.usage.cached_tokens for answer in answers)
    return cached / sum(answer.usage.prompt_tokens for answer in answers)


async def test_six_prompts_cost_little_more_than_one(models: Models) -> None:
    """Five of six prompts come from the cache but for their ends: five sixths, less the ends."""
    in_turn = await hit_rate(models, "one after the other", at_once=False)
    together = await hit_rate(models, "all at once", at_once=True)

    print(f"prefix-cache hit rate of six prompts: {in_turn:.1%} in turn, {together:.1%} at once")
    assert in_turn > 0.75
    assert together > 0.6
