"""As-of answers are those that a system gives which stopped at that position."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from actors.names import AGENTS
from actors.past.queries import GetDiff
from actors.queries import (
    SearchMemories,
)
from actors.rebuilding import empty_projection
from projections.rebuild import rebuild
from projections.snapshots import SnapshotDirectory
from tests.replay.recording import (
    ANN,
    BEN,
    POSITIONS,
    Recorded,
    answer_of,
    past_answer,
    places_in,
    queries_of,
)


async def test_recorded_log_holds_every_change_that_there_is(recorded: Recorded) -> None:
    """What follows compares a past in which everything happened, to both people."""
    kinds = Counter([event.envelope.type async for event in recorded.journal.read()])
    assert kinds["MessageReceived"] >= 100
    assert kinds.keys() >= {
        "MemoryRecorded",
        "MemoryRevised",
        "MemorySuperseded",
        "MemoryForgotten",
        "MemoryEmbedded",
        "DocumentReceived",
        "AnswerGiven",
        "AssistantCreated",
        "AssistantRevised",
        "AssistantDeleted",
    }
    assert {user for user, _ in recorded.memory_ids} == {ANN, BEN}


async def test_as_of_answers_equal_those_of_a_system_stopped_there(recorded: Recorded) -> None:
    """50 random positions, in random order, everything that can be read: the same answers."""
    past = recorded.past()
    found = 0
    for position in [0, recorded.end, *places_in(recorded, POSITIONS, seed=1)]:
        held = await recorded.stopped_at(position)
        for agent, query in queries_of(recorded, seed=position):
            answer = await past_answer(past, agent, query, position)
            assert answer == answer_of(held, agent, query), (position, agent, query)
            found += isinstance(query, SearchMemories) and bool(answer)
    assert found > POSITIONS
    await past.close()


async def test_snapshots_in_between_change_no_answer(recorded: Recorded, tmp_path: Path) -> None:
    """States restored from snapshots, of other positions for each agent, give the same answers."""
    keys = recorded.journal.codec.keys
    snapshots = SnapshotDirectory(tmp_path, keys)
    for number, agent in enumerate(AGENTS):
        for position in places_in(recorded, 5, seed=number):
            projection = empty_projection(agent)
            await rebuild(projection, recorded.journal, position)
            snapshots.save(projection, position)
    with_snapshots, without = recorded.past(snapshots), recorded.past()
    for position in places_in(recorded, 12, seed=2):
        for agent, query in queries_of(recorded, seed=position):
            one = await past_answer(with_snapshots, agent, query, position)
            assert one == await past_answer(without, agent, query, position), (position, query)
        # Six tiers in one view, each from a snapshot of another position.
        for user in (ANN, ""):
            difference = GetDiff(user=user, start=position // 2, end=position)
            assert await with_snapshots.ask(difference) == await without.ask(difference)


async def test_requests_at_once_give_the_answers_of_requests_in_a_row(recorded: Recorded) -> None:
    """Many positions, users and agents at once, many of them the same: each as if it were alone."""
    chosen = random.Random(5)
    places = places_in(recorded, 8, seed=5)
    asked = [
        (agent, query, chosen.choice(places))
        for _ in range(4)
        for agent, query in chosen.sample(queries_of(recorded, seed=1), 25)
    ]
    past, alone = recorded.past(), recorded.past()
    together = await asyncio.gather(*(past_answer(past, *one) for one in asked))
    for one, answer in zip(asked, together, strict=True):
        assert answer == await past_answer(alone, *one), one
