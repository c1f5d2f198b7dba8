"""Watches over one attempt: how long it may take, and how long it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Watch:
    """Bounds every wait of an attempt: by `first_s` until it began to tell, by `whole_s` at last.

    It cancels what it waits for, never the task of whoever reads the pieces in between.
    """

    def __init__(self, first_s: float, whole_s: float) -> None:
        self._started = time.monotonic()
        self._first_s = first_s
        self._whole_s = whole_s
        self._began_at: float | None = None

    async def wait(self, work: Awaitable[T]) -> T:
        """Return what `work` gives.

        Raises:
            TimeoutError: the first piece, or the whole, took too long; it says which.
        """
        bound_s = self._whole_s
        if self._began_at is None:
            bound_s = min(self._first_s, self._whole_s)
        left_s = self._started + bound_s - time.monotonic()
        try:
            async with asyncio.timeout(left_s):
                return await work
        except TimeoutError:
            what = "nothing" if self._began_at is None else "no end"
            raise TimeoutError(f"{what} within {bound_s:g} s") from None

    def began(self) -> None:
        """Note that the first piece is there."""
        if self._began_at is None:
            self._began_at = time.monotonic()

    @property
    def first_token_ms(self) -> int:
        """How long the first piece took; the whole time, when there was none."""
        if self._began_at is None:
            return self.duration_ms
        return round((self._began_at - self._started) * 1000)

    @property
    def duration_ms(self) -> int:
        """How long it took until now."""
        return round((time.monotonic() - self._started) * 1000)
