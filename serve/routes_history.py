"""Why a memory reads as it does: what happened to it, and what that came from.

A memory that was forgotten has both still: it left its tier, and the log keeps what happened.
"""

from __future__ import annotations

from fastapi import Request, Response

from actors.past.queries import Explanation, GetHistory, GetWhy, HistoryEntry
from serve.context import context_of
from serve.edge import AskedPerson, Json, protected_router
from serve.memory_forms import tier_named
from serve.openapi import MISSING, gives
from serve.past_answers import HistoryShown, WhyShown
from serve.reading import ask_past
from serve.routes_memory import TierName

router = protected_router("past")


@router.get(
    "/memory/{tier}/{memory_id}/history",
    response_class=Json,
    summary="Show what happened to a memory",
    responses={200: gives(HistoryShown, "In the order of the log."), **MISSING},
)
async def show_history(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson
) -> Response:
    """Show every event that made, changed, ended, restored or read a memory."""
    named = tier_named(tier)
    query = GetHistory(user=person.id, tier=named, memory_id=memory_id)
    entries: tuple[HistoryEntry, ...] = await ask_past(context_of(request), person.shard, query)
    return Json(HistoryShown.of(memory_id, named, entries))


@router.get(
    "/memory/{tier}/{memory_id}/why",
    response_class=Json,
    summary="Explain a memory",
    responses={200: gives(WhyShown, "What led to it, and who read it since."), **MISSING},
)
async def show_why(
    request: Request, tier: TierName, memory_id: str, person: AskedPerson
) -> Response:
    """Show the chain of causes of a memory, what it was drawn from, and who read it since."""
    query = GetWhy(user=person.id, tier=tier_named(tier), memory_id=memory_id)
    found: Explanation = await ask_past(context_of(request), person.shard, query)
    return Json(WhyShown.of(found))
