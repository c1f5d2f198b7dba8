"""The other agents of the shard, as one of them sees them: asked by name, wherever they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from actors.names import Agent
from actors.queries import (
    CoreBlockView,
    GetAssistant,
    GetCoreBlocks,
    GetToolCall,
    GetWindow,
    Query,
    SearchMemories,
    SearchOutcome,
    ToolCallView,
    Window,
)
from events.catalogue import AssistantProfile, MessageReceived, ToolRequested
from events.envelope import Event, NewEvent
from events.errors import NotFound
from events.ids import derived_id
from events.journal import Journal

#: Puts a query to an agent of the shard: (agent, query, min_position, timeout_s) -> its answer.
AskPeer: TypeAlias = Callable[[Agent, Query, int, float], Awaitable[Any]]

#: A search that an answer or a tool waits for.
SEARCH_TIMEOUT_S = 30.0
#: A look into a conversation or at core memory.
READ_TIMEOUT_S = 10.0


class Peers:
    """`Recall`, `Conversations`, `CoreBlocks`, `Assistants`, `ToolCalls` of one agent."""

    def __init__(self, agent: Agent, journal: Journal, ask: AskPeer) -> None:
        self._agent = agent
        self._journal = journal
        self._ask = ask

    async def search(self, request: SearchMemories, *, min_position: int = 0) -> SearchOutcome:
        """Search one user's memory, once the index has applied `min_position`."""
        outcome: SearchOutcome = await self._ask("search", request, min_position, SEARCH_TIMEOUT_S)
        return outcome

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        """Return the last messages of a conversation before a position, and its summary."""
        query = GetWindow(
            user=user, conversation=conversation, before=before, limit=limit, answered=answered
        )
        window: Window = await self._ask("chat", query, before, READ_TIMEOUT_S)
        return window

    async def blocks(self, user: str) -> tuple[CoreBlockView, ...]:
        """Return what stands in front of every answer to a person."""
        blocks: tuple[CoreBlockView, ...] = await self._ask(
            "core_memory", GetCoreBlocks(user=user), 0, READ_TIMEOUT_S
        )
        return blocks

    async def assistant(self, tenant: str, assistant_id: str) -> AssistantProfile | None:
        """Return an assistant profile; None where the organisation has none by that id."""
        query = GetAssistant(tenant=tenant, assistant_id=assistant_id)
        try:
            profile: AssistantProfile = await self._ask("chat", query, 0, READ_TIMEOUT_S)
        except NotFound:
            return None
        return profile

    async def call(
        self, cause: Event, call_id: str, tool: str, arguments: dict[str, Any], *, timeout_s: float
    ) -> ToolCallView:
        """Ask for a tool in the log, for the answer to `cause`, and return what came of it."""
        said = cause.payload
        requested = NewEvent(
            event_id=derived_id("evt", self._agent, cause.id, call_id),
            payload=ToolRequested(
                call_id=call_id,
                tool=tool,
                arguments=arguments,
                message_id=said.message_id if isinstance(said, MessageReceived) else "",
            ),
            tenant=cause.envelope.tenant,
            user=cause.user,
            causation_id=cause.id,
            correlation_id=cause.envelope.correlation_id or cause.id,
            producer=self._agent,
        )
        (position,) = await self._journal.append([requested])
        query = GetToolCall(user=cause.user, call_id=call_id)
        view: ToolCallView = await self._ask("tool", query, position, timeout_s)
        return view
