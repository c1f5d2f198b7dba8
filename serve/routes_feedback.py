"""Feedback on a search: which of its hits helped, and which answered what was asked.

It is a reaction to the search in the log, of the same correlation, and sealed like it with the
person's own key. A ranker can be trained on it (`docs/ranker.md`).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from fastapi import Header, Path, Request, Response

from actors.past.queries import EventPage, EventView, GetEvent, ListEvents
from actors.queries import AwaitRecorded
from events.catalogue import SearchFeedback, SearchPerformed
from events.errors import NotFound, VersionConflict
from events.ids import keyed_id
from serve.answers import FeedbackAccepted
from serve.context import GatewayContext, caller_of, context_of, new_event
from serve.edge import Json, person_named, protected_router, read_json, written
from serve.identity import Person
from serve.openapi import BODY_PROBLEMS, MISSING, gives, problem, takes
from serve.problems import invalid
from serve.reading import ask_past
from serve.repeats import KEY_CHARS_MAX
from serve.requests import CLIENT_ID_CHARS_MAX, FeedbackForm

router = protected_router("memory")

EXAMPLE = {
    "user_id": "alice",
    "judgements": {"mem_lisbon": "helpful", "msg_weather": "not_helpful"},
    "answered_by": ["mem_lisbon"],
    "note": "Asked twice before it was found.",
}
_SearchId = Annotated[
    str,
    Path(max_length=CLIENT_ID_CHARS_MAX, description="`search_id` as the search answered it."),
]


@router.post(
    "/memory/search/{search_id}/feedback",
    response_class=Json,
    summary="Judge what a search found",
    openapi_extra=takes(FeedbackForm, EXAMPLE),
    responses={
        200: gives(FeedbackAccepted, "It is in the log; at the old place when it was already."),
        409: problem("This Idempotency-Key was used for other feedback."),
        **MISSING,
        **BODY_PROBLEMS,
    },
)
async def judge_search(
    request: Request,
    search_id: _SearchId,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=KEY_CHARS_MAX,
            description="Record the same request once.",
        ),
    ] = "",
) -> Response:
    """Record which hits of a search helped, which did not, and which answered the question.

    Later feedback replaces what earlier said of the same hits. The same feedback sent again,
    with nothing between, is recorded once.
    """
    context, caller = context_of(request), caller_of(request)
    form = await read_json(request, FeedbackForm)
    person = person_named(request, form.user_id)
    search = await _search(context, person, search_id)
    feedback = _feedback(form, search)
    place = await _place(context, person, feedback, idempotency_key)
    position = place.position
    if position is None:
        event = new_event(caller, person, feedback, entity=search_id, event_id=place.event_id)
        event = msgspec.structs.replace(event, causation_id=search_id, correlation_id=search_id)
        position = await context.record(caller, person, [event])
    return written(FeedbackAccepted(search_id=search_id, position=position), position)


async def _search(context: GatewayContext, person: Person, search_id: str) -> SearchPerformed:
    """Return a search of this person as it is on the record, where it may be about to come.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    awaited = AwaitRecorded(user=person.id, search_id=search_id)
    await context.backend.ask(
        person.shard, "search", awaited, timeout_s=context.settings.read_timeout_s
    )
    missing = f"there is no search {search_id[:100]!r} of this user"
    try:
        query = GetEvent(tenant=person.tenant, event_id=search_id)
        view: EventView = await ask_past(context, person.shard, query)
    except NotFound as error:
        raise NotFound(missing) from error
    if view.type != SearchPerformed.__name__ or view.user != person.id:
        raise NotFound(missing)
    return msgspec.convert(view.payload, SearchPerformed)


def _feedback(form: FeedbackForm, search: SearchPerformed) -> SearchFeedback:
    """Return the feedback, its ids in the order of the hits.

    Raises:
        Invalid: it says nothing, contradicts itself, or names what was not among the hits.
    """
    if not form.judgements and not form.answered_by:
        raise invalid("body", "judges nothing; give `judgements`, `answered_by`, or both")
    hits = tuple(dict.fromkeys(hit.id for hit in search.hits))
    for id_, verdict in form.judgements.items():
        where = f"body.judgements.{id_[:100]}"
        if id_ not in hits:
            raise invalid(where, "is not among the hits of this search")
        if verdict == "not_helpful" and id_ in form.answered_by:
            raise invalid(where, "is not helpful here, but in `answered_by`; say one of the two")
    for index, id_ in enumerate(form.answered_by):
        if id_ not in hits:
            where = f"body.answered_by[{index}]"
            raise invalid(where, f"{id_[:100]!r} is not among the hits of this search")
    said = form.judgements
    return SearchFeedback(
        search_id=search.search_id,
        helpful=tuple(hit for hit in hits if said.get(hit) == "helpful"),
        not_helpful=tuple(hit for hit in hits if said.get(hit) == "not_helpful"),
        answered_by=tuple(hit for hit in hits if hit in form.answered_by),
        note=form.note,
    )


class _Place(NamedTuple):
    """The id of a feedback's event, and its position when it is in the log already."""

    event_id: str
    position: int | None = None


async def _place(
    context: GatewayContext, person: Person, feedback: SearchFeedback, key: str
) -> _Place:
    """Return where a feedback is, or will be.

    Its id follows from the `Idempotency-Key`; without one from what it says and from the feedback
    before it: sent twice it is one event, and who goes back to what they said first is heard.

    Raises:
        VersionConflict: the key was used for another feedback.
    """

    def named(*token: str) -> str:
        # With the system's key: nobody else can guess at what was said and see whether it was.
        about = ("SearchFeedback", person.id, feedback.search_id)
        return keyed_id("evt", context.identities.key, *about, *token)

    if key:
        return await _of_key(context, person, feedback, named("key", key))
    query = ListEvents(
        tenant=person.tenant,
        user=person.id,
        kind=SearchFeedback.__name__,
        correlation=feedback.search_id,
        limit=2,
        newest_first=True,
    )
    page: EventPage = await ask_past(context, person.shard, query)
    said = msgspec.json.encode(feedback).decode()
    before = [one.event_id for one in page.events]
    if page.events and before[0] == named("said", said, *before[1:]):
        return _Place(before[0], page.events[0].position)
    return _Place(named("said", said, *before[:1]))


async def _of_key(
    context: GatewayContext, person: Person, feedback: SearchFeedback, event_id: str
) -> _Place:
    """Return where the feedback of an `Idempotency-Key` is, or will be."""
    try:
        query = GetEvent(tenant=person.tenant, event_id=event_id)
        view: EventView = await ask_past(context, person.shard, query)
    except NotFound:
        return _Place(event_id)
    there = msgspec.convert(view.payload, SearchFeedback)
    # Of a note the beginning alone is shown, but the judgements are whole.
    if msgspec.structs.replace(there, note=feedback.note) != feedback:
        raise VersionConflict("this Idempotency-Key was used for other feedback on this search")
    return _Place(event_id, view.position)
