"""The outermost layer: names every request, counts it, logs it, answers what nobody caught.

Pure ASGI, so that streams pass untouched. A client may send `X-Request-ID`; it comes back in the
answer.
"""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.ids import random_id
from serve.metrics import Metrics
from serve.problems import Problem, render

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
NO_ROUTE = "(none)"
_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestIds:
    """Settles the request's id in its headers, in front of a server that puts them on answers.

    Such a server (Serve) answers what it was sent, whatever it is: so what is not accepted as an id
    is replaced before the server reads it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under an id that may be shown."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            headers[HEADER] = _settled(headers.getlist(HEADER))
        await self._app(scope, receive, send)


def in_front_of_serve() -> list[Middleware]:
    """Return what every HTTP server of Serve is wrapped in; the settings' environment names it."""
    return [Middleware(RequestIds)]


class Observing:
    """Wraps the application. With `echo`, answers carry the request's id."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, echo: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._echo = echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _settled(Headers(scope=scope).getlist(HEADER))
        scope.setdefault("state", {})["request_id"] = request_id
        started_s = time.perf_counter()
        status = 0

        async def marked_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._echo:
                    MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, marked_send)
            except Exception:
                # Whatever was not foreseen: the story goes to the log, and not to the client.
                log.exception("request_failed", method=scope["method"], route=_route(scope))
                if status == 0:
                    await _unforeseen(request_id)(scope, receive, marked_send)
            finally:
                duration_s = time.perf_counter() - started_s
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.count_request(method, _route(scope), status, duration_s)
                log.debug(
                    "request_served",
                    method=method,
                    route=_route(scope),
                    status=status,
                    duration_ms=round(duration_s * 1000, 2),
                )


def _settled(asked: list[str]) -> str:
    """Return the id that was asked for, if one was and it is harmless; else a new one."""
    return asked[0] if len(asked) == 1 and _ACCEPTED.fullmatch(asked[0]) else random_id("req")


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", NO_ROUTE))


def _unforeseen(request_id: str) -> ASGIApp:
    return render(
        Problem(
            type="urn:mirix:problem:internal-error",
            title="Internal error",
            status=500,
            detail=f"something went wrong here; the log tells what, under request {request_id}",
            instance=f"urn:mirix:request:{request_id}",
            request_id=request_id,
        )
    )
