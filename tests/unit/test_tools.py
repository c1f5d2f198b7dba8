"""The tools of this process: what they take, and that a search by a tool is a search."""

from __future__ import annotations

import pytest

from actors.queries import QUERY_CHARS_MAX
from actors.tools import LocalTools
from events.clock import FixedClock
from events.errors import CommandRejected
from tests.unit.test_shell import NothingFound


@pytest.mark.parametrize(
    "query", ["", "  \n", "\u200b\ufeff \u00a0\u2060", "x" * (QUERY_CHARS_MAX + 1)], ids=len
)
async def test_memory_search_is_refused_when_its_query_would_be_refused_in_a_search(
    query: str,
) -> None:
    """Nothing, nothing that shows, or more than a search takes: the caller hears which argument."""
    tools = LocalTools(NothingFound(), FixedClock())
    with pytest.raises(CommandRejected, match=r"memory_search: .*\$\.query"):
        await tools.call(
            "memory_search", {"query": query}, user="usr_ann", tenant="org", position=1
        )


async def test_memory_search_answers_when_its_query_can_be_read() -> None:
    """Characters without a width are welcome among those with one."""
    tools = LocalTools(NothingFound(), FixedClock())
    query = {"query": "Zoe\u200d" * 100}
    assert await tools.call("memory_search", query, user="u", tenant="org", position=1) == []
