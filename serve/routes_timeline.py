"""One person's memory over time: what changed between two moments, and what could have been."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response

from actors.past.queries import AskFork, AsOf, Difference, ForkReport, GetDiff
from events.memory import TIERS, Tier
from serve.context import context_of
from serve.edge import (
    MOMENT_CHARS_MAX,
    AskedPerson,
    Json,
    as_of_named,
    person_named,
    protected_router,
    read_json,
)
from serve.openapi import BODY_PROBLEMS, MISSING, gives, takes
from serve.past_answers import DifferenceShown, ForkShown
from serve.problems import invalid
from serve.reading import ask_past
from serve.requests import ForkForm

router = protected_router("past")

FORK_EXAMPLE = {"user_id": "alice", "at": 0, "settings": {"importance_min": 0.6}}

_A_MOMENT = "A position of the log (digits), or a time (ISO 8601, without a zone it is UTC)."


@router.get(
    "/timeline/diff",
    response_class=Json,
    summary="Show what changed between two moments",
    responses={200: gives(DifferenceShown, "Each memory that differs, by tier."), **MISSING},
)
async def show_difference(
    request: Request,
    person: AskedPerson,
    from_: Annotated[
        str, Query(alias="from", max_length=MOMENT_CHARS_MAX, description=_A_MOMENT, examples=["0"])
    ],
    to: Annotated[
        str | None, Query(max_length=MOMENT_CHARS_MAX, description=f"{_A_MOMENT} Left out: now.")
    ] = None,
    tier: Annotated[
        tuple[Tier, ...],
        Query(max_length=len(TIERS), description="Only these tiers; repeat it for several."),
    ] = (),
) -> Response:
    """Show which memories of a user were added, changed, ended or restored."""
    start = as_of_named(from_, "query.from")
    end = None if to is None else as_of_named(to, "query.to")
    _check_order(start, end)
    query = GetDiff(user=person.id, start=start, end=end, tiers=tier)
    moments = {"query.from": start, "query.to": end}
    found: Difference = await ask_past(context_of(request), person.shard, query, moments)
    return Json(DifferenceShown.of(found, tier))


@router.post(
    "/timeline/fork",
    response_class=Json,
    summary="Show what would be remembered, had the agents decided otherwise",
    openapi_extra=takes(ForkForm, FORK_EXAMPLE),
    responses={200: gives(ForkShown, "Each memory that differs, by tier."), **BODY_PROBLEMS},
)
async def fork_memory(request: Request) -> Response:
    """Let the memory agents meet a user's past again from a moment on, and compare.

    Nothing is appended and nobody is asked. In `difference`, `before` is what the log made of it
    and `after` what the fork did; with the same extractor and settings nothing differs.
    """
    form = await read_json(request, ForkForm)
    start = as_of_named(str(form.at), "body.at")
    end = None if form.until is None else as_of_named(str(form.until), "body.until")
    _check_order(start, end, "body.at", "until")
    person = person_named(request, form.user_id)
    query = AskFork(
        user=person.id,
        at=start,
        until=end,
        agents=tuple(dict.fromkeys(form.agents)),
        extractor=form.extractor,
        settings=form.settings,
    )
    moments = {"body.at": start, "body.until": end}
    report: ForkReport = await ask_past(context_of(request), person.shard, query, moments)
    return Json(ForkShown.of(report))


def _check_order(
    start: AsOf, end: AsOf | None, where: str = "query.from", other: str = "to"
) -> None:
    """Refuse moments of one kind that are in the wrong order; a position and a time the log tells.

    Raises:
        Invalid: the first is after the second.
    """
    positions = isinstance(start, int) and isinstance(end, int) and start > end
    times = isinstance(start, datetime) and isinstance(end, datetime) and start > end
    if positions or times:
        raise invalid(where, f"is after {other}; time goes forward")
