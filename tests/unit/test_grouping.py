"""Group commit: many appends, few commits, nobody pays for a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.errors import CommandRejected, Unavailable
from events.grouping import GroupCommitter
from events.log import NewRecord

DEADLINE_S = 10.0


class Store:
    """Commits into a list when it is let; remembers every group that it was given."""

    def __init__(self, *, open_: bool = True) -> None:
        self.groups: list[list[str]] = []
        self.bodies: dict[str, bytes] = {}
        self.positions: dict[str, int] = {}
        self.bad: set[str] = set()
        self.away = False
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        if open_:
            self.gate.set()

    async def commit(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        ids = [record.record_id for record in records]
        assert len(set(ids)) == len(ids), "a group holds no id twice"
        self.groups.append(ids)
        self.begun.set()
        await self.gate.wait()
        if self.away:
            raise Unavailable("away")
        if self.bad.intersection(ids):
            raise CommandRejected("bad")
        for record in records:
            self.positions.setdefault(record.record_id, len(self.positions) + 1)
            self.bodies.setdefault(record.record_id, record.body)
        return tuple(self.positions[record_id] for record_id in ids)


def record(record_id: str, size: int = 1) -> NewRecord:
    return NewRecord(kind="Said", user="u", record_id=record_id, body=bytes(size))


async def test_appends_share_a_commit_when_one_is_on_its_way() -> None:
    """The first goes alone; all that arrive meanwhile go together."""
    store = Store(open_=False)
    committer = GroupCommitter(store.commit)
    tasks = [asyncio.create_task(committer.append([record("r0")]))]
    async with asyncio.timeout(DEADLINE_S):
        await store.begun.wait()
        tasks += [asyncio.create_task(committer.append([record(f"r{i}")])) for i in range(1, 9)]
        await asyncio.sleep(0)
        store.gate.set()
        answers = await asyncio.gather(*tasks)
    assert store.groups == [["r0"], [f"r{i}" for i in range(1, 9)]]
    assert answers == [(i,) for i in range(1, 10)]


async def test_bad_append_fails_alone() -> None:
    """A refused group is taken apart; only the append that caused it fails."""
    store = Store()
    store.bad = {"r2"}
    committer = GroupCommitter(store.commit)
    answers = await asyncio.gather(
        *(committer.append([record(f"r{i}"), record(f"s{i}")]) for i in range(4)),
        return_exceptions=True,
    )
    assert [isinstance(answer, CommandRejected) for answer in answers] == [
        False,
        False,
        True,
        False,
    ]
    assert "s2" not in store.positions, "an append stays atomic"
    assert len(store.positions) == 6


async def test_whole_group_is_told_when_the_log_is_away() -> None:
    """Nobody is tried alone against a log that cannot be reached."""
    store = Store()
    store.away = True
    committer = GroupCommitter(store.commit)
    answers = await asyncio.gather(
        *(committer.append([record(f"r{i}")]) for i in range(4)), return_exceptions=True
    )
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert len(store.groups) == 1


async def test_append_is_refused_when_too_much_waits() -> None:
    """What waits is bounded by messages and by bytes."""
    store = Store(open_=False)
    committer = GroupCommitter(store.commit, waiting_messages_max=3, waiting_bytes_max=100)
    tasks = [asyncio.create_task(committer.append([record(f"r{i}")])) for i in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="wait"):
        await committer.append([record("r3")])
    store.gate.set()
    await asyncio.gather(*tasks)
    with pytest.raises(Unavailable):
        await committer.append([record("large", 101)])
    assert await committer.append([record("r3")]) == (4,)


async def test_append_that_gave_up_is_not_sent() -> None:
    """A caller that was cancelled while it waited leaves nothing behind."""
    store = Store(open_=False)
    committer = GroupCommitter(store.commit)
    first = asyncio.create_task(committer.append([record("r0")]))
    async with asyncio.timeout(DEADLINE_S):
        await store.begun.wait()
        second = asyncio.create_task(committer.append([record("r1")]))
        await asyncio.sleep(0)
        second.cancel()
        store.gate.set()
        await first
        await committer.close()
    assert store.groups == [["r0"]]


async def test_close_answers_those_who_wait_and_refuses_new_ones() -> None:
    """Closing loses nothing that was taken."""
    store = Store()
    committer = GroupCommitter(store.commit)
    tasks = [asyncio.create_task(committer.append([record(f"r{i}")])) for i in range(5)]
    await asyncio.sleep(0)
    await committer.close()
    assert [task.result() for task in tasks] == [(i,) for i in range(1, 6)]
    with pytest.raises(Unavailable, match="closed"):
        await committer.append([record("late")])


appends = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=5),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(appends=appends, bad=st.sets(st.integers(0, 30), max_size=2))
def test_every_append_gets_its_own_positions_whatever_is_grouped(
    appends: list[list[tuple[int, int]]], bad: set[int]
) -> None:
    """Groups keep their bounds, answers fit their records, and only bad appends fail."""
    asyncio.run(check(appends, {f"r{number}" for number in bad}))


async def check(appends: list[list[tuple[int, int]]], bad: set[str]) -> None:
    store = Store()
    store.bad = bad
    committer = GroupCommitter(store.commit, messages_max=8, bytes_max=60)
    wanted = [[record(f"r{number}", size) for number, size in append] for append in appends]
    answers = await asyncio.gather(
        *(committer.append(records) for records in wanted), return_exceptions=True
    )
    for records, answer in zip(wanted, answers, strict=True):
        ids = [item.record_id for item in records]
        if bad.intersection(ids):
            assert isinstance(answer, CommandRejected)
        else:
            assert answer == tuple(store.positions[record_id] for record_id in ids)
    assert all(len(group) <= 8 for group in store.groups)
    assert not bad.intersection(store.positions)
