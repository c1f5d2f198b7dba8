"""The one thread that owns a state: folding, deciding and reading never meet.

Handing work to another thread and getting the answer back takes longer than a small look at the
state. So brief work is done at once, on the event loop, while the thread has nothing to do: only
the loop hands it work, and it cannot do so meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class StateThread:
    """Runs work on a state, one piece after another; to be used from one event loop."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._open = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T], *, brief: bool = False) -> T:
        """Return what `work` returns; `brief`: it is done in less than a millisecond or two."""
        if brief and not self._open:
            return work()
        with self._lock:
            self._open += 1
        future = self._thread.submit(work)
        # Not when whoever waits for it gives up: the thread goes on.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more work, and wait for what there is."""
        self._thread.shutdown(wait=True)

    def _done(self, _: Future[Any]) -> None:
        with self._lock:
            self._open -= 1
