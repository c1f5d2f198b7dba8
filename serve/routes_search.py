"""Search over all six tiers and the messages themselves: one hop to the user's search agent."""

from __future__ import annotations

import msgspec
from fastapi import Request, Response

from actors.queries import SearchMemories, SearchOutcome
from events.blankness import is_blank
from serve.answers import ResultShown, SearchAnswer
from serve.context import caller_of, context_of
from serve.edge import (
    Json,
    ReadAt,
    as_of_named,
    moment,
    person_named,
    protected_router,
    read_json,
)
from serve.identity import Person
from serve.openapi import BODY_PROBLEMS, at_moment, gives, takes
from serve.problems import invalid
from serve.reading import When, read
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
    responses={200: at_moment(gives(SearchAnswer, "The best hits first.")), **BODY_PROBLEMS},
)
async def search_memory(request: Request, when: ReadAt) -> Response:
    """Find what is known about a question, and where it came from.

    `min_position` in the body, in the query or as `X-Event-Seq`: the search sees that write.
    `as_of` in the body or in the query: it finds what it would have found then.
    """
    context = context_of(request)
    form = await read_json(request, SearchForm)
    person = person_named(request, form.user_id)
    query = _query(form, person, caller_of(request).tenant)
    found = await read(context, person.shard, "search", query, _moment(form, when))
    outcome: SearchOutcome = found.answer
    answer = SearchAnswer(
        search_id=outcome.search_id,
        position=outcome.position,
        results=tuple(map(ResultShown.of, outcome.results)),
    )
    return Json(answer, headers=found.headers)


def _query(form: SearchForm, person: Person, tenant: str) -> SearchMemories:
    if is_blank(form.query):
        raise invalid("body.query", "is empty")
    filters = form.filters or SearchFilters()
    since = None if filters.since is None else moment(filters.since, "body.filters.since")
    until = None if filters.until is None else moment(filters.until, "body.filters.until")
    if since is not None and until is not None and since > until:
        raise invalid("body.filters.since", "is after until")
    first, last = filters.occurred_since, filters.occurred_until
    if first is not None and last is not None and first > last:
        raise invalid("body.filters.occurred_since", "is after occurred_until")
    return SearchMemories(
        user=person.id,
        tenant=tenant,
        query=form.query,
        tiers=form.tiers or (),
        limit=form.limit,
        method=form.search_method,
        threshold=form.threshold,
        tags=filters.tags,
        since=since,
        until=until,
        occurred_since=filters.occurred_since,
        occurred_until=filters.occurred_until,
        assistant=filters.agent_id,
        explain=form.explain,
    )


def _moment(form: SearchForm, when: When) -> When:
    """Return the moment that is meant: what the body says of it comes before the query."""
    match form.as_of:
        case None:
            if form.min_position <= when.min_position:
                return when
            least, where = form.min_position, "body.min_position"
            return msgspec.structs.replace(when, min_position=least, least_where=where)
        case int(position):
            return When(as_of=position, where="body.as_of")
        case text:
            return When(as_of=as_of_named(text, "body.as_of"), where="body.as_of")
