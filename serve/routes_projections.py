"""Projections: put a state that was rebuilt from the log in place, and one step back.

For the operator: a projection is everybody's. `mirix rebuild` builds the state beside the live one
and then comes here; the agent exchanges the two while it goes on answering.
"""

from __future__ import annotations

from fastapi import Request, Response

from actors.names import agents_of
from actors.queries import AdoptState, Query, RollBackState, StateView
from events.errors import Forbidden, NotFound
from serve.access import DEFAULT_TENANT
from serve.context import caller_of, context_of
from serve.edge import Json, protected_router, read_json
from serve.openapi import BODY_PROBLEMS, MISSING, Responses, gives, problem, takes
from serve.problems import invalid
from serve.requests import RollBackForm, SwapForm

router = protected_router("projections")

_REFUSED: Responses = {403: problem("The key is of a tenant that does not run this system.")}


@router.post(
    "/projections/{name}/swap",
    response_class=Json,
    summary="Put a rebuilt state in the place of the live one",
    openapi_extra=takes(SwapForm, {"shard": 0, "position": 1}),
    responses={
        200: gives(StateView, "The state that is live now."),
        **_REFUSED,
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def swap(request: Request, name: str) -> Response:
    """Let the agent adopt the state that was rebuilt up to a position; safe to repeat.

    It folds in what has happened since, and keeps its old state for one `roll-back`.
    """
    form = await read_json(request, SwapForm)
    backend = context_of(request).backend
    if form.shard < backend.shards:
        end = await backend.last_position(form.shard)
        if form.position > end:
            raise invalid("body.position", f"is beyond the end of the log, {end}")
    return await _ask(request, name, form.shard, AdoptState(position=form.position))


@router.post(
    "/projections/{name}/roll-back",
    response_class=Json,
    summary="Put the state back that was replaced last",
    openapi_extra=takes(RollBackForm, {"shard": 0}),
    responses={
        200: gives(StateView, "The state that is live now."),
        **_REFUSED,
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def roll_back(request: Request, name: str) -> Response:
    """Let the agent put back the state that the last swap replaced; safe to repeat."""
    form = await read_json(request, RollBackForm, empty=RollBackForm())
    return await _ask(request, name, form.shard, RollBackState())


async def _ask(request: Request, name: str, shard: int, query: Query) -> Response:
    context = context_of(request)
    if caller_of(request).tenant != DEFAULT_TENANT:
        raise Forbidden("only a service key of the default tenant may replace a projection's state")
    agent, *_ = agents_of(name)
    if shard >= context.backend.shards:
        raise NotFound(f"there is no shard {shard}; there are {context.backend.shards}, from 0 on")
    state = await context.backend.ask(
        shard, agent, query, timeout_s=context.settings.wait_timeout_s
    )
    return Json(state)
