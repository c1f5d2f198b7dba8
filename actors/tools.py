"""Tools that live in this process. MCP servers join them behind the same port."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from actors.ports import Recall
from actors.queries import QUERY_CHARS_MAX, SearchMemories
from events.blankness import is_blank
from events.clock import Clock
from events.errors import CommandRejected, NotFound
from events.memory import Value

#: Of a text that a tool returns; a result is one event.
RESULT_CHARS_MAX = 2000


class MemorySearchArguments(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Search the user's memory."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=QUERY_CHARS_MAX)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5


class CurrentTimeArguments(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell the date and time, in UTC."""


_ARGUMENTS: dict[str, type[Value]] = {
    "memory_search": MemorySearchArguments,
    "current_time": CurrentTimeArguments,
}


class LocalTools:
    """`memory_search` and `current_time`."""

    def __init__(self, recall: Recall, clock: Clock) -> None:
        self._recall = recall
        self._clock = clock

    def describe(self) -> tuple[dict[str, Any], ...]:
        """Return name, description and JSON schema of the arguments of each tool."""
        return describe_tools()

    async def call(
        self, tool: str, arguments: dict[str, Any], *, user: str, tenant: str, position: int
    ) -> Any:
        """Call a tool for a user.

        Raises:
            NotFound: there is no such tool.
            CommandRejected: the arguments do not fit it.
        """
        expected = _ARGUMENTS.get(tool)
        if expected is None:
            raise NotFound(f"there is no tool {tool!r}; there are {', '.join(_ARGUMENTS)}")
        try:
            checked = msgspec.convert(arguments, expected)
        except msgspec.ValidationError as error:
            raise CommandRejected(f"arguments of {tool}: {error}") from error
        if isinstance(checked, MemorySearchArguments):
            if is_blank(checked.query):
                raise CommandRejected(f"arguments of {tool}: the query is empty - at `$.query`")
            request = SearchMemories(
                user=user, tenant=tenant, query=checked.query, limit=checked.limit
            )
            outcome = await self._recall.search(request, min_position=position)
            return [
                {
                    "id": hit.id,
                    "tier": hit.tier,
                    "text": hit.text[:RESULT_CHARS_MAX],
                    "score": hit.score,
                }
                for hit in outcome.results
            ]
        return {"now": self._clock().isoformat()}


def describe_tools() -> tuple[dict[str, Any], ...]:
    """Return name, description and JSON schema of the arguments of each local tool."""
    return tuple(
        {
            "name": name,
            "description": (kind.__doc__ or "").strip(),
            "input_schema": msgspec.json.schema(kind),
        }
        for name, kind in _ARGUMENTS.items()
    )
