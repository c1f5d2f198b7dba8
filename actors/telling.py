"""Tells how far an agent is: when it has moved, and as a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from actors.progress import (
    HEARTBEAT_S,
    PROGRESS_PAUSE_S,
    Progress,
    encode_signal,
    progress_subject,
)
from events.errors import Unavailable
from events.signals import Signals

log = structlog.get_logger(__name__)


class Telling:
    """The progress of one agent, on its subject."""

    def __init__(self, signals: Signals, progress: Callable[[], Progress]) -> None:
        self._signals = signals
        self._progress = progress
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """Say that there is something to tell."""
        self._moved.set()

    async def run(self) -> None:
        """Tell the progress when it has moved, with a pause between, and as a heartbeat."""
        while True:
            self._moved.clear()
            await self._tell()
            await asyncio.sleep(PROGRESS_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._moved.wait()

    async def _tell(self) -> None:
        progress = self._progress()
        subject = progress_subject(progress.shard, progress.agent)
        try:
            await self._signals.publish(subject, encode_signal(progress))
        except Unavailable as error:
            # The next heartbeat tells it; the connection comes back by itself.
            log.debug("progress_not_told", error=error.message)
