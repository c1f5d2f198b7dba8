"""Work that is begun before anybody asks for it."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from actors import ahead
from actors.ahead import AHEAD_MAX, Ahead

DEADLINE_S = 10.0


async def value(of: int) -> int:
    return of


async def for_ever() -> int:
    await asyncio.Future()
    return 0


async def test_what_was_begun_is_claimed_once() -> None:
    """Looking at it leaves it; after it was claimed there is nothing any more."""
    begun: Ahead[str, int] = Ahead()
    task = begun.begin("key", value(7))
    assert begun.get("key") is task
    claimed = begun.claim("key")
    assert claimed is task
    assert claimed is not None
    assert await claimed == 7
    assert begun.claim("key") is None
    assert begun.claim("another") is None


async def test_what_is_begun_again_takes_the_place_of_the_first() -> None:
    """The first is given up."""
    begun: Ahead[str, int] = Ahead()
    first = begun.begin("key", for_ever())
    second = begun.begin("key", value(7))
    assert first is not None
    await asyncio.wait({first}, timeout=DEADLINE_S)
    assert first.cancelled()
    assert begun.claim("key") is second


async def test_no_more_is_begun_than_fits() -> None:
    """What would be too much is not begun, and leaves nothing behind."""
    begun: Ahead[int, int] = Ahead()
    tasks = [begun.begin(number, for_ever()) for number in range(AHEAD_MAX)]
    too_much = value(7)
    assert begun.begin(AHEAD_MAX, too_much) is None
    assert inspect.getcoroutinestate(too_much) == inspect.CORO_CLOSED
    assert len(begun) == AHEAD_MAX
    for task in tasks:
        assert task is not None
        task.cancel()


async def test_what_nobody_asks_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes after a while, done or not; what was claimed goes on."""
    monkeypatch.setattr(ahead, "AHEAD_S", 0.01)
    begun: Ahead[str, int] = Ahead()
    unwanted, wanted = begun.begin("unwanted", for_ever()), begun.begin("wanted", for_ever())
    assert unwanted is not None
    assert wanted is not None
    begun.claim("wanted")
    await asyncio.wait({unwanted}, timeout=DEADLINE_S)
    assert unwanted.cancelled()
    assert len(begun) == 0
    assert not wanted.done()
    wanted.cancel()
