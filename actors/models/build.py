"""Builds the one language model of a process out of its settings.

An SDK is imported when a provider of its kind is configured, and not before.
"""

from __future__ import annotations

import random

from actors.models.budgets import Budgets
from actors.models.extractive import ExtractiveModel
from actors.models.failover import FailoverModel, Provider
from actors.models.port import LanguageModel
from actors.models.settings import ModelSettings, ProviderSettings


def build_model(
    settings: ModelSettings,
    budgets: Budgets | None = None,
    *,
    shards: int = 1,
    rng: random.Random | None = None,
) -> FailoverModel:
    """Return all configured providers as one model.

    Args:
        settings: the providers, and how they are used.
        budgets: to be kept true to the log by a `UsageFollower`; by default new ones.
        shards: how many shards share the tokens of a day.
        rng: balances between providers of one rank.
    """
    providers = [Provider(settings=one, model=_provider(one)) for one in settings.providers]
    return FailoverModel(
        providers,
        settings,
        budgets if budgets is not None else build_budgets(settings, shards),
        rng if rng is not None else random.Random(),
    )


def build_budgets(settings: ModelSettings, shards: int = 1) -> Budgets:
    """Return the budgets of a process; the tokens of all are divided by the number of shards."""
    return Budgets(settings.user_tokens_a_day, settings.tokens_a_day, shards)


def _provider(settings: ProviderSettings) -> LanguageModel:
    match settings.kind:
        case "openai" | "openai_compatible":
            from actors.models.openai_wire import OpenAIModel

            return OpenAIModel(settings)
        case "anthropic":
            from actors.models.anthropic_wire import AnthropicModel

            return AnthropicModel(settings)
        case "vllm":
            from actors.models.serve_handle import ServeModel

            return ServeModel(settings)
        case "extractive":
            return ExtractiveModel(settings)
