"""Which rows of a shelf a search may find at all, before anything is ranked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from projections.retrieval.passage import SearchRequest
from projections.retrieval.question import day_number
from projections.retrieval.shelf import Shelf

Allowed = npt.NDArray[np.bool_]


def allowed_rows(shelf: Shelf, request: SearchRequest) -> Allowed:
    """Return which rows the request's filters let through, bool [rows]."""
    columns = shelf.columns
    allowed: Allowed = columns["live"] & ~columns["resting"]
    if not request.include_ended:
        allowed &= ~columns["ended"]
    if request.tiers is not None:
        allowed &= _among(columns["tier"], _codes(shelf.tiers, request.tiers))
    if request.tags:
        allowed &= _among(columns["tags"], shelf.tags.holding(request.tags))
    if request.assistant:
        allowed &= _among(columns["assistant"], _codes(shelf.assistants, (request.assistant,)))
    if request.since is not None:
        allowed &= columns["said_s"] >= request.since.timestamp()
    if request.until is not None:
        allowed &= columns["said_s"] <= request.until.timestamp()
    if request.occurred_since is not None:
        allowed &= columns["day"] >= day_number(request.occurred_since)
    if request.occurred_until is not None:
        allowed &= columns["day"] <= day_number(request.occurred_until)
    return allowed


def _codes(known: dict[str, int], names: Iterable[str]) -> set[int]:
    return {known[name] for name in names if name in known}


def _among(column: npt.NDArray[np.signedinteger], codes: set[int]) -> Allowed:
    """Return which rows of a column have one of these codes."""
    wanted = np.zeros(int(column.max(initial=-1)) + 2, np.bool_)  # the last is that of no code
    wanted[list(codes)] = True
    found: Allowed = wanted[column]
    return found
