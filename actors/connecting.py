"""Connecting to the log from a process that must not give up waiting for it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog

from actors.settings import ActorSettings
from events.connection import Connection, connect
from events.errors import Unavailable

log = structlog.get_logger(__name__)


async def connected(stack: AsyncExitStack, settings: ActorSettings) -> Connection:
    """Return a connection that `stack` closes, however long the log takes to come back.

    Raises:
        Misconfigured: the log is not durable, or set up for something else.
        CorruptLog: the log has lost something.
    """
    while True:
        try:
            return await stack.enter_async_context(connect(settings.log))
        except Unavailable as error:
            log.warning("log_awaited", error=error.message)
            await asyncio.sleep(settings.retry_wait_s)
