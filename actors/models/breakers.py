"""Circuit breakers: a provider that failed several times in a row is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.messages.events import ContextChanged
from purgatory.domain.model import OpenedState

from actors.models.port import FailureKind, ModelFailed

log = structlog.get_logger(__name__)

#: What tells that a provider itself is out of order. A refusal is about one request, and who is
#: limited is told when to come again.
_COUNTED: frozenset[FailureKind] = frozenset(
    {"unavailable", "timed_out", "cut_off", "unauthorized"}
)
#: What tells nothing about it.
_TELLING_NOTHING: frozenset[FailureKind] = frozenset({"rate_limited", "cancelled"})


class BreakerOpen(Exception):
    """A provider is left alone for another so many seconds: (provider, seconds)."""

    def __init__(self, provider: str, left_s: float) -> None:
        super().__init__(provider, left_s)
        self.provider = provider
        self.left_s = left_s


class Breakers:
    """One breaker for each provider, by its name."""

    def __init__(self, failures: int, open_s: float) -> None:
        self._open_s = open_s
        self._factory = AsyncCircuitBreakerFactory(default_threshold=failures, default_ttl=open_s)
        self._factory.add_listener(_log_change)

    @asynccontextmanager
    async def attempt(self, provider: str) -> AsyncIterator[None]:
        """Make an attempt; what comes of it counts for the breaker.

        An attempt that is given up from outside counts neither way.

        Raises:
            BreakerOpen: the provider is left alone.
        """
        breaker = await self._factory.get_breaker(provider)
        try:
            await breaker.__aenter__()
        except OpenedState as opened:
            # The library raises the same object each time: its traceback must not grow.
            opened.__traceback__ = None
            left_s = opened.opened_at + self._open_s - time.time()
            raise BreakerOpen(provider, max(0.0, left_s)) from None
        try:
            yield
        except ModelFailed as failed:
            if failed.kind in _COUNTED:
                await breaker.__aexit__(ModelFailed, failed, None)
            elif failed.kind not in _TELLING_NOTHING:
                await breaker.__aexit__(None, None, None)
            raise
        else:
            await breaker.__aexit__(None, None, None)


def _log_change(provider: str, kind: str, event: object) -> None:
    if isinstance(event, ContextChanged):
        log.warning("model_breaker_changed", provider=provider, state=event.state)
