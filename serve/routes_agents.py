"""Assistant profiles: what the HTTP interface calls agents. They belong to a tenant, to no person.

The chat agent of every shard needs every profile, so each change goes to all shards. The first
shard is written last and is the one that is read: a profile that shows is everywhere.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query, Request, Response
from msgspec import UNSET

from actors.queries import GetAssistant, ListAssistants
from events.catalogue import (
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    Payload,
)
from events.errors import NotFound
from events.ids import derived_id, random_id
from serve.answers import AgentShown
from serve.context import GatewayContext, caller_of, context_of, new_event
from serve.edge import (
    Json,
    Limit,
    ReadAt,
    check_storable,
    protected_router,
    read_json,
    written,
)
from serve.identity import nobody
from serve.openapi import BODY_PROBLEMS, MISSING, at_moment, gives, gives_list, takes
from serve.problems import POSITION_HEADER
from serve.reading import NOW, Reading, When, read
from serve.requests import AgentChangeForm, AgentForm

router = protected_router("agents")
HOME_SHARD = 0

AGENT_EXAMPLE = {
    "name": "Travel helper",
    "agent_type": "assistant",
    "description": "Plans trips.",
    "system_prompt": "Answer briefly.",
    "model_config": {"temperature": 0.2},
}


@router.post("/agents", include_in_schema=False, status_code=201)
@router.post(
    "/agents/",
    status_code=201,
    response_class=Json,
    summary="Make an assistant profile",
    openapi_extra=takes(AgentForm, AGENT_EXAMPLE),
    responses={201: gives(AgentShown, "It is made."), **BODY_PROBLEMS},
)
async def create_agent(request: Request) -> Response:
    """Make an assistant profile of the caller's tenant."""
    form = await read_json(request, AgentForm)
    check_storable(form.model_settings, "body.model_config")
    profile = AssistantProfile(id=random_id("agt"), **msgspec.structs.asdict(form))
    position = await _spread(request, profile.id, AssistantCreated(profile=profile))
    return written(AgentShown.of(profile), position, 201)


@router.get("/agents", include_in_schema=False)
@router.get(
    "/agents/",
    response_class=Json,
    summary="List assistant profiles",
    responses={200: at_moment(gives_list(AgentShown, "In order of creation."))},
)
async def list_agents(
    request: Request,
    when: ReadAt,
    skip: Annotated[int, Query(ge=0, le=1_000_000, description="How many to pass over.")] = 0,
    limit: Limit = 100,
    agent_type: Annotated[str, Query(max_length=64, description="Only this type.")] = "",
) -> Response:
    """List the assistant profiles of the caller's tenant."""
    tenant = caller_of(request).tenant
    query = ListAssistants(tenant=tenant, skip=skip, limit=limit, agent_type=agent_type)
    found = await read(context_of(request), HOME_SHARD, "chat", query, when)
    profiles: tuple[AssistantProfile, ...] = found.answer
    return Json([AgentShown.of(profile) for profile in profiles], headers=found.headers)


@router.get(
    "/agents/{agent_id}",
    response_class=Json,
    summary="Show an assistant profile",
    responses={200: at_moment(gives(AgentShown, "The profile.")), **MISSING},
)
async def show_agent(request: Request, agent_id: str, when: ReadAt) -> Response:
    """Show an assistant profile."""
    found = await read_profile(request, agent_id, HOME_SHARD, when)
    return Json(AgentShown.of(found.answer), headers=found.headers)


@router.put(
    "/agents/{agent_id}",
    response_class=Json,
    summary="Change an assistant profile",
    openapi_extra=takes(AgentChangeForm, {"description": "Plans trips by train."}),
    responses={200: gives(AgentShown, "As it now reads."), **MISSING, **BODY_PROBLEMS},
)
async def change_agent(request: Request, agent_id: str) -> Response:
    """Change the fields that are given; the others stay as they are."""
    form = await read_json(request, AgentChangeForm)
    given = {
        name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET
    }
    check_storable(given.get("model_settings"), "body.model_config")
    old = await profile_of(request, agent_id)
    profile = msgspec.structs.replace(old, **given)
    position = await _spread(request, profile.id, AssistantRevised(profile=profile))
    return written(AgentShown.of(profile), position)


@router.delete(
    "/agents/{agent_id}",
    status_code=204,
    response_class=Response,
    summary="Delete an assistant profile",
    responses={204: {"description": "It is out of use; its conversations stay."}, **MISSING},
)
async def delete_agent(request: Request, agent_id: str) -> Response:
    """Take an assistant profile out of use."""
    profile = await profile_of(request, agent_id)
    position = await _spread(request, profile.id, AssistantDeleted(assistant_id=profile.id))
    return Response(status_code=204, headers={POSITION_HEADER: str(position)})


async def profile_of(
    request: Request, agent_id: str, *, shard: int = HOME_SHARD
) -> AssistantProfile:
    """Return a profile of the caller's tenant, as a shard's chat agent knows it.

    Raises:
        NotFound: there is no such profile.
    """
    profile: AssistantProfile = (await read_profile(request, agent_id, shard, NOW)).answer
    return profile


async def read_profile(request: Request, agent_id: str, shard: int, when: When) -> Reading:
    """Read a profile of the caller's tenant, as a shard's chat agent knows it, or knew it.

    Raises:
        NotFound: there is no such profile.
    """
    query = GetAssistant(tenant=caller_of(request).tenant, assistant_id=agent_id)
    return await read(context_of(request), shard, "chat", query, when)


async def _spread(request: Request, agent_id: str, payload: Payload) -> int:
    """Append a profile's event to every shard, the home shard last; return its position there."""
    context, caller = context_of(request), caller_of(request)
    fact = random_id("evt")
    position = 0
    for shard in reversed(range(context.backend.shards)):
        author = nobody(caller.tenant, shard)
        event = new_event(
            caller, author, payload, entity=agent_id, event_id=derived_id("evt", fact, shard)
        )
        position = await context.record(caller, author, [event])
        await _seen(context, caller.tenant, shard, agent_id, position)
    return position


async def _seen(
    context: GatewayContext, tenant: str, shard: int, agent_id: str, position: int
) -> None:
    """Wait until a shard's chat agent has applied `position`: reads need not pass it then."""
    try:
        await context.backend.ask(
            shard,
            "chat",
            GetAssistant(tenant=tenant, assistant_id=agent_id),
            min_position=position,
            timeout_s=context.settings.read_timeout_s,
        )
    except NotFound:
        return  # it was a deletion, and it has been seen
