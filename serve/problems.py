"""Every error as `application/problem+json` (RFC 9457), whoever raised it.

`MirixError` children carry their status. `errors` names the place of each fault, as
`body.messages[0].content` or `query.limit`. An error that nobody foresaw is logged with its story
and answered without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from events.errors import CommandRejected, DeadlineExceeded, MirixError
from serve.no_answer import NoAnswer

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
POSITION_HEADER = "X-Event-Seq"
#: The position of the log that an answer from the past is of.
AS_OF_HEADER = "X-As-Of"
RETRY_AFTER_S = "1"
#: For the counters alone (as nginx has it): nobody reads this answer.
CLIENT_GONE = 499
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request, and where."""

    location: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457). `type` is stable; `detail` says what to do.

    `kind` says of an answer that could not be made what kind of failure it was.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = ""
    kind: str = ""
    errors: tuple[Fault, ...] = ()


class Malformed(CommandRejected):
    """The body is not JSON."""

    status = 400
    title = "Malformed body"


class UnsupportedMediaType(CommandRejected):
    """The body is of a kind that is not read here."""

    status = 415
    title = "Unsupported media type"


class RequestTimeout(CommandRejected):
    """The body did not arrive in time."""

    status = 408
    title = "Request timeout"


class Invalid(CommandRejected):
    """The request has the wrong shape; the second argument is (location, detail) of each fault."""

    title = "Invalid request"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Where the faults are."""
        return tuple(Fault(location=where, detail=what) for where, what in self.args[1])


class NotHandledYet(DeadlineExceeded):
    """What was asked is recorded, but not done in time; the second argument is its position."""

    @property
    def position(self) -> int:
        """Where it is recorded."""
        return int(self.args[1])


def invalid(location: str, detail: str) -> Invalid:
    """Return the error for one fault at `location`."""
    return Invalid(f"{location}: {detail}", ((location, detail),))


def invalid_as(error: RequestValidationError) -> Invalid:
    """Return what FastAPI found at fault, as our own error."""
    faults = tuple((_dotted(one["loc"]), str(one["msg"])) for one in error.errors())
    return Invalid("; ".join(f"{where}: {what}" for where, what in faults), faults)


def slug(error: type[MirixError]) -> str:
    """Return the problem type of an error class: `urn:mirix:problem:not-found`."""
    return "urn:mirix:problem:" + _WORD_START.sub("-", error.__name__).lower()


def answer_error(error: MirixError, path: str, request_id: str) -> Response:
    """Return the problem that tells of `error`."""
    extra = dict[str, str]()
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = 'Bearer realm="mirix"'
    if isinstance(error, NotHandledYet):
        extra[POSITION_HEADER] = str(error.position)
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        extra["Retry-After"] = RETRY_AFTER_S
    if isinstance(error, NoAnswer) and error.retry_after_s:
        extra["Retry-After"] = str(error.retry_after_s)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_refused", error=type(error).__name__, detail=error.message, path=path)
    return render(
        Problem(
            type=slug(type(error)),
            title=error.title,
            status=error.status,
            detail=error.message,
            instance=quote(path),
            request_id=request_id,
            kind=error.kind if isinstance(error, NoAnswer) else "",
            errors=error.faults if isinstance(error, Invalid) else (),
        ),
        extra,
    )


def answer_status(
    status: int, detail: str, path: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the problem for a bare HTTP status."""
    title = HTTPStatus(status).phrase
    return render(
        Problem(
            type="about:blank",
            title=title,
            status=status,
            detail=detail if detail != title else hint(status, path),
            instance=quote(path),
            request_id=request_id,
        ),
        headers,
    )


def render(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that carries a problem."""
    return Response(
        msgspec.json.encode(problem), problem.status, dict(headers or {}), media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Let `app` answer all errors as problems."""

    async def on_mirix_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, MirixError)
        return answer_error(error, request.url.path, _request_id(request))

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer_error(invalid_as(error), request.url.path, _request_id(request))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer_status(
            error.status_code,
            str(error.detail),
            request.url.path,
            _request_id(request),
            error.headers,
        )

    async def on_gone(request: Request, error: Exception) -> Response:
        assert isinstance(error, ClientDisconnect)
        return Response(status_code=CLIENT_GONE)

    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(MirixError, on_mirix_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


def _dotted(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def hint(status: int, path: str) -> str:
    """Return what a bare HTTP status says of a path."""
    match status:
        case HTTPStatus.NOT_FOUND:
            return f"there is nothing at {path}; /docs lists what there is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{path} does not take this method; see Allow"
        case _:
            return HTTPStatus(status).description or HTTPStatus(status).phrase
