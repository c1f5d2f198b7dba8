"""What who waits for a job is shown: this attempt's own lines, and the result as a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.cli_jobs_show import attempts_in, result_table, told_by

JOB = "verify_abc"
RAY = (
    "2026-12-01 13:18:54,550\tINFO job_manager.py:586 -- Runtime env is setting up.\n"
    "\x1b[36m(raylet)\x1b[0m WARNING: 12 workers have been started\n"
    "[2026-12-01 13:18:55,001 W 41 41] (raylet) worker_pool.cc:1 still waiting\n"
)
FIRST = f"{RAY}{JOB}: check the log\nshard-0: position 100000\nmirix: it was stopped\n"
SECOND = f'{RAY}{JOB}: check the log\n1 of 1 done: shard-0\n{{"shards":{{}}}}\n'


async def pieces(text: str, chars: int) -> AsyncIterator[str]:
    for at in range(0, len(text), chars):
        yield text[at : at + chars]


@pytest.mark.parametrize("chars", [1, 7, 1000])
async def test_job_tells_of_this_attempt_alone(chars: int) -> None:
    """Neither what Ray says, nor an earlier attempt, nor the result, however the text comes."""
    earlier = attempts_in(FIRST, JOB)

    told = [line async for line in told_by(pieces(FIRST + SECOND, chars), JOB, earlier)]

    assert earlier == 1
    assert told == [f"{JOB}: check the log", "1 of 1 done: shard-0"]


def shown(result: dict[str, Any]) -> list[list[str]]:
    """Return the cells of a result's table, its heads first."""
    rows = result_table(result)
    columns = [[str(column.header), *map(str, column.cells)] for column in rows.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def test_result_is_one_row_when_it_is_of_one_thing() -> None:
    """A single shard needs no name, a report has none."""
    assert shown({"shards": {"shard-0": {"events": 7, "through": 9}}}) == [
        ["events", "through"],
        ["7", "9"],
    ]
    assert shown({"path": "f", "events": 3}) == [["path", "events"], ["f", "3"]]


def test_result_has_a_row_for_each_part() -> None:
    """Shards and projections are named, and what one lacks is empty."""
    result = {"shards": {"shard-0": {"core": {"equal": True}}, "shard-1": {"core": {"done": "x"}}}}

    assert shown(result) == [
        ["", "equal", "done"],
        ["shard-0 core", "True", ""],
        ["shard-1 core", "", "x"],
    ]
