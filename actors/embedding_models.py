"""The system's embedding model, and whichever others some people's vectors are still of.

A person's questions are embedded by the model that made their vectors. That is the system's own,
but while people are being moved to another one (`docs/adr/0013`), and for whoever asks as of a
moment before they were. Such a model is opened where it is asked for, and kept: the local ones from
the weights that their package carries, any other by its name on Ray Serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from actors.embedding import Embedded, Embedder, ModelNotServed
from actors.onnx_graph import Precision, model_id, precision_of
from actors.settings import ActorSettings
from events.errors import Unavailable

#: So many texts take less time here than the way to another process.
FEW_TEXTS = 4


class OneModel(Protocol):
    """An embedding model, wherever it runs."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them.

        Raises:
            Unavailable: it cannot be reached at the moment.
        """
        ...


class FewHere:
    """A model of this process for a few texts, the one that all share for many.

    A message that comes alone is embedded where its question was, or will be: once for both.
    """

    def __init__(self, here: OneModel, there: OneModel) -> None:
        self._here = here
        self._there = there

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them."""
        return await (self._here if len(texts) <= FEW_TEXTS else self._there).embed(texts)


class EmbeddingModels:
    """The models by their names, behind the port `actors.ports.EmbeddingService`.

    Args:
        own_id: what vectors of the system's model are recorded under.
        own: the system's model.
        open_other: opens the model that a name stands for; may take its time.
    """

    def __init__(self, own_id: str, own: OneModel, open_other: Callable[[str], OneModel]) -> None:
        self.own = own
        self._own_id = own_id
        self._open_other = open_other
        self._others: dict[str, OneModel] = {}
        self._opening = asyncio.Lock()

    def asking(self, own: OneModel) -> EmbeddingModels:
        """Return the same models, with another way to the system's own."""
        beside = EmbeddingModels(self._own_id, own, self._open_other)
        beside._others, beside._opening = self._others, self._opening
        return beside

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        """Return one vector a text, and the model that made them; empty: the system's own.

        Raises:
            ModelNotServed: another than the system's cannot be reached.
            Unavailable: the system's cannot be reached at the moment.
        """
        if model in ("", self._own_id):
            return await self.own.embed(texts)
        try:
            embedded = await (await self._other(model)).embed(texts)
        except Unavailable as error:
            raise ModelNotServed(
                f"the embedding model {model} is not served; serve it, or `mirix reembed` ({error})"
            ) from error
        if embedded.model != model:
            raise ModelNotServed(f"{embedded.model} is served in the place of {model}")
        return embedded

    async def _other(self, model: str) -> OneModel:
        async with self._opening:
            if model not in self._others:
                self._others[model] = await asyncio.to_thread(self._open_other, model)
            return self._others[model]


def own_model(settings: ActorSettings) -> str:
    """Return what vectors of the system's model are recorded under."""
    return settings.embedding_model or model_id(settings.embedder_precision)


def open_model(settings: ActorSettings, model: str) -> OneModel:
    """Open a model by the name that its vectors are recorded under."""
    precision = precision_of(model)
    if precision is None:
        from actors.models.serve_handle import ServeEmbedding  # with Ray Serve, where it is used

        return ServeEmbedding(model)
    from actors.embedding_queue import EmbeddingQueue

    return EmbeddingQueue(build_embedder(settings, 1, precision))


def build_embedder(
    settings: ActorSettings, threads: int, precision: Precision | None = None
) -> Embedder:
    """Load a local model, to run on so many cores; the first time it is built."""
    from actors.onnx_embedder import OnnxEmbedder  # most processes do not need it

    return OnnxEmbedder(
        settings.models_dir,
        threads=threads,
        precision=precision or settings.embedder_precision,
    )
