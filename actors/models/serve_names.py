"""Under which names models stand on Ray Serve: both ends of a handle agree on them here."""

from __future__ import annotations

import re

#: The deployment of every application that serves a model: the class of its replicas, and a name.
MODEL_DEPLOYMENT = "ServedModel:vllm"


def model_application(model: str) -> str:
    """Return the Ray Serve application that serves a model, or one of its adapters (`name:it`)."""
    name = re.sub(r"[^a-z0-9]+", "-", model.partition(":")[0].lower()).strip("-")
    return f"llm-{name}"
