"""The language model of a fork: which one is meant, and how it is asked about the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from actors.asking import Asking
from actors.effects import Generate
from actors.extraction.asking import ModelExtractor
from actors.extraction.extractor import RuleExtractor
from actors.models.build import build_model
from actors.models.settings import ModelSettings, ProviderSettings
from actors.names import Agent
from actors.past.fork import StateAt
from actors.past.told import Live
from actors.queries import GetWindow, Window
from actors.readers import read
from events.catalogue import Payload
from events.envelope import Event
from events.errors import CommandRejected
from events.hints import hint

if TYPE_CHECKING:
    from actors.extraction.extractor import Extractor

#: `--extractor model`, or `model:NAME` for a provider or its model.
MODEL = "model"


def means_model(extractor: str) -> bool:
    """Say whether a language model is to extract."""
    return extractor == MODEL or extractor.startswith(f"{MODEL}:")


class ForkModel:
    """Who extracts in a fork, whom that asks, and whose recorded generations fit."""

    def __init__(
        self, extractor: Extractor | ModelExtractor, providers: ModelSettings | None, prefer: str
    ) -> None:
        self.extractor = extractor
        self.prefer = prefer
        self.providers = providers

    @property
    def needs_ray(self) -> bool:
        """Whether a model on the system's own Ray may be asked."""
        return self.providers is not None and any(
            one.kind == "vllm" for one in self.providers.providers
        )

    def live(self, state_at: StateAt) -> Live | None:
        """Return what asks a model; None when there is none to be asked."""
        if self.providers is None:
            return None
        model = build_model(self.providers)
        conversations = PastConversations(state_at)

        async def ask(agent: Agent, cause: Event, asked: Generate) -> Sequence[Payload]:
            return await Asking(agent, model, conversations, self.prefer).ask(cause, asked)

        return ask


class PastConversations:
    """Conversations as they were before a message."""

    def __init__(self, state_at: StateAt) -> None:
        self._state_at = state_at

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        """Return the last messages of a conversation before a position, and its summary then.

        Answers that were given after it are never there (`answered` asks for those).
        """
        projection = await self._state_at("chat", user, before - 1)
        query = GetWindow(
            user=user, conversation=conversation, before=before, limit=limit, answered=answered
        )
        window: Window = read(projection, query, None)
        return window


def fork_model(extractor: str, settings: ModelSettings) -> ForkModel:
    """Return what `model` or `model:NAME` means with the providers that are configured.

    Raises:
        CommandRejected: no provider and no model of one has that name.
    """
    name = extractor.partition(":")[2]
    askable = tuple(one for one in settings.providers if one.kind != "extractive")
    if extractor != MODEL and not any(name in (one.name, one.model) for one in askable):
        known = [word for one in askable for word in (one.name, one.model)]
        told = hint(name, known) if known else "no language model is configured (docs/models.md)"
        raise CommandRejected(f"there is no model {name!r} to ask; {told}")
    return ForkModel(
        ModelExtractor(name or _first(askable), RuleExtractor()),
        _only(settings, askable) if askable else None,
        name,
    )


def _first(askable: tuple[ProviderSettings, ...]) -> str:
    return askable[0].name if askable else "recorded"


def _only(settings: ModelSettings, askable: tuple[ProviderSettings, ...]) -> ModelSettings:
    return msgspec.structs.replace(settings, providers=askable, extraction=True)
