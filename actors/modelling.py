"""The language model of one agent's process: who is asked, and what may still be used today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.asking import Asking
from actors.models.build import build_budgets, build_model
from actors.models.port import LanguageModel
from actors.models.settings import ModelSettings
from actors.models.usage import UsageFollower
from actors.names import OWNER_OF, Agent
from actors.ports import Conversations
from events.journal import Journal

if TYPE_CHECKING:
    from actors.extraction.asking import ModelExtractor
    from actors.extraction.extractor import Extractor


class AgentModel:
    """All configured providers as this agent asks them; kept within the budgets of the shard."""

    def __init__(
        self, agent: Agent, journal: Journal, settings: ModelSettings, shards: int
    ) -> None:
        budgets = build_budgets(settings, shards)
        self.model: LanguageModel = build_model(settings, budgets)
        self._agent = agent
        self._settings = settings
        has_limits = bool(settings.user_tokens_a_day or settings.tokens_a_day)
        self._usage = UsageFollower(journal, budgets, agent) if has_limits else None

    async def start(self) -> None:
        """Learn from the log what was used today; once, before anybody is asked."""
        if self._usage is not None:
            await self._usage.start()

    async def run(self) -> None:
        """Keep the budgets true to the log until cancelled."""
        if self._usage is not None:
            await self._usage.run()

    def asking(self, conversations: Conversations) -> Asking:
        """Return the way in which this agent's decider asks."""
        prefer = self._settings.extraction_model if self._agent in OWNER_OF.values() else ""
        return Asking(self._agent, self.model, conversations, prefer)


def model_of(
    agent: Agent, journal: Journal, settings: ModelSettings, shards: int
) -> AgentModel | None:
    """Return an agent's model; None for those that ask nobody."""
    extracts = settings.extraction and agent in OWNER_OF.values()
    if agent != "chat" and not extracts:
        return None
    return AgentModel(agent, journal, settings, shards)


def extractor_of(agent: Agent, settings: ModelSettings) -> Extractor | ModelExtractor | None:
    """Return what an agent draws findings with; None: the usual, or it draws none."""
    if not settings.extraction or agent not in OWNER_OF.values():
        return None
    # Imported where it is needed: the rules of six tiers are not small.
    from actors.extraction.asking import ModelExtractor
    from actors.extraction.extractor import RuleExtractor

    return ModelExtractor(settings.extraction_model or settings.providers[0].name, RuleExtractor())
