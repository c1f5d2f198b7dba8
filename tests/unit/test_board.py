"""Waiting for all nine agents."""

from __future__ import annotations

import asyncio

import pytest

from actors.board import ProgressBoard
from actors.names import AGENTS
from actors.progress import Progress
from events.errors import DeadlineExceeded
from events.signals import MemorySignals


def progress(agent: str, through: int, wrote: int = 0) -> Progress:
    return Progress(shard=0, agent=agent, through=through, wrote=wrote, pid=1)


def all_through(board: ProgressBoard, through: int, wrote: int = 0) -> None:
    for agent in AGENTS:
        board.hear(progress(agent, through, wrote))


async def test_waiting_ends_when_all_have_handled_what_came_of_it() -> None:
    """A position is handled when what an agent wrote for it is handled by all, too."""
    board = ProgressBoard(MemorySignals(), shards=1)
    waiting = asyncio.create_task(board.wait_handled(0, 5, timeout_s=5))
    all_through(board, 5)
    board.hear(progress("episodic_memory", 5, wrote=8))
    await asyncio.sleep(0)
    assert not waiting.done()
    all_through(board, 8, wrote=8)
    assert await waiting == 8


async def test_waiting_names_who_is_late_when_the_time_is_over() -> None:
    """The error says which agents did not get there."""
    board = ProgressBoard(MemorySignals(), shards=1)
    all_through(board, 5)
    board.hear(progress("chat", 5))
    with pytest.raises(DeadlineExceeded, match="chat"):
        await board.wait_handled(0, 6, timeout_s=0.01)


async def test_an_agent_counts_as_gone_when_it_is_silent() -> None:
    """An agent that tells nothing for several heartbeats is not alive."""
    now_s = [0.0]
    board = ProgressBoard(MemorySignals(), shards=1, now_s=lambda: now_s[0])
    all_through(board, 5)
    assert all(status.alive for status in board.status())
    now_s[0] = 60.0
    assert not any(status.alive for status in board.status())
