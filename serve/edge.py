"""Where HTTP ends: authentication, bodies in, JSON out.

Bodies are decoded and checked in one pass by msgspec into the structs of `requests`; answers are
encoded from the structs of `answers`. FastAPI routes, reads query parameters and documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypeVar, get_origin

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

from actors.past.queries import AsOf
from events.errors import CommandRejected
from events.moments import POSITION_MAX, moment_of, time_of
from events.nesting import JSON_DEPTH_MAX, is_too_deep
from serve.context import Caller, caller_of, context_of
from serve.identity import Person
from serve.limits import Body as SentBody
from serve.openapi import COMMON_PROBLEMS, Taken
from serve.problems import POSITION_HEADER, Invalid, Malformed, UnsupportedMediaType, invalid
from serve.reading import When
from serve.requests import CLIENT_ID_CHARS_MAX

T = TypeVar("T")
MOMENT_CHARS_MAX = 64

#: What a body says whose memory it is about with, ours and OpenAI's.
WHO = frozenset({"user_id", "user"})
#: How like another a name must be to be taken for it, of 1: `user` is 0.73 like `user_id`.
NEAR_MISS = 0.72

_JSON_TYPE = re.compile(r"application/(?:json|[\w.-]+\+json)", re.ASCII)
_UTF8 = frozenset({"", "utf-8", "utf8"})
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<where>.*)`)?", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class ProtectedRoute(APIRoute):
    """A route for known callers only: it authenticates before it reads anything of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with authentication in front."""
        handler = super().get_route_handler()
        known = _known_to(self)

        async def authenticated(request: Request) -> Response:
            request.state.caller = await _authenticate(request)
            _check_known(request, known)
            body: SentBody | None = getattr(request.state, "body", None)
            if body is not None:
                body.check_declared()
            return await handler(request)

        return authenticated


class _Known(NamedTuple):
    """What a route knows: its parameters, those that may be given again, who is in its body."""

    once: frozenset[str]
    several: frozenset[str]
    in_body: frozenset[str]


def _known_to(route: APIRoute) -> _Known:
    fields = get_flat_dependant(route.dependant).query_params
    several = frozenset(
        one.alias for one in fields if get_origin(one.field_info.annotation) in (tuple, list)
    )
    taken = route.openapi_extra.fields if isinstance(route.openapi_extra, Taken) else frozenset()
    return _Known(frozenset(one.alias for one in fields) - several, several, taken & WHO)


def _check_known(request: Request, known: _Known) -> None:
    """Refuse a query parameter that is almost one of this route's, or would say who but cannot.

    Others are passed over, as the web does; but a misspelt filter would let everything pass, what
    belongs in the body would be taken for nobody's, and of two values one would not count.

    Raises:
        Invalid: naming it, and what to do instead.
    """
    named = known.once | known.several
    for name in request.query_params:
        where = f"query.{name[:CLIENT_ID_CHARS_MAX]}"
        if name in known.once and len(request.query_params.getlist(name)) > 1:
            raise invalid(where, "is given more than once; give it once")
        if name in named:
            continue
        near = get_close_matches(name.lower(), named | known.in_body, n=1, cutoff=NEAR_MISS)
        if near and near[0] in known.in_body - named:
            raise invalid(where, f"belongs in the body here, as {near[0]}")
        if near:
            raise invalid(where, f"is not a parameter; did you mean {near[0]}?")


async def _authenticate(request: Request) -> Caller:
    context = context_of(request)
    key = request.headers.get("x-api-key", "")
    if not key:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        key = credentials.strip() if scheme.lower() == "bearer" else ""
    key_id, tenant = await context.service_keys.authenticate(key)
    correlation = context.identities.correlation(request.state.request_id)
    return Caller(key_id=key_id, tenant=tenant, correlation_id=correlation)


def protected_router(tag: str) -> APIRouter:
    """Return a router whose routes need a service key, in either header."""
    return APIRouter(
        tags=[tag],
        route_class=ProtectedRoute,
        responses=COMMON_PROBLEMS,
        # These two only tell the documentation which headers there are.
        dependencies=[
            Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
            Security(HTTPBearer(auto_error=False, description="The same key.")),
        ],
    )


class Json(JSONResponse):
    """An answer encoded by msgspec."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        return msgspec.json.encode(content)


def written(content: Any, position: int, status: int = 200) -> Response:
    """Return the answer to a write, with its position in the header too."""
    return Json(content, status, {POSITION_HEADER: str(position)})


async def read_json(request: Request, kind: type[T], *, empty: T | None = None) -> T:
    """Return the body as a `kind`; `empty` is what no body stands for, where that is allowed.

    Raises:
        UnsupportedMediaType: it says that it is something other than JSON in UTF-8.
        Malformed: it is not JSON in UTF-8.
        Invalid: it is JSON of another shape, or a text in it holds U+0000.
        PayloadTooLarge: it passed the bound.
        RequestTimeout: it did not arrive in time.
        Unavailable: too many requests are waiting for their bodies.
    """
    _check_media_type(request.headers.get("content-type", ""))
    raw = await request.body()
    if not raw and empty is not None:
        return empty
    if not raw:
        raise Malformed("the body is empty; send a JSON object")
    try:
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        found = _FAULT.fullmatch(str(error))
        assert found is not None  # the pattern matches every text
        raise invalid(f"body{found['where'] or ''}", found["what"]) from error
    except UnicodeDecodeError as error:
        raise Malformed("the body is not valid UTF-8") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except msgspec.DecodeError as error:
        hint = " (does a \\u escape stand for half a surrogate pair?)"
        told = hint if _SURROGATE_ESCAPE.search(raw) else ""
        raise Malformed(f"the body is not JSON: {error}{told}") from error
    if b"\\u0000" in raw:
        check_no_nul(msgspec.to_builtins(value), "body")
    return value


def _check_media_type(content_type: str) -> None:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "")
    if (media_type and not _JSON_TYPE.fullmatch(media_type)) or charset not in _UTF8:
        raise UnsupportedMediaType(
            f"this reads application/json in UTF-8, not {content_type[:100]!r}"
        )


def check_no_nul(value: Any, where: str) -> None:
    """Refuse what holds U+0000 in a text or a name: nothing that is stored may.

    Raises:
        Invalid: naming the place, below `where`.
    """
    match value:
        case str() if "\x00" in value:
            raise invalid(where, "holds the character U+0000; leave it out")
        case dict():
            for name, inner in value.items():
                check_no_nul(name, where)
                check_no_nul(inner, f"{where}.{name}" if where else name)
        case list() | tuple():
            for index, inner in enumerate(value):
                check_no_nul(inner, f"{where}[{index}]")


def check_storable(value: Any, where: str) -> None:
    """Refuse free-form JSON that an event cannot hold: too deep, or integers beyond 64 bits.

    Raises:
        Invalid: naming `where`.
    """
    if is_too_deep(value):
        raise invalid(where, f"is nested more than {JSON_DEPTH_MAX} deep; make it flatter")
    try:
        msgspec.msgpack.encode(value)
    except OverflowError as error:
        raise invalid(where, "holds an integer beyond 64 bits; send it as a string") from error


def moment(text: str, where: str) -> datetime:
    """Return the time that `text` names, in UTC; without a zone it is taken as UTC.

    Raises:
        Invalid: it is not ISO 8601, or not between the years 1 and 9999 once in UTC.
    """
    try:
        return time_of(text)
    except CommandRejected as error:
        raise invalid(where, error.message) from error


def as_of_named(text: str, where: str) -> AsOf:
    """Return the moment of the log that `text` names: digits are a position, else it is a time.

    Raises:
        Invalid: it is neither, or larger than any position.
    """
    try:
        return moment_of(text)
    except CommandRejected as error:
        raise invalid(where, error.message) from error


def person_named(request: Request, user_id: str | None) -> Person:
    """Return the person that the caller's tenant calls `user_id`."""
    return context_of(request).identities.person(caller_of(request).tenant, user_id)


def person_asked(request: Request, user_id: str | None) -> Person:
    """Return the person that `?user_id` names.

    Raises:
        Invalid: it is empty, too long, or holds control characters.
    """
    if user_id is not None and (
        not 0 < len(user_id) <= CLIENT_ID_CHARS_MAX or _CONTROLS.search(user_id)
    ):
        what = f"needs 1 to {CLIENT_ID_CHARS_MAX} characters, none of them a control character"
        raise Invalid(f"query.user_id {what}", (("query.user_id", what),))
    return person_named(request, user_id)


async def _asked_person(
    request: Request,
    user_id: Annotated[
        str | None,
        Query(description='Whose. Left out: "default".', examples=["alice"]),
    ] = None,
) -> Person:
    return person_asked(request, user_id)


class _Least(NamedTuple):
    """The position that the reader must see, and where in the request it was named."""

    position: int
    where: str


async def _least_position(
    min_position: Annotated[
        int,
        Query(ge=0, le=POSITION_MAX, description="Answer only from state that has this position."),
    ] = 0,
    event_seq: Annotated[
        int, Header(alias=POSITION_HEADER, ge=0, le=POSITION_MAX, description="The same.")
    ] = 0,
) -> _Least:
    if event_seq > min_position:
        return _Least(event_seq, f"header.{POSITION_HEADER}")
    return _Least(min_position, "query.min_position")


async def _as_of(
    as_of: Annotated[
        str | None,
        Query(
            max_length=MOMENT_CHARS_MAX,
            description=(
                "Answer as of then: a position of the log (digits), or a time (ISO 8601, without a "
                "zone it is UTC). `min_position` has no meaning with it: the log has every write."
            ),
            examples=["120", "2026-01-07T09:30:00Z"],
        ),
    ] = None,
) -> AsOf | None:
    return None if as_of is None else as_of_named(as_of, "query.as_of")


#: The person that `?user_id` names.
AskedPerson = Annotated[Person, Depends(_asked_person)]
#: The position that the reader must see, from `?min_position` or `X-Event-Seq`.
LeastPosition = Annotated[_Least, Depends(_least_position)]
#: The moment that `?as_of` names.
AsOfMoment = Annotated[AsOf | None, Depends(_as_of)]


async def _read_at(least: LeastPosition, as_of: AsOfMoment) -> When:
    return When(as_of=as_of, min_position=least.position, least_where=least.where)


#: The moment that a read is of: as of then, or now with at least that position.
ReadAt = Annotated[When, Depends(_read_at)]
#: How many items to answer at most.
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
