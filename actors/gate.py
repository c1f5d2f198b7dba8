"""Lets readers wait for a position."""

from __future__ import annotations

import asyncio


class PositionGate:
    """A position that only grows, and those who wait for it. For one event loop."""

    def __init__(self) -> None:
        self.position = 0
        self._moved = asyncio.Event()

    def advance(self, position: int) -> None:
        """Move to `position`, if that is ahead, and wake those who waited for it."""
        if position > self.position:
            self.position = position
            self._moved.set()
            self._moved = asyncio.Event()

    async def wait_for(self, position: int) -> None:
        """Return once the gate is at `position` or past it."""
        while self.position < position:
            await self._moved.wait()
