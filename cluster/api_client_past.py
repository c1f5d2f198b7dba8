"""The past over the public HTTP API: reads as of a moment, histories, explanations, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2

from cluster.api_client import API, PAGE_ITEMS, ApiClient
from events.errors import NotFound
from events.memory import TIERS

AS_OF_HEADER = "X-As-Of"
CURSOR_HEADER = "X-Next-Cursor"


class PastClient(ApiClient):
    """The API client with what asks about the past. Moments are positions or times, as texts."""

    #: The position that the last answer from the past is of; None for one of now.
    as_of: int | None = None
    _cursor = ""

    async def memories(
        self, tier: str, *, user_id: str, limit: int, ended: bool = False, as_of: str | None = None
    ) -> list[dict[str, Any]]:
        """Return a tier's memories, oldest first; with `ended`, those that held once too."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while len(found) < limit:
            wanted = str(min(limit - len(found), PAGE_ITEMS))
            query = {"user_id": user_id, "limit": wanted, "ended": str(ended).lower()}
            page = await self._get(f"/memory/{tier}", query, _after(cursor), _moment(as_of))
            found += page["items"]
            cursor = page.get("next_cursor") or ""
            if not cursor:
                break
        return found

    async def blocks(self, *, user_id: str, as_of: str | None = None) -> list[dict[str, Any]]:
        """Return the core blocks."""
        answer = await self._get("/memory/core/blocks", {"user_id": user_id}, _moment(as_of))
        return list(answer["blocks"])

    async def messages(
        self, *, user_id: str, limit: int, as_of: str | None = None
    ) -> list[dict[str, Any]]:
        """Return what was said by a user and to them, in the order of the log."""
        found: list[dict[str, Any]] = []
        self._cursor = ""
        while len(found) < limit:
            wanted = str(min(limit - len(found), PAGE_ITEMS))
            query = {"user_id": user_id, "limit": wanted}
            found += await self._listed("/messages", query, _after(self._cursor), _moment(as_of))
            if not self._cursor:
                break
        return found

    async def profiles(self, *, limit: int, as_of: str | None = None) -> list[dict[str, Any]]:
        """Return the assistant profiles, in order of creation."""
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            wanted = min(limit - len(found), PAGE_ITEMS)
            skip = {"skip": str(len(found)), "limit": str(wanted)}
            page = await self._listed("/agents/", skip, _moment(as_of))
            found += page
            if len(page) < wanted:
                break
        return found

    async def history(self, tier: str, memory_id: str, *, user_id: str) -> dict[str, Any]:
        """Return what happened to a memory: `entries` in the order of the log."""
        return await self._get(f"/memory/{tier}/{memory_id}/history", {"user_id": user_id})

    async def why(self, tier: str, memory_id: str, *, user_id: str) -> dict[str, Any]:
        """Return why a memory is there: causes, what made it of them, who read it since."""
        return await self._get(f"/memory/{tier}/{memory_id}/why", {"user_id": user_id})

    async def tier_of(self, memory_id: str, *, user_id: str) -> str:
        """Return the tier that holds a memory, or held it.

        Raises:
            NotFound: no tier ever held it.
        """
        # Those that are there are found at once; what was forgotten, only the log knows.
        for path in ("/memory/{tier}/{id}", "/memory/{tier}/{id}/history"):
            for tier in TIERS:
                try:
                    await self._get(path.format(tier=tier, id=memory_id), {"user_id": user_id})
                except NotFound:
                    continue
                return tier
        raise NotFound(f"no tier of user {user_id} ever held a memory {memory_id}")

    async def difference(
        self, start: str, end: str | None, *, user_id: str, tiers: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what changed between two moments: `changes`, and `counts` by tier and kind."""
        query: dict[str, Any] = {"from": start, "user_id": user_id, "tier": list(tiers)}
        if end is not None:
            query["to"] = end
        return await self._get("/timeline/diff", query)

    async def _get(self, path: str, *queries: dict[str, Any]) -> dict[str, Any]:
        return await self._call("GET", _address(path, *queries), dict[str, Any])

    async def _listed(self, path: str, *queries: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._call("GET", _address(path, *queries), list[dict[str, Any]])

    async def _send(self, method: str, path: str, content: bytes | None) -> httpx2.Response:
        response = await super()._send(method, path, content)
        position = response.headers.get(AS_OF_HEADER, "")
        self.as_of = int(position) if position.isdigit() else None
        self._cursor = response.headers.get(CURSOR_HEADER, "")
        return response


def _address(path: str, *queries: dict[str, Any]) -> str:
    given = {name: value for query in queries for name, value in query.items()}
    return f"{API}{path}" + (f"?{httpx2.QueryParams(given)}" if given else "")


def _moment(as_of: str | None) -> dict[str, str]:
    return {} if as_of is None else {"as_of": as_of}


def _after(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}
