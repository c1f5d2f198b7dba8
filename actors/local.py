"""All nine agents of every shard in one process and one event loop: for tests and small tools.

The same shells, deciders and projections as on a cluster; only the hosting differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.agent import AgentProcess
from actors.backend import AgentsBackend
from actors.embedding import Embedder
from actors.embedding_queue import LocalEmbedding
from actors.models.settings import ModelSettings
from actors.names import AGENTS, Agent
from actors.past.past import Past
from actors.past.queries import PastQuery
from actors.queries import Query
from actors.settings import RankingSettings
from events.journal import Journal
from events.signals import Signals
from projections.snapshots import NoSnapshots, SnapshotStore


def local_agents(
    journal: Journal,
    signals: Signals,
    embedder: Embedder,
    snapshots: Callable[[Agent], SnapshotStore] = lambda agent: NoSnapshots(),
    models: ModelSettings | None = None,
    ranking: RankingSettings | None = None,
    others: Sequence[Embedder] = (),
    give_way_s: float = 0.0,
) -> dict[Agent, AgentProcess]:
    """Return the nine agents of a shard, not yet running."""
    agents: dict[Agent, AgentProcess] = {}

    async def ask(agent: Agent, query: Query, min_position: int, timeout_s: float) -> Any:
        return await agents[agent].ask(query, min_position=min_position, timeout_s=timeout_s)

    agents |= {
        agent: AgentProcess(
            agent,
            journal=journal,
            signals=signals,
            snapshots=snapshots(agent),
            embedding=LocalEmbedding(embedder, *others),
            ask=ask,
            models=models,
            questions=LocalEmbedding(embedder, *others),
            ranking=ranking,
            retry_wait_s=0.05,
            give_way_s=give_way_s,
        )
        for agent in AGENTS
    }
    return agents


@asynccontextmanager
async def local_backend(
    journals: Sequence[Journal],
    signals: Signals,
    embedder: Embedder,
    models: ModelSettings | None = None,
    ranking: RankingSettings | None = None,
    others: Sequence[Embedder] = (),
) -> AsyncIterator[AgentsBackend]:
    """Run all agents of all shards while the context lasts; yields the gateway's backend.

    `embedder` is the system's own; `others` are there for people whose vectors are of those.
    """
    shards = [
        local_agents(journal, signals, embedder, models=models, ranking=ranking, others=others)
        for journal in journals
    ]

    async def ask(
        shard: int, agent: Agent, query: Query, min_position: int, timeout_s: float
    ) -> Any:
        return await shards[shard][agent].ask(query, min_position=min_position, timeout_s=timeout_s)

    pasts = [
        Past(
            journal,
            snapshots=NoSnapshots(),
            embedding=LocalEmbedding(embedder, *others),
            keys=journal.codec.keys,
            ranking=ranking,
        )
        for journal in journals
    ]

    async def ask_past(shard: int, query: PastQuery, timeout_s: float) -> Any:
        return await pasts[shard].ask(query, timeout_s=timeout_s)

    backend = AgentsBackend(journals, signals, ask, ask_past, LocalEmbedding(embedder))
    await backend.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(agent.run()) for agents in shards for agent in agents.values()]
        try:
            yield backend
        finally:
            for task in tasks:
                task.cancel()
            for past in pasts:
                await past.close()
            await backend.stop()
