"""The operator's words about models on vLLM, made into what `serve.vllm_app` deploys.

The tables `[vllm]` and `[vllm_embeddings]` of mirix.toml say more than `llm_model` and
`llm_embedding_model` do; their keys are the fields of `serve.vllm_settings.VllmSettings`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.settings import Settings

if TYPE_CHECKING:
    from serve.vllm_settings import VllmSettings

#: What one GPU is given of two models: most of it writes, a tenth makes vectors.
_SHARES = (0.8, 0.1)
#: More context than this is reserved only when it is asked for.
_CONTEXT_TOKENS_MAX = 16_384
_CONTEXT_TOKENS = 8192


def context_of(settings: Settings) -> int:
    """Return how many tokens the model takes in: as it is set, or else as its own file says."""
    asked = settings.vllm.get("context_tokens") or settings.llm_context_tokens
    return int(asked) or min(_context_in_file(settings.llm_model), _CONTEXT_TOKENS_MAX)


def _context_in_file(model: str) -> int:
    try:
        said = json.loads((Path(model).expanduser() / "config.json").read_bytes())
        return int(said["max_position_embeddings"])
    except (OSError, ValueError, TypeError, KeyError):
        return _CONTEXT_TOKENS


def vllm_models(settings: Settings, gpus: float) -> tuple[VllmSettings, ...]:
    """Return what to deploy on a cluster with so many GPUs; without any, on its processors.

    Raises:
        Misconfigured: what is said of a model does not fit together, or its directory is empty.
    """
    from serve.vllm_settings import VllmSettings

    alone = not settings.llm_embedding_model
    shares = (0.0, 0.0) if gpus < 1 else (1.0, 0.0) if alone else _SHARES
    chat = {"gpus": shares[0], "context_tokens": context_of(settings), **settings.vllm}
    models = [VllmSettings(model=settings.llm_model, **chat)]
    if not alone:
        vectors = {"gpus": shares[1], **settings.vllm_embeddings}
        models.append(VllmSettings(model=settings.llm_embedding_model, kind="embedding", **vectors))
    for model in models:
        model.check_directory()
    return tuple(models)
