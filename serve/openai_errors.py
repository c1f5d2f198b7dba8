"""Errors as OpenAI's clients read them: the status picks the exception, the body its fields.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from events.errors import MirixError, NotFound, Unauthenticated
from serve.edge import Json, ProtectedRoute
from serve.no_answer import AnswerRefused, BudgetSpent, NoAnswer
from serve.openai_answers import OpenAIError, OpenAIFault
from serve.openapi import Responses, gives
from serve.problems import RETRY_AFTER_S, Invalid, hint, invalid_as

log = structlog.get_logger(__name__)

#: What every route under `/v1` may answer.
OPENAI_PROBLEMS: Responses = {
    400: gives(OpenAIError, "The request cannot be done as it is."),
    401: gives(OpenAIError, "No service key, or one that is not known."),
    429: gives(OpenAIError, "The budget of tokens is spent; see Retry-After."),
    503: gives(OpenAIError, "Something is not there at the moment; see Retry-After."),
    "default": gives(OpenAIError, "Any other error."),
}


class ModelNotFound(NotFound):
    """`model` names nothing that is here."""


def fault_of(error: MirixError) -> OpenAIError:
    """Return the body that tells of an error."""
    kind, param, code = "invalid_request_error", None, None
    match error:
        case Unauthenticated():
            code = "invalid_api_key"
        case ModelNotFound():
            param, code = "model", "model_not_found"
        case BudgetSpent():
            kind = code = "insufficient_quota"
        case AnswerRefused():
            code = "refused"
        case NoAnswer():
            kind, code = "server_error", error.kind
        case Invalid() if error.faults:
            param = error.faults[0].location.removeprefix("body.")
        case _ if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = "server_error"
    return OpenAIError(error=OpenAIFault(message=error.message, type=kind, param=param, code=code))


def answer_fault(error: MirixError) -> Response:
    """Return the response that tells of an error."""
    # Their clients know a request at fault by 400, where we tell 422.
    status = 400 if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else error.status
    headers = dict[str, str]()
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        headers["Retry-After"] = RETRY_AFTER_S
    if isinstance(error, NoAnswer) and error.retry_after_s:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, BudgetSpent):
        # Or the client would ask again at once, twice.
        headers["X-Should-Retry"] = "false"
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="mirix"'
    return Json(fault_of(error), status, headers)


class OpenAIRoute(ProtectedRoute):
    """A protected route whose errors are OpenAI's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the errors told in OpenAI's shape."""
        handler = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handler(request)
            except MirixError as error:
                return answer_fault(error)
            except RequestValidationError as error:
                return answer_fault(invalid_as(error))
            except (ClientDisconnect, HTTPException):
                raise  # nobody is there to read an answer, or `install` has one
            # Not swallowed: the story goes to the log, and the client hears that it failed.
            except Exception:
                request_id = request.state.request_id
                log.exception("request_failed", method=request.method, route=self.path)
                message = f"something went wrong here; the log tells what, of request {request_id}"
                return _bare(500, message)

        return told


def install(app: FastAPI, prefix: str) -> None:
    """Let `app` answer what has no route under `prefix` in OpenAI's shape too.

    Everywhere else it answers as before.
    """
    before = app.exception_handlers[HTTPException]

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path
        if path != prefix and not path.startswith(f"{prefix}/"):
            answer = before(request, error)
            return await answer if isinstance(answer, Awaitable) else answer
        return _bare(error.status_code, hint(error.status_code, path), error.headers)

    app.add_exception_handler(HTTPException, on_http)


def _bare(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer of which the status is all that is known."""
    at_fault = status < HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "invalid_request_error" if at_fault else "server_error"
    fault = OpenAIFault(message=message, type=kind, param=None, code=None)
    return Json(OpenAIError(error=fault), status, dict(headers or {}))


def openai_router() -> APIRouter:
    """Return a router whose routes need a service key, as a bearer's as a rule."""
    return APIRouter(
        tags=["openai"],
        route_class=OpenAIRoute,
        responses=OPENAI_PROBLEMS,
        dependencies=[Security(HTTPBearer(auto_error=False, description="A service key."))],
    )
