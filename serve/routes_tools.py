"""Tools: which there are, and calling one through the tool agent."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from actors.queries import GetToolCall, ListTools, ToolCallView
from events.catalogue import ToolRequested
from events.errors import DeadlineExceeded, NotFound
from events.ids import random_id
from serve.answers import ToolCallShown, ToolsShown
from serve.context import GatewayContext, caller_of, context_of, new_event
from serve.edge import (
    Json,
    check_storable,
    person_named,
    protected_router,
    read_json,
    written,
)
from serve.openapi import BODY_PROBLEMS, MISSING, gives, takes
from serve.requests import ToolCallForm

router = protected_router("tools")
#: Every shard's tool agent has the same tools.
ANY_SHARD = 0


@router.get(
    "/tools",
    response_class=Json,
    summary="List the tools",
    responses={200: gives(ToolsShown, "The tools.")},
)
async def list_tools(request: Request) -> Response:
    """List the tools with the schema of their arguments."""
    return Json(ToolsShown(tools=await _tools(context_of(request))))


@router.post(
    "/tools/{name}/call",
    response_class=Json,
    summary="Call a tool",
    openapi_extra=takes(ToolCallForm, {"arguments": {}, "user_id": "alice"}),
    responses={
        200: gives(ToolCallShown, "What came of it; `status` is returned or failed."),
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def call_tool(request: Request, name: str) -> Response:
    """Ask the tool agent to call a tool for a user, and wait for what comes of it."""
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, ToolCallForm)
    check_storable(form.arguments, "body.arguments")
    if name not in {tool.get("name") for tool in await _tools(context)}:
        raise NotFound(f"there is no tool {name[:100]!r}; GET /api/v1/tools lists them")
    person = person_named(request, form.user_id)
    wanted = ToolRequested(call_id=random_id("call"), tool=name, arguments=form.arguments)
    event = new_event(caller, person, wanted, entity=wanted.call_id)
    position = await context.record(caller, person, [event])
    reached = await context.handled(person, position)
    view: ToolCallView = await context.backend.ask(
        person.shard,
        "tool",
        GetToolCall(user=person.id, call_id=wanted.call_id),
        min_position=reached,
        timeout_s=context.settings.read_timeout_s,
    )
    if view.status == "requested":
        raise DeadlineExceeded(f"the tool agent gave up on call {view.call_id} without a result")
    shown = ToolCallShown(
        call_id=view.call_id,
        tool=view.tool,
        status=view.status,
        result=view.result,
        error=view.error,
        position=view.position,
    )
    return written(shown, max(position, view.position))


async def _tools(context: GatewayContext) -> tuple[dict[str, Any], ...]:
    tools: tuple[dict[str, Any], ...] = await context.backend.ask(
        ANY_SHARD, "tool", ListTools(), timeout_s=context.settings.read_timeout_s
    )
    return tools
