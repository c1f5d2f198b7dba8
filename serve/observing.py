"""The outermost layer: names every request, counts it, logs it, answers what nobody caught.

Pure ASGI, so that streams pass untouched. A client may send `X-Request-ID`; it comes back in the
answer.
"""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.ids import random_id
from serve.metrics import Metrics
from serve.problems import Problem, render

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
NO_ROUTE = "(none)"
_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
        asked = Headers(scope=scope).get(HEADER, "")
        request_id = asked if _ACCEPTED.fullmatch(asked) else random_id("req")
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
