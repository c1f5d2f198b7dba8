"""The gateway on Ray Serve: replicas that each build the application over a backend of their own.

The only module here that imports `ray`. A replica opens its backend in its own event loop, where
the application then runs, and is replaced when one of the backend's tasks has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias, cast

import structlog
from fastapi import FastAPI
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.deployment import Deployment
from ray.serve.schema import LoggingConfig

from actors.collecting import collect_seldom
from events.keystore import KeyStore
from serve.backend import Backend
from serve.gateway import build_app
from serve.settings import ServeSettings

log = structlog.get_logger(__name__)

APPLICATION = "gateway"
#: Opens log, agents and keys for one replica, and closes them; it is pickled to the replicas.
MakeBackend: TypeAlias = Callable[[], AbstractAsyncContextManager[tuple[Backend, KeyStore]]]


class Gateway:
    """One replica."""

    async def __init__(self, settings: ServeSettings, make_backend: MakeBackend) -> None:  # type: ignore[misc]  # Serve awaits it
        self._settings = settings
        self._open = AsyncExitStack()
        self._backend, self._keystore = await self._open.enter_async_context(make_backend())

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application; Serve calls this once, after the constructor."""
        # Serve gives every request an id and puts it on the answer.
        app = build_app(self._settings, self._backend, self._keystore, echo_request_id=False)
        collect_seldom()
        return app

    async def check_health(self) -> None:
        """Raise when the replica must be replaced; Serve calls this every few seconds."""
        self._backend.check()

    async def __del__(self) -> None:
        """Close the backend; Serve awaits this when a replica is stopped gracefully."""
        await self._open.aclose()


def deploy_gateway(settings: ServeSettings, make_backend: MakeBackend) -> None:
    """Put the gateway on the Ray cluster that this process is connected to; returns when it serves.

    Args:
        settings: address, size and limits. What its `environment()` says was set before Ray was
            imported, and started.
        make_backend: opens what a replica needs.

    Raises:
        RuntimeError: the replicas did not come up.
    """
    begin_serving(settings)
    serve.run(_application(settings, make_backend), name=APPLICATION, route_prefix="/")
    log.info("gateway_deployed", host=settings.host, port=settings.port)


def begin_serving(settings: ServeSettings) -> None:
    """Start Serve with the gateway's address, whichever application comes first; once is enough."""
    serve.start(
        proxy_location="EveryNode" if settings.replicas > 1 else "HeadOnly",
        http_options=HTTPOptions(host=settings.host, port=settings.port),
        logging_config=_logging(),
    )


def withdraw_gateway(*, leave_serve: bool = False) -> None:
    """Stop the replicas, gracefully, and Serve with them unless other applications need it."""
    if leave_serve:
        serve.delete(APPLICATION)
    else:
        end_serving()


def end_serving() -> None:
    """Stop Serve and what is left on it."""
    serve.shutdown()  # type: ignore[no-untyped-call]  # Ray left its type out


def _application(settings: ServeSettings, make_backend: MakeBackend) -> Any:
    deployment = serve.deployment(
        serve.ingress()(Gateway),
        name="Gateway",
        num_replicas=settings.replicas,
        # The work is done elsewhere: a replica must never wait for a free core to be scheduled.
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=settings.ongoing_requests_max,
        max_queued_requests=settings.queued_requests_max,
        graceful_shutdown_timeout_s=10.0,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=2.0,
        health_check_timeout_s=10.0,
        logging_config=_logging(),
    )
    # Ray's types do not tell a decorator with a class from one without.
    return cast(Deployment, deployment).bind(settings, make_backend)


def _logging() -> LoggingConfig:
    # The gateway's own log tells of requests, with their ids.
    return LoggingConfig(log_level="WARNING", enable_access_log=False, encoding="JSON")
