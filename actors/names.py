"""The nine agents, by name."""

from __future__ import annotations

from typing import Literal, get_args

from events.errors import NotFound
from events.memory import Tier

Agent = Literal[
    "core_memory",
    "episodic_memory",
    "semantic_memory",
    "procedural_memory",
    "resource_memory",
    "knowledge_vault",
    "chat",
    "search",
    "tool",
]
AGENTS: tuple[Agent, ...] = get_args(Agent)

#: The agents that own a tier.
Owner = Literal[
    "core_memory",
    "episodic_memory",
    "semantic_memory",
    "procedural_memory",
    "resource_memory",
    "knowledge_vault",
]
OWNERS: tuple[Owner, ...] = get_args(Owner)
#: The agent that owns a tier: the only writer of its memory events.
OWNER_OF: dict[Tier, Owner] = {
    "core": "core_memory",
    "episodic": "episodic_memory",
    "semantic": "semantic_memory",
    "procedural": "procedural_memory",
    "resource": "resource_memory",
    "knowledge_vault": "knowledge_vault",
}

#: The projection that an agent holds: its tier's, or its own.
PROJECTION_OF: dict[Agent, str] = {
    **{agent: tier for tier, agent in OWNER_OF.items()},
    "chat": "conversations",
    "search": "retrieval",
    "tool": "tool_calls",
}


def agents_of(projection: str | None) -> tuple[Agent, ...]:
    """Return the agents whose projection has this name (or whose own name it is); None: all.

    Raises:
        NotFound: there is no such projection.
    """
    if projection is None:
        return AGENTS
    found = tuple(agent for agent in AGENTS if projection in (agent, PROJECTION_OF[agent]))
    if not found:
        known = ", ".join(PROJECTION_OF.values())
        raise NotFound(f"{projection[:100]} is no projection; there are {known}")
    return found
