"""What tools were asked for, and what came of it: the last calls of each user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from events.catalogue import ToolFailed, ToolRequested, ToolReturned
from events.envelope import Event
from events.memory import Value

#: Calls kept a user; older ones are in the log.
CALLS_MAX = 1000


class ToolCall(Value, frozen=True, kw_only=True):
    """One call of a tool."""

    call_id: str
    tool: str
    status: Literal["requested", "returned", "failed"] = "requested"
    result: Any = None
    error: str = ""
    position: int


class ToolCallsProjection:
    """Tool calls by user and id, in order of request."""

    name = "tool_calls"
    version = 1
    kinds = frozenset(kind.__name__ for kind in (ToolRequested, ToolReturned, ToolFailed))

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, ToolCall]] = {}

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        calls = self.calls.setdefault(event.user, {})
        match event.payload:
            case ToolRequested(call_id=call_id, tool=tool) if call_id not in calls:
                calls[call_id] = ToolCall(call_id=call_id, tool=tool, position=event.position)
                if len(calls) > CALLS_MAX:
                    del calls[next(iter(calls))]
            case ToolReturned(call_id=call_id, result=result) if call_id in calls:
                calls[call_id] = msgspec.structs.replace(
                    calls[call_id], status="returned", result=result, position=event.position
                )
            case ToolFailed(call_id=call_id, error=error) if call_id in calls:
                calls[call_id] = msgspec.structs.replace(
                    calls[call_id], status="failed", error=error, position=event.position
                )
            case _:
                pass

    def snapshot(self) -> Mapping[str, bytes]:
        """Return each user's calls as msgpack."""
        return {
            user: msgspec.msgpack.encode(list(calls.values()))
            for user, calls in self.calls.items()
            if calls
        }

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace the state."""
        self.calls = {
            user: {one.call_id: one for one in msgspec.msgpack.decode(data, type=list[ToolCall])}
            for user, data in parts.items()
        }
