"""Group commit: while one commit is on its way, what arrives waits and shares the next one.

A durable commit costs one fsync, whatever it holds. Rules:
- Whole appends are merged in order of arrival, up to a bound on messages and on bytes; an append is
  never split, so it stays atomic.
- An id that two appends share is committed once; both are told its position.
- When a group is refused, each of its appends is committed alone, so that one bad append fails
  nobody else. When the log is away or corrupt the whole group is told: trying each alone would
  not help.
- What waits is bounded; beyond it an append is refused at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from events.errors import CorruptLog, Unavailable
from events.log import BATCH_MESSAGES_MAX, NewRecord

GROUP_BYTES_MAX = 8 * 1024 * 1024
WAITING_BYTES_MAX = 128 * 1024 * 1024
WAITING_MESSAGES_MAX = 50_000

Commit: TypeAlias = Callable[[Sequence[NewRecord]], Awaitable[tuple[int, ...]]]
_Append: TypeAlias = tuple[Sequence[NewRecord], asyncio.Future[tuple[int, ...]]]


class GroupCommitter:
    """Merges concurrent appends into shared commits; for use within one event loop."""

    def __init__(
        self,
        commit: Commit,
        *,
        messages_max: int = BATCH_MESSAGES_MAX,
        bytes_max: int = GROUP_BYTES_MAX,
        waiting_messages_max: int = WAITING_MESSAGES_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        """Group for `commit`, which stores records of distinct ids, all or none."""
        self._commit = commit
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._waiting_messages_max = waiting_messages_max
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting: deque[_Append] = deque()
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        """Return the positions of `records` once the group that holds them is committed.

        Raises:
            Unavailable: too much is waiting, or the committer is closed.
            Exception: whatever the commit of these records raises.
        """
        if self._closed:
            raise Unavailable("the log is being closed; append elsewhere or later")
        size = _bytes_of(records)
        if (
            self._waiting_messages + len(records) > self._waiting_messages_max
            or self._waiting_bytes + size > self._waiting_bytes_max
        ):
            raise Unavailable(
                f"{self._waiting_messages} records wait for the log already; retry later"
            )
        answer: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, answer))
        self._waiting_messages += len(records)
        self._waiting_bytes += size
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._drain())
        return await answer

    async def close(self) -> None:
        """Refuse new appends and wait until those that were taken are answered."""
        self._closed = True
        if self._worker is not None:
            await asyncio.wait([self._worker])

    async def _drain(self) -> None:
        group: list[_Append] = []
        try:
            while group := self._next_group():
                await self._commit_group(group)
                # Those just answered often append again at once: one turn of the event loop lets
                # them into the next group, which would else go out without them, and they after it.
                await asyncio.sleep(0)
        finally:
            # Reached with work left only when this task is cancelled: nobody may wait for ever.
            for _, answer in (*group, *self._waiting):
                if not answer.done():
                    answer.cancel()

    def _next_group(self) -> list[_Append]:
        group: list[_Append] = []
        messages = group_bytes = 0
        while self._waiting:
            records, answer = self._waiting[0]
            size = _bytes_of(records)
            if group and (
                messages + len(records) > self._messages_max or group_bytes + size > self._bytes_max
            ):
                break
            self._waiting.popleft()
            self._waiting_messages -= len(records)
            self._waiting_bytes -= size
            if answer.done():
                continue  # its caller gave up before anything was sent
            group.append((records, answer))
            messages += len(records)
            group_bytes += size
        return group

    async def _commit_group(self, group: Sequence[_Append]) -> None:
        try:
            position_of = await self._commit_distinct(group)
        except (Unavailable, CorruptLog) as error:
            for _, answer in group:
                _fail(answer, error)
        except Exception as error:
            # Whatever it is, it is handed to the one whose records caused it.
            if len(group) == 1:
                _fail(group[0][1], error)
                return
            for append in group:
                await self._commit_group([append])
        else:
            for records, answer in group:
                if not answer.done():
                    answer.set_result(tuple(position_of[r.record_id] for r in records))

    async def _commit_distinct(self, group: Sequence[_Append]) -> dict[str, int]:
        distinct: dict[str, NewRecord] = {}
        for records, _ in group:
            for record in records:
                distinct.setdefault(record.record_id, record)
        positions = await self._commit(list(distinct.values()))
        return dict(zip(distinct, positions, strict=True))


def _bytes_of(records: Sequence[NewRecord]) -> int:
    return sum(len(record.body) for record in records)


def _fail(answer: asyncio.Future[tuple[int, ...]], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
