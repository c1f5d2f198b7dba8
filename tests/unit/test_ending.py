"""An agent that is stopped, or whose person is erased: what was begun is not taken for done."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from actors.commit import Committer
from actors.effects import Append, Effect
from actors.execution import Plan, Step
from actors.ledger import Ledger
from events.catalogue import MemoryForgotten
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import Event
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.snapshots import SnapshotDirectory
from tests.unit.test_lanes import SlowModel, asking_shell, recorded_words, said_by
from tests.unit.test_shell import (
    AGENT,
    LatestWordDecider,
    events_of,
    new_execution,
    new_journal,
    running,
    say,
)


class HeldDecider(LatestWordDecider):
    """Decides nothing until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def decide(self, event: Event) -> list[Effect]:
        self.entered.set()
        assert self.released.wait(10)
        return super().decide(event)


async def test_a_turn_that_is_cut_short_is_in_no_snapshot(tmp_path: Path) -> None:
    """Stopped in the middle of a batch, the agent decides that batch again after its restart."""
    journal = new_journal()
    keys: KeyRing = journal.codec.keys
    shell = asking_shell(journal, SlowModel(), SnapshotDirectory(tmp_path, keys))
    held = HeldDecider()
    shell.decider = shell._judge.decider = held
    async with running(shell):
        await say(journal, "word")
        await asyncio.to_thread(held.entered.wait, 10)
    threading.Timer(0.05, held.released.set).start()
    await shell.close()
    assert await recorded_words(journal) == []
    again = asking_shell(journal, SlowModel(), SnapshotDirectory(tmp_path, keys))
    async with running(again):
        await again.wait_for(1, 10, user="usr_ann")
    assert await recorded_words(journal) == ["word"]


async def test_who_was_erased_while_they_waited_is_put_to_no_model() -> None:
    """Messages that wait in a lane are left when their person's key is destroyed."""
    keystore, model = MemoryKeyStore(), SlowModel()
    journal = Journal(MemoryLog(), Codec(KeyRing(keystore)), FixedClock())
    release = model.hold("first")
    await said_by(journal, "ann", "first", 1)
    await said_by(journal, "ann", "second", 2)
    end = await said_by(journal, "bob", "other", 3)
    shell = asking_shell(journal, model)
    async with running(shell):
        await asyncio.wait_for(model.was_asked.wait(), 10)
        keystore.destroy("ann")
        release.set()
        await shell.wait_for(end, 10, user="ann")
        await shell.wait_for(end, 10, user="bob")
    assert "second" not in model.asked
    assert await recorded_words(journal) == ["other"]


async def test_what_cannot_be_written_is_parked_alone() -> None:
    """Half a character, as a model may say it, stops neither the agent nor its neighbours."""
    journal = new_journal()
    await say(journal, "one", "two")
    causes = await events_of(journal, "MessageReceived")
    plans = []
    for cause, reason in zip(causes, ("whole", "half \ud83d"), strict=True):
        plan = Plan(cause)
        payload = MemoryForgotten(tier="semantic", memory_id="m", reason=reason)
        plan.steps = [Step(Append(payload=payload), [payload])]
        plans.append(plan)

    await Committer(AGENT, journal, new_execution(), Ledger(), 0.001).commit(plans, 2)
    assert len(await events_of(journal, "MemoryForgotten")) == 1
    assert len(await events_of(journal, "EventParked")) == 1
