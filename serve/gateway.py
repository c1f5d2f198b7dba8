"""The gateway's application: one FastAPI app out of the groups of routes.

On the way of a message this is the first stop: `observing` names the request, `limits` bounds it,
`edge` authenticates and decodes it, a route turns it into events or a question, and `problems`
tells what failed.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from events.clock import Clock, system_clock
from events.keystore import KeyStore
from serve import (
    answers,
    consolidation_forms,
    memory_forms,
    openai_answers,
    openai_errors,
    openai_requests,
    openapi,
    past_answers,
    problems,
    requests,
    routes_agents,
    routes_chat,
    routes_consolidation,
    routes_conversation,
    routes_events,
    routes_feedback,
    routes_history,
    routes_memory,
    routes_messages,
    routes_models,
    routes_openai,
    routes_projections,
    routes_search,
    routes_system,
    routes_timeline,
    routes_tools,
    routes_ws,
)
from serve.backend import Backend
from serve.context import GatewayContext
from serve.limits import BodyLimit
from serve.observing import Observing
from serve.settings import ServeSettings

PREFIX = "/api/v1"
OPENAI_PREFIX = "/v1"
ASSETS = "/docs-assets"
ABOUT = """A memory platform for AI assistants, on an append-only log of events.

Send a service key in `X-API-Key` or as `Authorization: Bearer <key>`. Every write answers with
its position in `X-Event-Seq`; a read that passes it (`min_position`, or the same header) sees that
write. With `as_of`, a position of the log or a time, a read answers as it would have then; the
position that it stands for comes back in `X-As-Of`. `/events` shows the log itself, and
`/events/stream` as it grows. A WebSocket at `/api/v1/ws` is for chat with several at once, and
OpenAI's clients find their interface under `/v1`, with errors of its own. Every other error is
`application/problem+json` (RFC 9457).
"""


def build_app(
    settings: ServeSettings,
    backend: Backend,
    keystore: KeyStore,
    *,
    clock: Clock = system_clock,
    echo_request_id: bool = True,
) -> FastAPI:
    """Return the gateway's application over a backend.

    `echo_request_id` is False behind a server that puts `X-Request-ID` on answers itself.
    """
    context = GatewayContext(settings, backend, keystore, clock=clock)
    app = FastAPI(
        title="MIRIX",
        version="1",
        summary="Event-sourced memory for AI assistants.",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.context = context
    app.state.sockets = routes_ws.Sockets(context)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Observing, metrics=context.metrics, echo=echo_request_id)
    problems.install(app)
    openai_errors.install(app, OPENAI_PREFIX)
    app.include_router(routes_system.open_router)
    app.include_router(routes_system.open_router, prefix=PREFIX, include_in_schema=False)
    for routes in (
        # A request is compared with all that comes before its own: first what has to be quick.
        routes_chat,
        routes_messages,
        routes_conversation,
        # Before the tiers, or "search" would be taken for one.
        routes_search,
        routes_feedback,
        routes_consolidation,
        routes_memory,
        routes_history,
        routes_timeline,
        routes_events,
        routes_agents,
        routes_models,
        routes_tools,
        routes_projections,
        routes_system,
    ):
        app.include_router(routes.router, prefix=PREFIX)
    app.include_router(routes_ws.router, prefix=PREFIX)
    app.include_router(routes_openai.router, prefix=OPENAI_PREFIX)
    shapes = openapi.structs_of(
        requests, answers, past_answers, openai_requests, openai_answers, consolidation_forms
    )
    openapi.install(app, (*shapes, *memory_forms.STRUCTS))
    _add_docs(app)
    return app


def _add_docs(app: FastAPI) -> None:
    # From a package, not from the network: a machine without one shows its documentation as well.
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]), name="assets")

    @app.get("/docs", include_in_schema=False)
    @app.get(f"{PREFIX}/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="MIRIX",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def document() -> dict[str, object]:
        return app.openapi()
