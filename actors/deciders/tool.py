"""The tool agent: calls the tool that was asked for."""

from __future__ import annotations

from actors.deciders.base import Stateless
from actors.effects import CallTool, Effect
from actors.names import Agent
from events.catalogue import ToolRequested
from events.envelope import Event
from projections.tool_calls import ToolCallsProjection


class ToolDecider(Stateless[ToolCallsProjection]):
    """Holds the calls and what came of them."""

    agent: Agent = "tool"
    causes = frozenset({ToolRequested.__name__})

    def __init__(self) -> None:
        self.projection = ToolCallsProjection()

    def lane(self, event: Event) -> str:
        """Return a lane for each call: they do not wait for each other."""
        return event.id

    def decide(self, event: Event) -> list[Effect]:
        """Return the call; one that was asked for before under the same id is not made again."""
        match event.payload:
            case ToolRequested() as request if self._is_first(event, request.call_id):
                return [
                    CallTool(
                        call_id=request.call_id, tool=request.tool, arguments=request.arguments
                    )
                ]
            case _:
                return []

    def _is_first(self, event: Event, call_id: str) -> bool:
        held = self.projection.calls.get(event.user, {}).get(call_id)
        return held is None or held.position == event.position
