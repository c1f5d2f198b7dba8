"""Work that is begun before anybody asks for it, because somebody is about to.

It is claimed once. What nobody asks for in time is dropped, and so is what would be too much: then
whoever asks begins it themselves, a little later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

#: How long work that was begun ahead waits to be asked for, and how much of a kind may.
AHEAD_S = 2.0
AHEAD_MAX = 64

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Ahead(Generic[K, T]):
    """What was begun and not asked for yet, by what it will be asked for with; for one loop."""

    def __init__(self) -> None:
        self._begun: dict[K, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, key: K, work: Coroutine[Any, Any, T]) -> asyncio.Task[T] | None:
        """Begin work, in the place of what was begun for `key`; None where too much is begun."""
        old = self._begun.pop(key, None)
        if old is not None:
            _drop(old)
        if len(self._begun) >= AHEAD_MAX:
            work.close()
            return None
        task = self._begun[key] = asyncio.create_task(work)
        asyncio.get_running_loop().call_later(AHEAD_S, self._forget, key, task)
        return task

    def get(self, key: K) -> asyncio.Task[T] | None:
        """Return what was begun for `key`, which stays."""
        return self._begun.get(key)

    def claim(self, key: K) -> asyncio.Task[T] | None:
        """Return what was begun for `key`, which is the caller's from now on."""
        return self._begun.pop(key, None)

    def _forget(self, key: K, task: asyncio.Task[T]) -> None:
        if self._begun.get(key) is task:
            del self._begun[key]
            _drop(task)


def _drop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    if task.done() and not task.cancelled():
        task.exception()  # seen, so that nothing is said of it: nobody wanted it
