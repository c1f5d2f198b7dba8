"""Search over all six tiers and the messages themselves: one hop to the user's search agent."""

from __future__ import annotations

from fastapi import Request, Response

from actors.queries import SearchMemories, SearchOutcome
from serve.answers import ResultShown, SearchAnswer
from serve.context import caller_of, context_of
from serve.edge import Json, LeastPosition, moment, person_named, protected_router, read_json
from serve.openapi import BODY_PROBLEMS, gives, takes
from serve.problems import invalid
from serve.requests import SearchFilters, SearchForm

router = protected_router("memory")

SEARCH_EXAMPLE = {
    "user_id": "alice",
    "query": "Where does Alice live?",
    "tiers": ["semantic", "conversation"],
    "limit": 5,
    "filters": {"since": "2026-01-01T00:00:00Z"},
}


@router.post(
    "/memory/search",
    response_class=Json,
    summary="Search memories and messages",
    openapi_extra=takes(SearchForm, SEARCH_EXAMPLE),
    responses={200: gives(SearchAnswer, "The best hits first."), **BODY_PROBLEMS},
)
async def search_memory(request: Request, least_position: LeastPosition) -> Response:
    """Find what is known about a question, and where it came from.

    `min_position` in the body, in the query or as `X-Event-Seq`: the search sees that write.
    """
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, SearchForm)
    if form.as_of is not None:
        raise invalid("body.as_of", "searching the past is not supported yet; leave it out")
    if not form.query.strip():
        raise invalid("body.query", "is empty")
    filters = form.filters or SearchFilters()
    since = None if filters.since is None else moment(filters.since, "body.filters.since")
    until = None if filters.until is None else moment(filters.until, "body.filters.until")
    if since is not None and until is not None and since > until:
        raise invalid("body.filters.since", "is after until")
    person = person_named(request, form.user_id)
    outcome: SearchOutcome = await context.backend.ask(
        person.shard,
        "search",
        SearchMemories(
            user=person.id,
            tenant=caller.tenant,
            query=form.query,
            tiers=form.tiers or (),
            limit=form.limit,
            method=form.search_method,
            threshold=form.threshold,
            tags=filters.tags,
            since=since,
            until=until,
            explain=form.explain,
        ),
        min_position=max(form.min_position, least_position),
        timeout_s=context.settings.read_timeout_s,
    )
    return Json(
        SearchAnswer(
            search_id=outcome.search_id,
            position=outcome.position,
            results=tuple(map(ResultShown.of, outcome.results)),
        )
    )
