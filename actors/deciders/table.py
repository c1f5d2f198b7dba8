"""The nine, by name."""

from __future__ import annotations

from actors.deciders.base import Decider
from actors.deciders.chat import ChatDecider
from actors.deciders.core_memory import CoreMemoryDecider
from actors.deciders.memory import MemoryDecider, UserFingerprint
from actors.deciders.search import SearchDecider
from actors.deciders.tool import ToolDecider
from actors.names import OWNER_OF, Agent

_TIER_OF = {agent: tier for tier, agent in OWNER_OF.items()}


def decider_of(agent: Agent, fingerprint: UserFingerprint) -> Decider:
    """Return a new decider, with an empty projection, for `agent`.

    Args:
        agent: one of the nine.
        fingerprint: keyed hash of a user's secret, so that the vault knows it unopened.
    """
    match agent:
        case "chat":
            return ChatDecider()
        case "search":
            return SearchDecider()
        case "tool":
            return ToolDecider()
        case "core_memory":
            return CoreMemoryDecider(fingerprint)
        case _:
            return MemoryDecider(_TIER_OF[agent], fingerprint)
