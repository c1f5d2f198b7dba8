"""What every log promises: one suite over JetStream (a real server) and its in-memory twin."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from events.errors import CommandRejected, CorruptLog, PayloadTooLarge, VersionConflict
from events.log import BATCH_MESSAGES_MAX, BODY_BYTES_MAX, EventLog, Expected, NewRecord, Record
from tests.contract.conftest import DEADLINE_S, MakeRecord


async def positions_of(log: EventLog, **filters: object) -> list[int]:
    return [record.position async for record in log.read(**filters)]  # type: ignore[arg-type]


async def follow_until(log: EventLog, count: int, after: int = 0) -> list[Record]:
    seen: list[Record] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(log.follow(after=after)) as batches:
        async for batch in batches:
            seen.extend(batch)
            if len(seen) >= count:
                break
    return seen


async def test_append_returns_positions_from_one_without_gaps(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Positions start at 1 and go up by one, within a batch and between batches."""
    assert await event_log.last_position() == 0
    assert await event_log.append([make_record("a")]) == (1,)
    assert await event_log.append([make_record("b"), make_record("c")]) == (2, 3)
    assert await event_log.last_position() == 3
    assert await event_log.append([]) == ()


async def test_append_of_the_largest_batch_is_atomic_and_in_order(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A batch of as many records as fit is stored whole."""
    records = [make_record(f"r{i}") for i in range(BATCH_MESSAGES_MAX)]
    assert await event_log.append(records) == tuple(range(1, BATCH_MESSAGES_MAX + 1))
    read = [record async for record in event_log.read()]
    assert [record.body for record in read] == [record.body for record in records]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_append_again_returns_the_old_positions(
    event_log: EventLog, make_record: MakeRecord, size: int
) -> None:
    """A whole batch that is appended a second time is a success and writes nothing."""
    records = [make_record(f"r{i}") for i in range(size)]
    await event_log.append([make_record("before")])
    first = await event_log.append(records)
    await event_log.append([make_record("between")])
    assert await event_log.append(records) == first
    assert await event_log.last_position() == size + 2


async def test_append_writes_only_the_rest_when_some_are_there(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Records that are there keep their positions; those that are not are appended together."""
    await event_log.append([make_record("b"), make_record("d")])
    mixed = [make_record(name) for name in ("a", "b", "c", "d", "a")]
    assert await event_log.append(mixed) == (3, 1, 4, 2, 3)
    assert await event_log.last_position() == 4


async def test_concurrent_appends_all_get_their_own_positions(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Grouping is invisible: each append is contiguous and nothing is lost or doubled."""
    appends = [[make_record(f"r{i}_{j}") for j in range(1 + i % 4)] for i in range(200)]
    answers = await asyncio.gather(*(event_log.append(records) for records in appends))
    body_at = {record.position: record.body async for record in event_log.read()}
    assert len(body_at) == sum(map(len, appends))
    for records, positions in zip(appends, answers, strict=True):
        assert list(positions) == list(range(positions[0], positions[0] + len(records)))
        assert [body_at[p] for p in positions] == [record.body for record in records]


async def test_concurrent_appends_share_an_id_without_failing_each_other(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Several appends of the same new record are one record."""
    await event_log.append([make_record("old")])
    answers = await asyncio.gather(
        *(event_log.append([make_record("same"), make_record("old")]) for _ in range(20)),
        *(event_log.append([make_record(f"own{i}")]) for i in range(20)),
    )
    assert len({answer[0] for answer in answers[:20]}) == 1
    assert {answer[1] for answer in answers[:20]} == {1}
    assert await event_log.last_position() == 22


async def test_append_is_refused_alone_when_its_neighbours_are_good(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """One append that cannot be does not fail those that arrive with it."""
    bad = NewRecord(kind="Said", user="usr.*", record_id="bad", body=b"")
    answers = await asyncio.gather(
        event_log.append([make_record("a")]),
        event_log.append([bad]),
        event_log.append([make_record("b")]),
        return_exceptions=True,
    )
    assert isinstance(answers[1], CommandRejected)
    assert sorted([answers[0], answers[2]]) == [(1,), (2,)]


async def test_append_is_rejected_when_it_is_over_a_bound(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Neither too many records nor too large a body get in."""
    with pytest.raises(CommandRejected, match="at most 1000"):
        await event_log.append([make_record(f"r{i}") for i in range(BATCH_MESSAGES_MAX + 1)])
    large = NewRecord(kind="Said", user="u", record_id="large", body=bytes(BODY_BYTES_MAX + 1))
    with pytest.raises(PayloadTooLarge):
        await event_log.append([large])
    assert await event_log.last_position() == 0


async def test_append_takes_a_body_of_the_largest_size(event_log: EventLog) -> None:
    """The bound itself is inside, also for two of them in one batch."""
    body = bytes(BODY_BYTES_MAX)
    records = [NewRecord(kind="Said", user="u", record_id=f"r{i}", body=body) for i in range(2)]
    assert await event_log.append(records) == (1, 2)
    assert [len(record.body) async for record in event_log.read()] == [len(body)] * 2


async def test_expected_append_succeeds_when_the_position_holds(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """The expectation is about one kind and user, which need not be those of the records."""
    none_yet = Expected(kind="Said", user="usr_a", position=0)
    assert await event_log.append([make_record("a")], expected=none_yet) == (1,)
    await event_log.append([make_record("x", user="usr_b")])
    at_one = Expected(kind="Said", user="usr_a", position=1)
    records = [make_record("b", kind="Done"), make_record("c")]
    assert await event_log.append(records, expected=at_one) == (3, 4)


@pytest.mark.parametrize("size", [1, 3])
async def test_expected_append_conflicts_when_somebody_was_first(
    event_log: EventLog, make_record: MakeRecord, size: int
) -> None:
    """A stale expectation writes nothing."""
    await event_log.append([make_record("a"), make_record("b")])
    stale = Expected(kind="Said", user="usr_a", position=1)
    with pytest.raises(VersionConflict):
        await event_log.append([make_record(f"r{i}") for i in range(size)], expected=stale)
    assert await event_log.last_position() == 2


@pytest.mark.parametrize("size", [1, 3])
async def test_expected_append_again_is_a_success(
    event_log: EventLog, make_record: MakeRecord, size: int
) -> None:
    """A repeated append is recognised although its expectation no longer holds."""
    records = [make_record(f"r{i}") for i in range(size)]
    none_yet = Expected(kind="Said", user="usr_a", position=0)
    first = await event_log.append(records, expected=none_yet)
    assert await event_log.append(records, expected=none_yet) == first


async def test_only_one_of_many_expected_appends_wins(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Optimistic concurrency lets one writer through."""
    none_yet = Expected(kind="Said", user="usr_a", position=0)
    answers = await asyncio.gather(
        *(event_log.append([make_record(f"r{i}")], expected=none_yet) for i in range(20)),
        return_exceptions=True,
    )
    assert [answer for answer in answers if not isinstance(answer, VersionConflict)] == [(1,)]


async def test_last_of_returns_the_last_under_kind_and_user(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Other kinds and users do not count."""
    await event_log.append([make_record("a"), make_record("b"), make_record("c", kind="Done")])
    last = await event_log.last_of("Said", "usr_a")
    assert last == Record(position=2, kind="Said", user="usr_a", body=b"body of b")
    assert await event_log.last_of("Said", "usr_b") is None


async def test_at_returns_the_records_at_positions_in_the_order_given(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """Positions need not be neighbours, nor in order, nor of one kind or user."""
    await event_log.append(
        [make_record(f"r{i}", user=f"usr_{i % 3}", kind="Said") for i in range(1, 301)]
    )
    await event_log.append([make_record("last", kind="Done")])
    wanted = [301, 7, 200, 7, *range(100, 0, -1)]
    found = await event_log.at(wanted)
    assert [record.position for record in found] == wanted
    assert found[0] == Record(position=301, kind="Done", user="usr_a", body=b"body of last")
    assert found[1] == Record(position=7, kind="Said", user="usr_1", body=b"body of r7")
    assert await event_log.at([]) == []


@pytest.mark.parametrize("position", [0, 3])
async def test_at_fails_closed_when_the_log_does_not_hold_a_position(
    event_log: EventLog, make_record: MakeRecord, position: int
) -> None:
    """Somebody knows of the position: a log that does not have it lost records."""
    await event_log.append([make_record("a"), make_record("b")])
    with pytest.raises(CorruptLog):
        await event_log.at([1, position])


async def test_read_yields_what_the_filters_and_bounds_leave(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """`after` is exclusive, `until` inclusive, kind and user narrow it down."""
    subjects = [("usr_a", "Said"), ("usr_b", "Said"), ("usr_a", "Done"), ("usr_b", "Done")]
    await event_log.append(
        [make_record(f"r{i}", user=u, kind=k) for i, (u, k) in enumerate(subjects)]
    )
    assert await positions_of(event_log) == [1, 2, 3, 4]
    assert await positions_of(event_log, after=1, until=3) == [2, 3]
    assert await positions_of(event_log, after=4) == []
    assert await positions_of(event_log, user="usr_a") == [1, 3]
    assert await positions_of(event_log, kind="Done") == [3, 4]
    assert await positions_of(event_log, kind="Done", user="usr_b", until=3) == []
    assert await positions_of(event_log, user="usr_c") == []


async def test_read_fails_closed_when_the_log_ends_too_early(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A reader that was further than the log's end has proof that records are lost."""
    await event_log.append([make_record("a")])
    with pytest.raises(CorruptLog):
        await positions_of(event_log, after=2)
    with pytest.raises(CorruptLog):
        await positions_of(event_log, until=2)


async def test_follow_fails_closed_when_the_log_ends_before_its_start(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A checkpoint behind the log's end is never followed from."""
    await event_log.append([make_record("a")])
    with pytest.raises(CorruptLog):
        await follow_until(event_log, 1, after=2)


async def test_follow_yields_what_is_there_and_what_comes(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A follower first catches up, then sees each append, in order and without gaps."""
    await event_log.append([make_record(f"old{i}") for i in range(10)])
    following = asyncio.create_task(follow_until(event_log, 30, after=5))
    for i in range(25):
        await event_log.append([make_record(f"new{i}")])
    seen = await following
    assert [record.position for record in seen] == list(range(6, 36))
    assert seen[-1].body == b"body of new24"


async def test_follow_keeps_batches_within_their_bound(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A batch is never empty and never larger than asked for."""
    await event_log.append([make_record(f"r{i}") for i in range(100)])
    sizes: list[int] = []
    async with asyncio.timeout(DEADLINE_S):
        async with aclosing(event_log.follow(batch_max=7)) as batches:
            async for batch in batches:
                sizes.append(len(batch))
                if sum(sizes) == 100:
                    break
    assert max(sizes) <= 7
    assert min(sizes) >= 1


async def test_follow_by_user_sees_only_that_user(
    event_log: EventLog, make_record: MakeRecord
) -> None:
    """A filter is applied inside the log."""
    seen: list[Record] = []

    async def follow() -> None:
        async with aclosing(event_log.follow(user="usr_b")) as batches:
            async for batch in batches:
                seen.extend(batch)
                if len(seen) == 2:
                    return

    following = asyncio.create_task(follow())
    for i in range(4):
        await event_log.append([make_record(f"r{i}", user="usr_b" if i % 2 else "usr_a")])
    await asyncio.wait_for(following, DEADLINE_S)
    assert [record.position for record in seen] == [2, 4]


async def test_slow_follower_loses_nothing(event_log: EventLog, make_record: MakeRecord) -> None:
    """A reader that is overtaken by many appends still sees each of them."""
    async with asyncio.timeout(DEADLINE_S), aclosing(event_log.follow(batch_max=10)) as batches:
        await event_log.append([make_record("first")])
        seen: list[Record] = list(await anext(batches))
        for i in range(5):
            await event_log.append([make_record(f"r{i}_{j}") for j in range(1000)])
        while len(seen) < 5001:
            seen.extend(await anext(batches))
    assert [record.position for record in seen] == list(range(1, 5002))


async def test_two_followers_see_the_same(event_log: EventLog, make_record: MakeRecord) -> None:
    """Followers do not take records from each other."""
    tasks = [asyncio.create_task(follow_until(event_log, 20)) for _ in range(2)]
    for i in range(20):
        await event_log.append([make_record(f"r{i}")])
    first: Sequence[Record]
    second: Sequence[Record]
    first, second = await asyncio.gather(*tasks)
    assert first == second
