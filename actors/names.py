"""The nine agents, by name."""

from __future__ import annotations

from typing import Literal, get_args

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

#: The agent that owns a tier: the only writer of its memory events.
OWNER_OF: dict[Tier, Agent] = {
    "core": "core_memory",
    "episodic": "episodic_memory",
    "semantic": "semantic_memory",
    "procedural": "procedural_memory",
    "resource": "resource_memory",
    "knowledge_vault": "knowledge_vault",
}
