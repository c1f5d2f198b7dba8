"""The in-memory twin of the embedder."""

from __future__ import annotations

import numpy as np
import pytest

from actors.embedding import Embedder, HashEmbedder, to_event_bytes


def test_vectors_are_the_same_when_embedded_again_by_another_twin() -> None:
    """There is no state: a test may make a new one at any time."""
    twin: Embedder = HashEmbedder()
    texts = ["The kettle is on", "水开了", ""]
    vectors = twin.embed(texts)
    assert vectors.shape == (3, twin.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, HashEmbedder().embed(texts))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("the kettle is on the stove", "is the kettle hot", "seven green parrots"),
        ("我在杭州工作", "他在杭州读书", "明天早上八点开会"),
    ],
)
def test_texts_that_share_words_are_nearer(text: str, near: str, far: str) -> None:
    """That is all the twin knows of meaning, in English and in Chinese."""
    one, two, three = HashEmbedder(256).embed([text, near, far])
    assert one @ two > one @ three + 0.1


def test_event_bytes_are_half_precision_and_little_endian() -> None:
    """Two bytes a number, readable on any machine."""
    raw = to_event_bytes(np.array([1.0, -0.5], np.float32))
    assert np.frombuffer(raw, "<f2").tolist() == [1.0, -0.5]
