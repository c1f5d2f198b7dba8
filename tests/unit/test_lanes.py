"""Work that takes long: each in its lane, nothing lost and nothing twice, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from actors.asking import Asking
from actors.commit import own_user
from actors.deciders.base import Decider
from actors.effects import Effect, Generate
from actors.lanes import Lanes
from actors.ledger import LANES_MAX, Cause, Ledger
from actors.models.port import Delta, Generation, GenerationRequest, ModelFailed, Told, Turn
from actors.queries import Window
from actors.shell import Shell
from events.catalogue import (
    CauseHandled,
    GenerationCompleted,
    GenerationFailed,
    MessageReceived,
)
from events.envelope import Event
from events.errors import DeadlineExceeded
from events.journal import Journal
from events.signals import MemorySignals
from projections.base import state_hash
from projections.snapshots import NoSnapshots, SnapshotDirectory, SnapshotStore
from tests.unit.builders import new_message
from tests.unit.test_shell import (
    AGENT,
    LatestWordDecider,
    chain,
    events_of,
    new_execution,
    new_journal,
    running,
    say,
)


class AskingDecider(LatestWordDecider):
    """Asks a model for the word of each message, once more when it says nothing of use."""

    def decide(self, event: Event) -> list[Effect]:
        return [self._asked(event, 1)]

    def _asked(self, event: Event, attempt: int) -> Generate:
        assert isinstance(event.payload, MessageReceived)
        turns = (Turn(role="system", content="say it"), Turn(role="user", content=_word(event)))
        return Generate(purpose="extraction", prompt="test@1", turns=turns, attempt=attempt)

    def resume(
        self, event: Event, asked: Generate, told: GenerationCompleted | GenerationFailed
    ) -> list[Effect]:
        if isinstance(told, GenerationFailed) or told.output == "nonsense":
            return [self._asked(event, 2)] if asked.attempt == 1 else []
        return super().decide(event)


def _word(event: Event) -> str:
    assert isinstance(event.payload, MessageReceived)
    return event.payload.content


class SlowModel:
    """Says every word when the test lets it; `held` words wait until they are released."""

    name = "slow"

    def __init__(self) -> None:
        self.held: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()

    def hold(self, word: str) -> asyncio.Event:
        return self.held.setdefault(word, asyncio.Event())

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        word = request.turns[-1].content
        self.asked.append(word)
        self.was_asked.set()
        if word in self.held:
            await self.held[word].wait()
        else:
            await asyncio.sleep(0)
        if word == "broken":
            raise ModelFailed("it does not work", "unavailable")
        yield Delta(text=word)
        text = "nonsense" if word == "odd" else word
        yield Generation(text=text, provider=self.name, model="slow-1")


class NothingSaid:
    """A chat agent with empty conversations."""

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        return Window()


class TooLate(NothingSaid):
    """A chat agent that is far behind the log."""

    async def window(
        self, user: str, conversation: str, *, before: int, limit: int, answered: bool = False
    ) -> Window:
        raise DeadlineExceeded("agent chat is at 0, not yet there")


def asking_shell(
    journal: Journal, model: SlowModel, snapshots: SnapshotStore | None = None, every: int = 1000
) -> Shell:
    execution = new_execution()
    execution._asking = Asking(AGENT, model, NothingSaid())
    decider: Decider = AskingDecider()
    return Shell(
        decider=decider,
        journal=journal,
        signals=MemorySignals(),
        snapshots=snapshots or NoSnapshots(),
        execution=execution,
        snapshot_every_events=every,
        retry_wait_s=0.001,
    )


async def said_by(journal: Journal, user: str, word: str, number: int) -> int:
    return (await journal.append([new_message(word, number, user=user)]))[0]


async def recorded_words(journal: Journal) -> list[str]:
    return [
        event.payload.memory.content.summary  # type: ignore[attr-defined]
        for event in await events_of(journal, "MemoryRecorded")
    ]


async def test_a_slow_lane_holds_up_nobody_else() -> None:
    """What one person waits for does not delay what comes of another's words."""
    journal, model = new_journal(), SlowModel()
    release = model.hold("slow")
    await said_by(journal, "ann", "slow", 1)
    end = await said_by(journal, "bob", "quick", 2)
    shell = asking_shell(journal, model)
    async with running(shell):
        await shell.wait_for(end, 10, user="bob")
        assert await recorded_words(journal) == ["quick"]
        with pytest.raises(DeadlineExceeded):
            await shell.wait_for(end, 0.01, user="ann")
        release.set()
        await shell.wait_for(end, 10, user="ann")
    assert await recorded_words(journal) == ["quick", "slow"]


async def test_in_a_lane_each_cause_is_decided_on_what_came_of_the_one_before() -> None:
    """The second word of a person waits for the first, and supersedes it."""
    journal, model = new_journal(), SlowModel()
    release = model.hold("first")
    end = await say(journal, "first", "second", "third")
    shell = asking_shell(journal, model)
    async with running(shell):
        await asyncio.wait_for(model.was_asked.wait(), 10)
        release.set()
        await shell.wait_for(end, 10, user="usr_ann")
    assert model.asked == ["first", "second", "third"]
    assert await chain(journal) == ["first", "second"]


async def test_the_marker_names_what_is_open() -> None:
    """Another's conclusions close with a marker that leaves the slow one open."""
    journal, model = new_journal(), SlowModel()
    model.hold("slow")
    slow = await said_by(journal, "ann", "slow", 1)
    end = await said_by(journal, "bob", "quick", 2)
    shell = asking_shell(journal, model)
    async with running(shell):
        await shell.wait_for(end, 10, user="bob")
        assert shell.progress().open == ((slow, "ann"),)
    marker = await journal.last_of(CauseHandled.__name__, own_user(AGENT))
    assert marker is not None
    assert isinstance(marker.payload, CauseHandled)
    assert (marker.payload.through >= end, marker.payload.open) == (True, (slow,))


async def test_only_what_was_open_is_done_again_after_a_crash() -> None:
    """After a restart the slow one is asked again, the quick one is not."""
    journal = new_journal()
    first = SlowModel()
    first.hold("slow")
    await said_by(journal, "ann", "slow", 1)
    end = await said_by(journal, "bob", "quick", 2)
    async with running(asking_shell(journal, first)) as shell:
        await shell.wait_for(end, 10, user="bob")
    second = SlowModel()
    async with running(asking_shell(journal, second)) as shell:
        await shell.wait_for(await journal.last_position(), 10, user="ann")
    assert second.asked == ["slow"]
    assert await recorded_words(journal) == ["quick", "slow"]


@pytest.mark.parametrize("every", [1, 3])
async def test_a_snapshot_with_open_causes_loses_none(tmp_path: Path, every: int) -> None:
    """A snapshot stands for all that is handled; what is open at that moment is in the log."""
    journal, model = new_journal(), SlowModel()
    keys = journal.codec.keys
    model.hold("slow")
    end = 0
    for number in range(8):
        await said_by(journal, f"u{number}", "quick", 10 + number)
    slow = await said_by(journal, "ann", "slow", 1)
    for number in range(8):
        end = await said_by(journal, f"v{number}", "quick", 30 + number)
    shell = asking_shell(journal, model, SnapshotDirectory(tmp_path, keys), every)
    async with running(shell):
        for number in range(8):
            await shell.wait_for(end, 10, user=f"v{number}")
        await shell.save()
        assert shell.progress().open == ((slow, "ann"),)
    again = SlowModel()
    fresh = asking_shell(journal, again, SnapshotDirectory(tmp_path, keys), every)
    async with running(fresh):
        await fresh.wait_for(await journal.last_position(), 10, user="ann")
    assert again.asked == ["slow"]
    assert sorted(await recorded_words(journal)) == ["quick"] * 16 + ["slow"]


async def test_every_effect_is_in_the_log_once_when_the_shell_is_ended_in_flight() -> None:
    """Ended again and again while a model is asked: each word once, and in order in its lane."""
    journal = new_journal()
    end = 0
    for number in range(30):
        end = await said_by(journal, f"user-{number % 3}", f"word {number}", number)
    quiet = new_journal()
    for number in range(30):
        await said_by(quiet, f"user-{number % 3}", f"word {number}", number)
    for _ in range(12):
        model = SlowModel()
        shell = asking_shell(journal, model)
        async with running(shell):
            before = len(await recorded_words(journal))
            async with asyncio.timeout(10):
                # A log has no event to wait for.
                while before < 30 and len(await recorded_words(journal)) == before:  # noqa: ASYNC110
                    await asyncio.sleep(0)
    shell, calm = asking_shell(journal, SlowModel()), asking_shell(quiet, SlowModel())
    async with running(shell), running(calm):
        for number in range(3):
            await shell.wait_for(end, 10, user=f"user-{number}")
            await calm.wait_for(end, 10, user=f"user-{number}")
        words = await recorded_words(journal)
        assert sorted(words) == sorted(await recorded_words(quiet))
        assert len(await events_of(journal, "GenerationCompleted")) == 30
        for number in range(3):
            own = [word for word in words if int(word.split()[1]) % 3 == number]
            assert own == sorted(own, key=lambda word: int(word.split()[1]))


async def test_a_decider_may_ask_again() -> None:
    """What is of no use is asked once more; both generations are recorded under one cause."""
    journal, model = new_journal(), SlowModel()
    end = await say(journal, "odd")
    shell = asking_shell(journal, model)
    async with running(shell):
        await shell.wait_for(end, 10, user="usr_ann")
    told = await events_of(journal, "GenerationCompleted")
    assert [event.payload.output for event in told] == ["nonsense", "nonsense"]  # type: ignore[attr-defined]
    assert len({event.payload.generation_id for event in told}) == 2  # type: ignore[attr-defined]
    assert await recorded_words(journal) == []


async def test_a_model_that_fails_is_recorded_and_parks_nothing() -> None:
    """The decider hears of the failure; the cause is handled."""
    journal, model = new_journal(), SlowModel()
    end = await say(journal, "broken", "whole")
    shell = asking_shell(journal, model)
    async with running(shell):
        await shell.wait_for(end, 10, user="usr_ann")
    failed = await events_of(journal, "GenerationFailed")
    assert [event.payload.kind for event in failed] == ["unavailable"] * 2  # type: ignore[attr-defined]
    assert await events_of(journal, "EventParked") == []
    assert await recorded_words(journal) == ["whole"]


async def test_the_live_state_equals_one_folded_from_the_log() -> None:
    """Conclusions that arrived out of order are folded in the order of the log."""
    journal, model = new_journal(), SlowModel()
    for number in range(12):
        await said_by(journal, f"user-{number % 4}", f"word {number}", number)
    shell = asking_shell(journal, model)
    async with running(shell):
        for number in range(4):
            await shell.wait_for(12, 10, user=f"user-{number}")
        await shell.wait_for(await journal.last_position(), 10)
        view = await shell.state()
    fresh = AskingDecider().projection
    async for event in journal.read(0, view.position, fresh.kinds):
        fresh.apply(event)
    assert state_hash(fresh) == view.state_hash


async def test_a_message_is_read_alone_when_its_conversation_does_not_come_in_time() -> None:
    """The chat agent may be far behind: what was said must not be lost over what was before it."""
    journal, model = new_journal(), SlowModel()
    await say(journal, "word")
    (said,) = await events_of(journal, "MessageReceived")
    turns = (Turn(role="system", content="say it"), Turn(role="user", content="word"))
    asked = Generate(purpose="extraction", prompt="test@1", turns=turns, conversation="c", window=6)
    (told,) = await Asking(AGENT, model, TooLate()).ask(said, asked)
    assert isinstance(told, GenerationCompleted)
    assert told.output == model.asked[0]
    assert "nothing was said before" in told.output


async def test_reading_waits_when_too_many_lanes_are_busy() -> None:
    """The ledger has room for so many lanes; beyond it, who opens another has to wait."""
    ledger = Ledger()
    for position in range(1, LANES_MAX + 1):
        ledger.begin(f"lane {position}", position, "ann")
    waiting = asyncio.create_task(ledger.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    ledger.end([Cause("lane 1", 1)])
    await asyncio.wait_for(waiting, 10)


@pytest.mark.parametrize("restarts", [0, 1])
async def test_a_long_backlog_of_one_person_holds_up_nobody(restarts: int) -> None:
    """Who waits is held by position beyond a few; all are decided, in order, after a crash, too."""
    journal, model = new_journal(), SlowModel()
    release = model.hold("word 0")
    for number in range(40):
        await said_by(journal, "ann", f"word {number}", number)
    end = await said_by(journal, "bob", "quick", 99)
    shell = asking_shell(journal, model)
    shell._judge._lanes = Lanes(held_max=3)
    async with running(shell):
        await shell.wait_for(end, 10, user="bob")
        assert await recorded_words(journal) == ["quick"]
        marker = await journal.last_of(CauseHandled.__name__, own_user(AGENT))
        assert marker is not None
        assert marker.payload.open == (1,)  # type: ignore[attr-defined]
        if not restarts:
            release.set()
            await shell.wait_for(end, 10, user="ann")
    if restarts:
        again = asking_shell(journal, SlowModel())
        again._judge._lanes = Lanes(held_max=3)
        async with running(again):
            await again.wait_for(end, 10, user="ann")
    words = [word for word in await recorded_words(journal) if word != "quick"]
    assert words == [f"word {number}" for number in range(40)]
    assert await chain(journal) == words[:-1]
