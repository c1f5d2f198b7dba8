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

    def decide(self, event: Event) -> list[Effect]:
        """Return the call."""
        match event.payload:
            case ToolRequested() as request:
                return [
                    CallTool(
                        call_id=request.call_id, tool=request.tool, arguments=request.arguments
                    )
                ]
            case _:
                return []
