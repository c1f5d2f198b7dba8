"""Feedback on a search, over the public HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import quote

from cluster.api_client import ApiClient

Verdict = Literal["helpful", "not_helpful"]


async def judge_search(
    client: ApiClient,
    search_id: str,
    *,
    user_id: str,
    judgements: Mapping[str, Verdict],
    answered_by: Sequence[str] = (),
    note: str = "",
) -> int:
    """Say which hits of a search helped, and which answered what was asked; return its position.

    Safe to repeat: the same feedback, sent again with nothing between, is recorded once.

    Raises:
        NotFound: there is no such search of this user.
        CommandRejected: it judges nothing, or something that was not among the hits.
    """
    body = {
        "user_id": user_id,
        "judgements": dict(judgements),
        "answered_by": list(answered_by),
        "note": note,
    }
    path = f"/memory/search/{quote(search_id, safe='')}/feedback"
    return int((await client.send("POST", path, params={}, body=body))["position"])
