"""The embedder of a running system, over its public HTTP API: as memory itself embeds."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from actors.embedding import Embedded, ModelNotServed
from cluster.api_client import ApiClient


class HttpEmbedding:
    """Satisfies `actors.ports.EmbeddingService`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        """Return one vector a text, and the model that made them.

        Raises:
            ModelNotServed: `model` is another than the system's own.
            Unavailable: the system cannot be reached.
        """
        # The gateway takes no empty text; to a model a blank one is the same.
        told = await self._client.embeddings([text or " " for text in texts])
        if model and told["model"] != model:
            raise ModelNotServed(f"this system embeds with {told['model']}, not with {model}")
        rows = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in told["data"]]
        if model not in ("", told["model"]):
            raise ModelNotServed(f"the system embeds with {told['model']}, not with {model}")
        return Embedded(told["model"], np.array(rows, np.float32))
