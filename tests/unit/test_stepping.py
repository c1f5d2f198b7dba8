"""Stepping through a past: every way to a position gives the state that the log gives there."""

from __future__ import annotations

import random
from typing import Any

import pytest

from actors.names import AGENTS, Agent
from actors.past import stepping
from actors.past.breakpoints import parse_break
from actors.past.stepping import Stepper, open_stepper
from events.errors import CommandRejected
from events.journal import Journal, JournalReader
from tests.unit.fakes.remembered import LINES, SECRET, remembered_log


class Recorded:
    """A log that the nine agents have handled, of two people."""

    def __init__(self, journal: Journal, end: int) -> None:
        self.journal = journal
        self.end = end

    async def stepper(self, *agents: Agent, every: int = 4) -> Stepper:
        return await open_stepper(
            self.journal, "usr_ann", agents or AGENTS, checkpoint_events=every
        )

    async def folded(self, position: int, *agents: Agent) -> dict[str, Any]:
        """Return the state there of a stepper that went straight to it."""
        straight = await open_stepper(self.journal, "usr_ann", agents or AGENTS)
        await straight.goto(position)
        return plain(straight)


def plain(stepper: Stepper) -> dict[str, Any]:
    return {name: dict(items) for name, items in stepper.state().items()}


@pytest.fixture
async def log() -> Recorded:
    """Two people talked, line by line, and the agents remember."""
    journal = await remembered_log()
    return Recorded(journal, await journal.last_position())


async def test_state_after_random_steps_is_that_of_folding_straight_there(log: Recorded) -> None:
    """Forward, back, jumps and breaks, in any order: the position alone says what the state is."""
    chance = random.Random(7)
    stepper = await log.stepper()
    breaks = [parse_break("type=MemoryRecorded")]
    seen = set()
    for _ in range(60):
        match chance.randrange(4):
            case 0:
                await stepper.forward(chance.randrange(1, 12))
            case 1:
                await stepper.back(chance.randrange(1, 12))
            case 2:
                await stepper.goto(chance.randrange(log.end + 1))
            case _:
                await stepper.proceed(breaks)
        seen.add(stepper.position)
        assert plain(stepper) == await log.folded(stepper.position)
    assert len(seen) > 20


async def test_every_step_back_undoes_the_step_forward(log: Recorded) -> None:
    """The states passed on the way up are passed in reverse on the way down."""
    stepper = await log.stepper("semantic_memory", "core_memory")
    up = [(stepper.position, plain(stepper))]
    while await stepper.forward():
        up.append((stepper.position, plain(stepper)))
    down = [up[-1]]
    while await stepper.back():
        down.append((stepper.position, plain(stepper)))

    assert len(up) > len(LINES)
    assert down == up[::-1]


async def test_changes_are_those_of_the_last_step_however_it_was_reached(log: Recorded) -> None:
    """What an event changed is seen when stepping onto it, jumping to it and going back to it."""
    stepper = await log.stepper()
    await stepper.proceed([parse_break("type=MemorySuperseded")])
    assert stepper.event is not None
    at, changes = stepper.position, stepper.changes
    tier = [one for one in changes if one.projection != "retrieval"]

    assert [(one.kind, "status" in one.fields) for one in tier] == [("changed", True)]
    assert tier[0].before is not None
    assert tier[0].after is not None
    assert (tier[0].before["status"], tier[0].after["status"]) == ("active", "superseded")
    await stepper.forward(3)
    await stepper.back(3)
    assert (stepper.position, stepper.changes) == (at, changes)
    await stepper.goto(log.end)
    await stepper.goto(at)
    assert (stepper.position, stepper.changes) == (at, changes)
    fresh = await log.stepper()
    await fresh.goto(at)
    assert fresh.changes == changes


async def test_steps_of_one_tier_are_the_events_of_that_tier(log: Recorded) -> None:
    """With one projection the rest is passed over; a break looks at every event all the same."""
    stepper = await log.stepper("semantic_memory")
    tiers = set()
    while await stepper.forward():
        assert stepper.changes
        tiers |= {one.projection for one in stepper.changes}
    assert tiers == {"semantic"}

    await stepper.goto(0)
    hit = await stepper.proceed([parse_break("type=MessageReceived")])
    assert hit is not None
    assert hit.text == "type=MessageReceived"
    assert stepper.event is not None
    assert stepper.event.envelope.type == "MessageReceived"
    assert not stepper.changes


async def test_only_events_of_the_user_are_stepped_through(log: Recorded) -> None:
    """The other person's words and the agents' bookkeeping are nobody else's past."""
    stepper = await log.stepper()
    users = set()
    while await stepper.forward():
        assert stepper.event is not None
        users.add(stepper.event.user)

    assert users == {"usr_ann"}
    assert stepper.position == stepper.end == log.end


async def test_position_outside_the_log_is_refused(log: Recorded) -> None:
    """The line says where the log ends, and nothing has moved."""
    stepper = await log.stepper("core_memory")
    await stepper.forward()
    at = stepper.position

    for wrong in (-1, log.end + 1):
        with pytest.raises(CommandRejected, match=f"ends at {log.end}"):
            await stepper.goto(wrong)
    assert stepper.position == at


async def test_checkpoints_stay_within_their_bounds(
    log: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there are too many, every second one goes and the rest still serves."""
    monkeypatch.setattr(stepping, "CHECKPOINTS_MAX", 3)
    stepper = await log.stepper(every=1)
    await stepper.goto(log.end)
    assert 0 < len(stepper._checkpoints) <= 3
    assert stepper._spacing > 1

    for position in (log.end // 2, log.end - 1, 3):
        await stepper.goto(position)
        assert plain(stepper) == await log.folded(position)
    monkeypatch.setattr(stepping, "CHECKPOINT_BYTES_MAX", 1)
    again = await log.stepper(every=1)
    await again.goto(log.end)
    assert not again._checkpoints
    await again.back()
    assert plain(again) == await log.folded(again.position)


async def test_going_back_reads_the_few_events_after_a_checkpoint(log: Recorded) -> None:
    """Not the log from its start."""
    read: list[int] = []

    class Counting(JournalReader):
        async def read(self, *arguments: Any, **options: Any) -> Any:
            async for event in super().read(*arguments, **options):
                read.append(event.position)
                yield event

    reader = Counting(log.journal._records, log.journal.codec)
    stepper = await open_stepper(reader, "usr_ann", checkpoint_events=4)
    await stepper.goto(log.end)
    whole = len(read)
    read.clear()
    await stepper.back()

    assert 0 < len(read) <= 8
    assert whole > 30


async def test_nothing_is_appended_when_a_past_is_walked(log: Recorded) -> None:
    """The log is as long afterwards as it was before."""
    stepper = await log.stepper()
    await stepper.forward(20)
    await stepper.back(10)
    await stepper.proceed([])

    assert await log.journal.last_position() == log.end


async def test_secrets_are_not_shown_where_the_past_is(log: Recorded) -> None:
    """Not in any state, and not in what a step changed."""
    stepper = await log.stepper()
    shown = []
    while await stepper.forward():
        shown.append(str(stepper.changes))
    shown.append(str(stepper.state()))

    assert any("alarm code" in one for one in shown)
    assert not [one for one in shown if SECRET in one]


async def test_event_that_cannot_be_folded_is_told_and_passed_over(
    log: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the agents do it: the step says why, and the next one works again."""
    from projections.tiers import TierProjection

    apply = TierProjection.apply

    def failing(self: TierProjection, event: Any) -> None:
        if event.position == poison:
            raise ValueError("too heavy")
        apply(self, event)

    stepper = await log.stepper("core_memory")
    await stepper.forward()
    poison = stepper.position
    monkeypatch.setattr(TierProjection, "apply", failing)
    await stepper.goto(0)
    await stepper.forward()
    assert (stepper.position, stepper.error, stepper.changes) == (poison, "too heavy", ())
    await stepper.forward()
    assert not stepper.error
