"""Which model a text is embedded by, and what is done without one that is gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from actors.deciders.search import SearchDecider
from actors.effects import EmbedMemory, EmbedMessage
from actors.embedding import Embedded, HashEmbedder, ModelNotServed
from actors.embedding_models import EmbeddingModels, OneModel
from actors.embedding_queue import EmbeddingQueue, LocalEmbedding
from actors.execution import Plan, Step
from actors.finding import Question, question_of, vector_of
from actors.onnx_graph import model_id, precision_of
from actors.queries import SearchMemories
from events.catalogue import MemoryEmbedded, MessageEmbedded
from events.errors import Unavailable
from events.memory import texts_hash
from tests.unit.builders import event_of, said
from tests.unit.test_shell import new_execution

OWN, OTHER = HashEmbedder(), HashEmbedder(16)


class Away:
    """A model that cannot be reached."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        raise Unavailable("it does not answer")


class Opening:
    """Opens models by their names, and notes which."""

    def __init__(self, model: OneModel) -> None:
        self.names: list[str] = []
        self._model = model

    def __call__(self, name: str) -> OneModel:
        self.names.append(name)
        return self._model


def searching(method: str = "hybrid") -> SearchMemories:
    return SearchMemories(user="usr_ann", tenant="org", query="kettles", method=method)  # type: ignore[arg-type]  # one of its literals


async def test_own_model_is_asked_by_its_name_or_without_one() -> None:
    """Others are opened where they are first asked for, and kept."""
    opening = Opening(EmbeddingQueue(OTHER))
    models = EmbeddingModels("hash-64", EmbeddingQueue(OWN), opening)
    assert (await models.embed(["tap"])).model == "hash-64"
    assert (await models.embed(["tap"], "hash-64")).model == "hash-64"
    assert opening.names == []
    beside = models.asking(EmbeddingQueue(OWN))
    for service in (models, beside, models):
        assert (await service.embed(["tap"], "hash-16")).vectors.shape == (1, 16)
    assert opening.names == ["hash-16"]


async def test_own_model_that_is_away_is_waited_for_and_another_is_not() -> None:
    """Who asks for another goes on without it: it may be gone for good."""
    models = EmbeddingModels("hash-64", Away(), Opening(Away()))
    with pytest.raises(Unavailable) as own:
        await models.embed(["tap"])
    assert not isinstance(own.value, ModelNotServed)
    with pytest.raises(ModelNotServed, match="bge is not served"):
        await models.embed(["tap"], "bge")


async def test_vectors_under_another_name_are_refused() -> None:
    """They would not compare with those of the person."""
    models = EmbeddingModels("hash-64", EmbeddingQueue(OWN), Opening(EmbeddingQueue(OTHER)))
    with pytest.raises(ModelNotServed, match="hash-16 is served in the place of bge"):
        await models.embed(["tap"], "bge")


def test_packaged_models_are_known_by_their_recorded_names() -> None:
    """So a person's vectors of them can be searched whatever the settings say."""
    assert precision_of(model_id("int8")) == "int8"
    assert precision_of(model_id("fp32")) == "fp32"
    assert precision_of("bge-m3") is None


async def test_question_goes_by_words_alone_where_its_model_is_gone() -> None:
    """Unless vectors are all that is to be searched."""
    embedding = LocalEmbedding(OWN)
    vector = await vector_of(embedding, searching(), Question("kettles", "hash-64"))
    assert vector is not None
    np.testing.assert_array_equal(vector, OWN.embed(["kettles"])[0])
    assert await vector_of(embedding, searching(), Question("kettles", "bge")) is None
    with pytest.raises(ModelNotServed):
        await vector_of(embedding, searching("embedding"), Question("kettles", "bge"))
    index = SearchDecider().projection.index
    assert question_of(index, searching()) == Question("kettles", "")
    assert question_of(index, searching("bm25")) is None


async def test_passages_are_embedded_by_the_models_that_are_there() -> None:
    """A model that is gone keeps nobody waiting; the hash says of which texts the vectors are."""
    plan = Plan(event_of(said("tap")))
    effects = (
        EmbedMessage(message_id="m1", text="tap"),
        EmbedMessage(message_id="m1", text="tap", model="bge"),
        EmbedMessage(message_id="m1", text="tap", model="hash-16"),
        EmbedMemory(tier="core", memory_id="mem", texts=("a", "b"), first=3, model="hash-16"),
    )
    plan.steps = [Step(effect, []) for effect in effects]
    await new_execution(LocalEmbedding(OWN, OTHER)).complete([plan])
    assert plan.failure is None
    own, gone, other, memory = (step.payloads for step in plan.steps)
    assert gone == []
    models = [one.model for one in (*own, *other) if isinstance(one, MessageEmbedded)]
    assert models == ["hash-64", "hash-16"]
    (embedded,) = memory
    assert isinstance(embedded, MemoryEmbedded)
    assert (embedded.model, embedded.first, len(embedded.vectors)) == ("hash-16", 3, 2)
    assert embedded.text_hash == texts_hash(("a", "b"))
