"""Build the ONNX graph of all-MiniLM-L6-v2 from its weights.

Off the message path: used once per machine by the local embedder (`onnx_embedder.py`), which keeps
the built graph on disk. The weights come as safetensors without a graph; exporting one would need
PyTorch, so the six layers are written down here. Attention, skip connection with layer norm and
bias with GELU use onnxruntime's fused operators (domain `com.microsoft`).

The model is BERT (Devlin et al. 2019, arXiv:1810.04805) with 6 layers, 12 heads, width 384 (MiniLM,
Wang et al. 2020, arXiv:2002.10957), mean pooling over the unmasked tokens and an L2 norm
(Sentence-BERT, Reimers and Gurevych 2019, arXiv:1908.10084).
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from events.errors import Misconfigured

Precision = Literal["fp32", "int8"]
Weights = Mapping[str, npt.NDArray[np.float32]]

GRAPH_VERSION = 2
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS = 6
HEADS = 12
WIDTH = 384
LAYER_NORM_EPSILON = 1e-12
_FUSED = "com.microsoft"
_POINTLESS_ADVICE = (
    "Please consider to run pre-processing before quantization",
    "Failed to infer data type of tensor",
)
# Contrib operators need their domain imported; opset 17 is the first with a settled graph format.
_OPSETS = (("", 17), (_FUSED, 1))


def graph_file_name(precision: Precision) -> str:
    """Return the name under which a built graph is kept: weights, precision, graph version."""
    return f"minilm-l6-{WEIGHTS_SHA256[:12]}-{precision}-v{GRAPH_VERSION}.onnx"


def model_id(precision: Precision) -> str:
    """Return the name under which vectors are recorded: all that changes them is in it."""
    return f"all-minilm-l6-v2-{precision}-{WEIGHTS_SHA256[:8]}-v{GRAPH_VERSION}"


def precision_of(model: str) -> Precision | None:
    """Return the precision that a recorded name stands for; None: it is not of these weights."""
    known: tuple[Precision, ...] = get_args(Precision)
    return next((precision for precision in known if model_id(precision) == model), None)


def cached_graph(weights_file: Path, directory: Path, precision: Precision) -> Path:
    """Return the built graph in `directory`, building it first when it is not there.

    The file appears under its name only when complete, so that a crash or a second process never
    leaves half a graph to be loaded.

    Args:
        weights_file: the model's `model.safetensors`.
        directory: where built graphs are kept; made when missing.
        precision: `fp32`, or `int8` for dynamically quantised matrix products.

    Raises:
        Misconfigured: the weights are not those this graph was verified with.
    """
    target = directory / graph_file_name(precision)
    if target.exists():
        return target
    weights = load_weights(weights_file)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".building-") as scratch:
        built = Path(scratch) / "fp32.onnx"
        built.write_bytes(build_graph(weights).SerializeToString())
        if precision == "int8":
            built = _quantised(built, Path(scratch) / "int8.onnx")
        with built.open("rb+") as handle:
            os.fsync(handle.fileno())
        built.replace(target)
    return target


def load_weights(weights_file: Path) -> Weights:
    """Read the weights, refusing any that differ from the pinned ones.

    Raises:
        Misconfigured: the file is missing or its SHA-256 is another.
    """
    from safetensors.numpy import load_file  # needed once per machine, to build the graph

    if not weights_file.exists():
        raise Misconfigured(f"the embedder's weights are missing: {weights_file}; reinstall it")
    with weights_file.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise Misconfigured(
            f"the embedder's weights in {weights_file} have sha256 {found}, expected"
            f" {WEIGHTS_SHA256}: their vectors would not fit those in the log;"
            " reinstall the pinned package"
        )
    return load_file(weights_file)


def build_graph(weights: Weights) -> Any:
    """Return the ONNX model for these weights.

    Inputs are `input_ids` and `attention_mask`, int32 [batch, tokens], padded on the right; the
    output `embedding` is float32 [batch, 384], each row of length one.
    """
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    hidden = _embeddings(graph)
    for layer in range(LAYERS):
        hidden = _encoder_layer(graph, hidden, f"encoder.layer.{layer}.")
    _pooled(graph, hidden)
    tokens = ["batch", "tokens"]
    body = helper.make_graph(
        graph.nodes,
        "minilm_l6",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT32, tokens),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT32, tokens),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        graph.initializers,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    return helper.make_model(body, opset_imports=opsets, ir_version=9)


class _Graph:
    """Nodes and constants in the making; `node` returns the name of its output."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str, *, transpose: bool = False) -> str:
        value = self.weights[name]
        return self.constant(name, value.T if transpose else value)

    def node(
        self, kind: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any
    ) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output


def _embeddings(graph: _Graph) -> str:
    """Add words and positions; one-sentence input has token type 0, folded into the positions."""
    positions = (
        graph.weights["embeddings.position_embeddings.weight"]
        + graph.weights["embeddings.token_type_embeddings.weight"][0]
    )
    words = graph.weight("embeddings.word_embeddings.weight")
    table = graph.constant("positions", positions)
    zero = graph.constant("zero", np.array([0], np.int64))
    one = graph.constant("one", np.array([1], np.int64))
    two = graph.constant("two", np.array([2], np.int64))
    shape = graph.node("Shape", ["input_ids"], "shape")
    length = graph.node("Slice", [shape, one, two, zero], "length")
    here = graph.node("Slice", [table, zero, length, zero], "position_rows")
    gathered = graph.node("Gather", [words, "input_ids"], "word_rows")
    summed = graph.node("Add", [gathered, here], "embedded")
    norm = [graph.weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    return graph.node(
        "LayerNormalization", [summed, *norm], "hidden_0", axis=-1, epsilon=LAYER_NORM_EPSILON
    )


def _encoder_layer(graph: _Graph, hidden: str, prefix: str) -> str:
    """Self-attention and feed-forward, each followed by its skip connection and layer norm."""
    attention = prefix + "attention.self."
    packed = [
        np.concatenate(
            [graph.weights[f"{attention}{part}.{kind}"].T for part in ("query", "key", "value")],
            axis=-1,
        )
        for kind in ("weight", "bias")
    ]
    context = graph.node(
        "Attention",
        [
            hidden,
            graph.constant(prefix + "qkv.weight", packed[0]),
            graph.constant(prefix + "qkv.bias", packed[1]),
            "attention_mask",
        ],
        prefix + "context",
        domain=_FUSED,
        num_heads=HEADS,
    )
    attended = _projected_and_added(graph, context, hidden, prefix + "attention.output.")
    wide = graph.node(
        "MatMul",
        [attended, graph.weight(prefix + "intermediate.dense.weight", transpose=True)],
        prefix + "wide",
    )
    bias = graph.weight(prefix + "intermediate.dense.bias")
    # BiasGelu is the exact, erf-based GELU; FastGelu would be the tanh approximation.
    active = graph.node("BiasGelu", [wide, bias], prefix + "active", domain=_FUSED)
    return _projected_and_added(graph, active, attended, prefix + "output.")


def _projected_and_added(graph: _Graph, source: str, skip: str, prefix: str) -> str:
    weight = graph.weight(prefix + "dense.weight", transpose=True)
    projected = graph.node("MatMul", [source, weight], prefix + "projected")
    parts = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
    return graph.node(
        "SkipLayerNormalization",
        [projected, skip, *(graph.weight(prefix + part) for part in parts)],
        prefix + "normed",
        domain=_FUSED,
        epsilon=LAYER_NORM_EPSILON,
    )


def _pooled(graph: _Graph, hidden: str) -> None:
    """Sum over the unmasked tokens and scale to length one; the mean's divisor cancels out."""
    from onnx import TensorProto

    axis = graph.constant("token_axis", np.array([1], np.int64))
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    row = graph.node("Unsqueeze", [mask, axis], "mask_row")
    summed = graph.node("MatMul", [row, hidden], "summed")
    flat = graph.node("Squeeze", [summed, axis], "pooled")
    graph.node("LpNormalization", [flat], "embedding", axis=-1, p=2)


def _quantised(source: Path, target: Path) -> Path:
    """Write the graph with integer weights, one scale a column; activations scale as they come."""
    from onnx import TensorProto
    from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
        QuantType,
        quantize_dynamic,
    )

    with _without_pointless_advice():
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Seven bits: with eight, the sums of neighbours overflow on processors without VNNI.
            reduce_range=True,
            op_types_to_quantize=["MatMul", "Attention"],
            # Shape inference stops at the fused operators; all it would have typed is float32.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
    return target


@contextmanager
def _without_pointless_advice() -> Iterator[None]:
    """Keep two warnings of the quantiser out of the root logger, where it writes them.

    Pre-processing would fuse operators and infer shapes: the operators are fused already, and past
    them it infers nothing. The types it misses are those that `DefaultTensorType` gives.
    """

    def tells_something(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_POINTLESS_ADVICE)

    root = logging.getLogger()
    root.addFilter(tells_something)
    try:
        yield
    finally:
        root.removeFilter(tells_something)
