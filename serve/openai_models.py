"""What `model` may name: the default assistant, a language model, or an assistant profile."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request

from actors.queries import GetAssistant, ListAssistants
from events.catalogue import AssistantProfile
from events.errors import NotFound
from serve.context import caller_of, context_of
from serve.openai_answers import OpenAIModel
from serve.openai_dialogue import Answering
from serve.openai_errors import ModelNotFound
from serve.reading import read
from serve.routes_agents import HOME_SHARD

#: The assistant without a profile, and the models in their configured order.
DEFAULT_MODEL = "mirix"
PAGE = 200


async def answering_as(request: Request, model: str) -> Answering:
    """Return who answers when a request names `model`.

    Raises:
        ModelNotFound: it names nothing that is here.
    """
    if model == DEFAULT_MODEL:
        return Answering()
    if model in context_of(request).settings.models:
        return Answering(model=model)
    return Answering(assistant=(await _profile_named(request, model)).id)


async def models(request: Request) -> tuple[OpenAIModel, ...]:
    """Return everything that `model` may name for this caller, the default first."""
    configured = context_of(request).settings.models
    profiles = [OpenAIModel(id=one.id, name=one.name) async for one in _profiles(request)]
    return (OpenAIModel(id=DEFAULT_MODEL), *(OpenAIModel(id=one) for one in configured), *profiles)


async def model_named(request: Request, model: str) -> OpenAIModel:
    """Return what `model` names.

    Raises:
        ModelNotFound: it names nothing that is here.
    """
    if model == DEFAULT_MODEL or model in context_of(request).settings.models:
        return OpenAIModel(id=model)
    profile = await _profile_named(request, model)
    return OpenAIModel(id=profile.id, name=profile.name)


async def _profile_named(request: Request, named: str) -> AssistantProfile:
    """Find a profile by its id, else the oldest of that name."""
    query = GetAssistant(tenant=caller_of(request).tenant, assistant_id=named)
    try:
        by_id: AssistantProfile = (
            await read(context_of(request), HOME_SHARD, "chat", query)
        ).answer
    except NotFound:
        pass
    else:
        return by_id
    async for profile in _profiles(request):
        if profile.name == named:
            return profile
    raise ModelNotFound(
        f"the model {named[:100]!r} does not exist: name an agent, a configured model or "
        f"{DEFAULT_MODEL!r} (GET /v1/models lists them)"
    )


async def _profiles(request: Request) -> AsyncIterator[AssistantProfile]:
    context, tenant = context_of(request), caller_of(request).tenant
    skip = 0
    while True:
        query = ListAssistants(tenant=tenant, skip=skip, limit=PAGE)
        page: tuple[AssistantProfile, ...] = (await read(context, HOME_SHARD, "chat", query)).answer
        for profile in page:
            yield profile
        if len(page) < PAGE:
            return
        skip += PAGE
