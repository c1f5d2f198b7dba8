"""Errors as OpenAI's clients read them: the status picks the exception, the body its fields.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer

from events.errors import MirixError, NotFound, Unauthenticated
from serve.edge import Json, ProtectedRoute
from serve.no_answer import AnswerRefused, BudgetSpent, NoAnswer
from serve.openai_answers import OpenAIError, OpenAIFault
from serve.openapi import Responses, gives
from serve.problems import RETRY_AFTER_S, Invalid

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
                return answer_fault(
                    Invalid("; ".join(str(one["msg"]) for one in error.errors()), ())
                )

        return told


def openai_router() -> APIRouter:
    """Return a router whose routes need a service key, as a bearer's as a rule."""
    return APIRouter(
        tags=["openai"],
        route_class=OpenAIRoute,
        responses=OPENAI_PROBLEMS,
        dependencies=[Security(HTTPBearer(auto_error=False, description="A service key."))],
    )
