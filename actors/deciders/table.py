"""The nine, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.deciders.base import Decider
from actors.names import OWNER_OF, Agent

if TYPE_CHECKING:
    from actors.chatting.summarising import SummarySettings
    from actors.deciders.memory import UserFingerprint
    from actors.deciders.settings import DeciderSettings
    from actors.extraction.asking import ModelExtractor
    from actors.extraction.extractor import Extractor

_TIER_OF = {agent: tier for tier, agent in OWNER_OF.items()}


def decider_of(
    agent: Agent,
    fingerprint: UserFingerprint,
    extractor: Extractor | ModelExtractor | None = None,
    settings: DeciderSettings | None = None,
    summarise: SummarySettings | None = None,
) -> Decider:
    """Return a new decider, with an empty projection, for `agent`.

    Args:
        agent: one of the nine.
        fingerprint: keyed hash of a user's secret, so that the vault knows it unopened.
        extractor: what the memory agents draw findings with, or whom they ask; None: the rules.
        settings: bounds of the memory agents' decisions; None: the usual ones.
        summarise: when the chat agent sums up conversations; None: never.
    """
    # Imported where they are needed: an agent's process loads its own tools, not those of all nine.
    match agent:
        case "chat":
            from actors.deciders.chat import ChatDecider

            return ChatDecider(summarise)
        case "search":
            from actors.deciders.search import SearchDecider

            return SearchDecider()
        case "tool":
            from actors.deciders.tool import ToolDecider

            return ToolDecider()
        case "core_memory":
            from actors.deciders.core_memory import CoreMemoryDecider

            return CoreMemoryDecider(fingerprint, extractor, settings)
        case _:
            from actors.deciders.memory import MemoryDecider

            return MemoryDecider(_TIER_OF[agent], fingerprint, extractor, settings)
