"""The embedding model, fetched from an object store and served by real vLLM."""

from __future__ import annotations

import numpy as np
import pytest

from events.errors import Unavailable
from tests.llm.conftest import Models


async def test_texts_become_vectors_of_length_one(models: Models) -> None:
    """One row a text, in their order, whatever language and length; equal texts, equal rows."""
    service = models.vectors()

    found = await service.embed(["hiking", "徒步", "", "word " * 4000, "hiking"])

    assert found.model == "tiny-embedding"
    assert found.vectors.shape == (5, 64)
    assert found.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(found.vectors[0], found.vectors[4], atol=1e-4)
    assert not np.allclose(found.vectors[0], found.vectors[1], atol=1e-2)


async def test_more_texts_than_one_request_holds_keep_their_order(models: Models) -> None:
    """The requests are put together again."""
    service = models.vectors()
    texts = [f"note number {number}" for number in range(67)]

    found = await service.embed(texts)
    last = await service.embed(texts[-1:])

    assert found.vectors.shape == (67, 64)
    assert np.allclose(found.vectors[-1], last.vectors[0], atol=1e-3)


async def test_model_came_from_the_object_store(models: Models) -> None:
    """The replica fetched it with the vendor's keys; no hub was asked."""
    assert models.embedding.model.startswith("s3://")
    assert any("AKIATEST" in signed for signed in models.objects.signed_by)


async def test_unknown_model_is_unavailable(models: Models) -> None:
    """Vectors are waited for, not made up."""
    with pytest.raises(Unavailable, match="nobody"):
        await models.vectors("nobody").embed(["hiking"])
