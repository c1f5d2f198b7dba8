"""Ways from one actor to another: found by name, errors made ours.

A name stays valid over restarts; while an actor restarts, calls to it are `Unavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import ray
import structlog
from ray.exceptions import RayActorError

from actors import questions
from actors.embedding import Embedded
from actors.embedding_models import EmbeddingModels, open_model, own_model
from actors.names import Agent
from actors.past.queries import PastQuery
from actors.queries import Query
from actors.settings import ActorSettings
from events.errors import MirixError, Unavailable
from events.signals import Signals

NAMESPACE = "mirix"
EMBEDDER = "embedder"

log = structlog.get_logger(__name__)


def agent_name(shard: int, agent: Agent) -> str:
    """Return the name of an agent's actor in the namespace."""
    return f"agent-{shard}-{agent}"


def past_name(shard: int) -> str:
    """Return the name of the actor that answers for a shard's past."""
    return f"past-{shard}"


class SharedEmbedding:
    """The embedder actor behind the port."""

    def __init__(self) -> None:
        self._actor: Any = None

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them.

        Raises:
            Unavailable: the embedder is restarting, or has too much before it.
        """
        try:
            if self._actor is None:
                self._actor = ray.get_actor(EMBEDDER, namespace=NAMESPACE)
            embedded: Embedded | MirixError = await self._actor.embed.remote(list(texts))
        except (RayActorError, ValueError) as error:
            raise Unavailable("the embedder is restarting; try again") from error
        if isinstance(embedded, MirixError):
            raise embedded
        return embedded


def embedding_service(settings: ActorSettings) -> EmbeddingModels:
    """Return the embedder that all agents share, and the way to other models.

    The shared one is a model on Ray Serve, or the embedder actor.
    """
    own = own_model(settings)
    shared = open_model(settings, own) if settings.embedding_model else SharedEmbedding()
    return EmbeddingModels(own, shared, partial(open_model, settings))


class ActorDirectory:
    """Finds the agents by name and asks them: over signals where that is quicker, or the actor."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._handles: dict[str, Any] = {}

    async def ask(
        self, shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
    ) -> Any:
        """Put a query to an agent.

        Raises:
            Unavailable: the agent is restarting, or did not answer in time.
            MirixError: whatever the agent answers with.
        """
        with suppress(questions.Elsewhere):
            return await questions.ask(self._signals, shard, agent, query, min_position, timeout_s)
        try:
            handle = self._handle(agent_name(shard, agent))
            async with asyncio.timeout(timeout_s + 1):
                answer = await handle.ask.remote(query, min_position, timeout_s)
        except (RayActorError, TimeoutError, ValueError) as error:
            raise Unavailable(f"agent {agent} of shard {shard} is restarting; try again") from error
        if isinstance(answer, MirixError):
            raise answer
        return answer

    async def ask_past(self, shard: int, query: PastQuery, timeout_s: float) -> Any:
        """Put a query about the past to a shard's historian.

        Raises:
            Unavailable: it is restarting, or did not answer in time.
            MirixError: whatever it answers with.
        """
        try:
            handle = self._handle(past_name(shard))
            async with asyncio.timeout(timeout_s + 1):
                answer = await handle.ask.remote(query, timeout_s)
        except (RayActorError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"the past of shard {shard} cannot be asked now; try again"
            ) from error
        if isinstance(answer, MirixError):
            raise answer
        return answer

    def _handle(self, name: str) -> Any:
        if name not in self._handles:
            self._handles[name] = ray.get_actor(name, namespace=NAMESPACE)
        return self._handles[name]
