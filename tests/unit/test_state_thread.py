"""The thread that owns a state: one piece of work at a time, wherever it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from actors.state_thread import StateThread

DEADLINE_S = 10.0


@pytest.fixture
def owner() -> Iterator[StateThread]:
    thread = StateThread("state-test")
    yield thread
    thread.close()


async def test_brief_work_is_done_at_once_while_the_thread_is_idle(owner: StateThread) -> None:
    """Nothing is handed over; what may take long goes to the thread all the same."""
    assert await owner.run(threading.get_ident, brief=True) == threading.get_ident()
    assert await owner.run(threading.get_ident) != threading.get_ident()
    assert await owner.run(threading.get_ident, brief=True) == threading.get_ident()


async def test_brief_work_waits_for_what_the_thread_does(owner: StateThread) -> None:
    """Two pieces of work never meet, even when whoever asked for the first has given up."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def long() -> None:
        begun.set()
        assert go_on.wait(DEADLINE_S)
        done.append("long")

    first = asyncio.create_task(owner.run(long))
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(owner.run(lambda: done.append("brief"), brief=True))
    await asyncio.sleep(0)
    assert done == []
    go_on.set()
    await asyncio.wait_for(second, DEADLINE_S)
    assert done == ["long", "brief"]


async def test_work_that_was_never_begun_leaves_the_thread_idle(owner: StateThread) -> None:
    """What is given up while it waits does not count as open for ever."""
    begun, go_on = threading.Event(), threading.Event()

    def long() -> bool:
        begun.set()
        return go_on.wait(DEADLINE_S)

    first = asyncio.create_task(owner.run(long))
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    waiting = asyncio.create_task(owner.run(threading.get_ident))
    await asyncio.sleep(0)
    waiting.cancel()
    go_on.set()
    assert await asyncio.wait_for(first, DEADLINE_S)
    await asyncio.gather(waiting, return_exceptions=True)
    assert await owner.run(threading.get_ident, brief=True) == threading.get_ident()


@pytest.mark.parametrize("brief", [True, False])
async def test_errors_are_raised_to_who_asked(owner: StateThread, brief: bool) -> None:
    """And the thread takes the next work."""

    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await owner.run(fail, brief=brief)
    assert await owner.run(lambda: 7, brief=brief) == 7
