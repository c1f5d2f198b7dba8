"""The extractive answerer as a language model."""

from __future__ import annotations

import pytest

from actors.models.extractive import ExtractiveModel
from actors.models.port import ModelFailed, OutputSchema, whole
from actors.queries import FoundMemory
from tests.unit.builders import NOON
from tests.unit.fakes.told_model import asked


def found(id: str, text: str) -> FoundMemory:
    return FoundMemory(
        id=id,
        tier="semantic",
        text=text,
        score=1.0,
        relevance=0.9,
        said_at=NOON,
        recorded_at=NOON,
    )


async def test_extractive_model_says_what_it_quoted() -> None:
    """`cited` are indices into what was recalled; what is there twice is quoted once."""
    recalled = (
        found("mem_1", "Where is the kiln?"),
        found("mem_2", "The kiln is in the shed."),
        found("mem_2", "The kiln is in the shed."),
    )

    generation = await whole(
        ExtractiveModel(), asked(question="Where is the kiln?", recalled=recalled)
    )

    assert generation.cited == (1,)
    assert "in the shed" in generation.text


@pytest.mark.parametrize("parts", [{}, {"output": OutputSchema(name="x", schema={})}])
async def test_extractive_model_refuses_what_no_quotation_can_do(parts: dict[str, object]) -> None:
    """Without a question, or with a schema, it says so instead of trying."""
    question = {} if not parts else {"question": "Who?"}

    with pytest.raises(ModelFailed) as raised:
        await whole(ExtractiveModel(), asked(**parts, **question))

    assert raised.value.kind == "refused"
