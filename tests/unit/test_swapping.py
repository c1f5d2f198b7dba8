"""A rebuilt state takes the live one's place: between two batches, and one step back."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from actors.embedding import HashEmbedder
from actors.local import local_agents
from actors.names import Agent
from actors.queries import AdoptState, GetState, RollBackState, SearchMemories, StateView
from actors.rebuilding import empty_projection
from actors.shell import REPLACEMENT_LACKS_MAX, Shell
from actors.swapping import Swapping
from events.catalogue import MemoryRevised
from events.envelope import Event, NewEvent
from events.errors import DeadlineExceeded, NotFound
from events.journal import Journal
from events.memory import SemanticContent
from events.signals import MemorySignals
from projections.base import Projection, state_hash
from projections.rebuild import rebuild
from projections.snapshots import SnapshotDirectory, SnapshotStore
from projections.tiers import TierProjection
from tests.unit.builders import event_of, recorded
from tests.unit.test_shell import (
    AGENT,
    WORDS,
    LatestWordDecider,
    chain,
    new_execution,
    new_journal,
    running,
    say,
)

DEADLINE_S = 10


class Agents:
    """Shell and swapping of one agent over one log and one directory of snapshots."""

    def __init__(self, journal: Journal, store: SnapshotStore, every_s: float = 3600) -> None:
        self.shell = Shell(
            decider=LatestWordDecider(),
            journal=journal,
            signals=MemorySignals(),
            snapshots=store,
            execution=new_execution(),
            snapshot_every_events=100_000,
            snapshot_every_s=every_s,
            retry_wait_s=0.001,
        )
        self.swapping = Swapping(self.shell, store, lambda: TierProjection("semantic"))


def store_of(journal: Journal, tmp_path: Path) -> SnapshotDirectory:
    return SnapshotDirectory(tmp_path, journal.codec.keys)


def files(directory: Path, kind: str) -> list[Path]:
    """Return the files of a kind: snapshot, rebuilt, previous, damaged."""
    return sorted(directory.glob(f"*.{kind}"))


async def rebuilt(journal: Journal, position: int) -> TierProjection:
    fresh = TierProjection("semantic")
    await rebuild(fresh, journal, position)
    return fresh


async def spoil(shell: Shell) -> None:
    """Put something into the live state that the log does not say."""
    stray = event_of(recorded(SemanticContent(name="stray", summary="never said"), id="stray"))
    await shell.on_state(lambda: shell.projection.apply(stray))


async def test_rebuilt_state_takes_the_place_of_a_wrong_one(tmp_path: Path) -> None:
    """What follows rests on the new state, and after a restart it is still the new one."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    position = await say(journal, *WORDS[:20])
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        await spoil(agent.shell)
        live = await agent.shell.state()
        fresh = await rebuilt(journal, live.position)
        assert live.state_hash != state_hash(fresh)
        store.save_rebuilt(fresh, live.position)
        later = await say(journal, *WORDS[20:], start=21)
        adopted = await agent.swapping.adopt(live.position, DEADLINE_S)
        assert adopted.position >= live.position
        assert adopted.state_hash == state_hash(await rebuilt(journal, adopted.position))
        await agent.shell.wait_for(later, DEADLINE_S)
        end = await agent.shell.state()
    assert end.state_hash == state_hash(await rebuilt(journal, end.position))
    assert await chain(journal) == WORDS[:-1]
    again = Agents(journal, store)
    async with running(again.shell):
        await again.shell.wait_for(later, DEADLINE_S)
        assert (await again.shell.state()).state_hash == end.state_hash


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_conclusions_stand_whenever_the_state_is_replaced(
    tmp_path: Path, moment: int
) -> None:
    """In the middle of the stream, own conclusions that are not read back yet are kept in mind."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    first = await say(journal, *WORDS[:10])
    async with running(agent.shell):
        await agent.shell.wait_for(first, DEADLINE_S)
        store.save_rebuilt(await rebuilt(journal, first), first)
        end = await say(journal, *WORDS[10:], start=11)
        for _ in range(moment):
            await asyncio.sleep(0)
        await agent.swapping.adopt(first, DEADLINE_S)
        await agent.shell.wait_for(end, DEADLINE_S)
        live = await agent.shell.state()
    assert await chain(journal) == WORDS[:-1]
    assert live.state_hash == state_hash(await rebuilt(journal, live.position))


async def test_what_the_new_state_lacks_is_folded_in_however_much(tmp_path: Path) -> None:
    """A long tail is caught up with first, while the agent goes on."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    first = await say(journal, "one")
    store.save_rebuilt(await rebuilt(journal, first), first)
    end = await say(journal, *(f"word {n}" for n in range(REPLACEMENT_LACKS_MAX)), start=2)
    async with running(agent.shell):
        await agent.shell.wait_for(end, 60)
        state = await agent.swapping.adopt(first, DEADLINE_S)
    assert state.position - first > REPLACEMENT_LACKS_MAX
    assert state.state_hash == state_hash(await rebuilt(journal, state.position))


async def test_old_state_comes_back_once_it_is_asked_for(tmp_path: Path) -> None:
    """Rolled back, the agent has the old state and everything since; asked twice, the same."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    position = await say(journal, *WORDS[:5])
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        with pytest.raises(NotFound, match="none was replaced"):
            await agent.swapping.roll_back(DEADLINE_S)
        await spoil(agent.shell)
        old = await agent.shell.state()
        store.save_rebuilt(await rebuilt(journal, old.position), old.position)
        new = await agent.swapping.adopt(old.position, DEADLINE_S)
        assert new.state_hash != old.state_hash
        await agent.shell.wait_for(await say(journal, "six", start=6), DEADLINE_S)
        back = await agent.swapping.roll_back(DEADLINE_S)
        stray = await agent.shell.on_state(lambda: _held(agent.shell.projection))
        assert "stray" in stray
        assert await agent.swapping.roll_back(DEADLINE_S) == back
        assert len(stray) == 7


async def append(journal: Journal, event: Event) -> int:
    """Append an event that was made for a fold; return its position."""
    new = NewEvent(
        event_id="evt_by_hand", payload=event.payload, tenant="org", user=event.user, producer=AGENT
    )
    return (await journal.append([new]))[0]


async def test_old_state_waits_until_its_agent_is_back_where_it_was(tmp_path: Path) -> None:
    """An agent that was started anew is behind the state: put in place now, it would fold twice."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    position = await say(journal, *WORDS[:5])
    first = Agents(journal, store)
    async with running(first.shell):
        await first.shell.wait_for(position, DEADLINE_S)
        (word, *_) = sorted(await first.shell.on_state(lambda: _held(first.shell.projection)))
        fact = SemanticContent(name="word", summary="revised")
        revised = event_of(MemoryRevised(tier="semantic", memory_id=word, content=fact))
        await first.shell.wait_for(await append(journal, revised), DEADLINE_S)
        old = await first.shell.state()
    held = TierProjection("semantic")
    await rebuild(held, journal, old.position)
    store.keep_previous(held, old.position)
    agent = Agents(journal, store)
    with pytest.raises(DeadlineExceeded):
        await agent.swapping.roll_back(0.05)
    going_back = asyncio.create_task(agent.swapping.roll_back(DEADLINE_S))
    async with running(agent.shell):
        back = await going_back
    assert back.position >= old.position
    assert back.state_hash == state_hash(await rebuilt(journal, back.position))


def _held(projection: Projection) -> set[str]:
    assert isinstance(projection, TierProjection)
    return set(projection.shelf("usr_ann").memories)


async def test_request_may_be_repeated_and_a_state_that_is_not_there_is_told(
    tmp_path: Path,
) -> None:
    """Who heard no answer asks again; nothing was rebuilt is a clear error."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    position = await say(journal, "one")
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        with pytest.raises(NotFound, match="rebuild it again"):
            await agent.swapping.adopt(position, DEADLINE_S)
        store.save_rebuilt(await rebuilt(journal, position), position)
        first = await agent.swapping.adopt(position, DEADLINE_S)
        assert await agent.swapping.adopt(position, DEADLINE_S) == first
        await spoil(agent.shell)
        store.save_rebuilt(await rebuilt(journal, first.position), first.position)
        again = await agent.swapping.adopt(first.position, DEADLINE_S)
        assert again.state_hash == first.state_hash


class FailsToSave(SnapshotDirectory):
    """Dies, as a process would, at one of the steps of an exchange."""

    dies_at = ""

    def __getattribute__(self, name: str) -> Any:
        if name == super().__getattribute__("dies_at") and name:
            raise RuntimeError(f"killed at {name}")
        return super().__getattribute__(name)


async def test_request_is_answered_again_when_the_agent_was_killed_before_it_could_answer(
    tmp_path: Path,
) -> None:
    """The rebuilt state was adopted and dropped; what never was adopted is refused as before."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agent = Agents(journal, store)
    position = await say(journal, *WORDS[:5])
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        live = await agent.shell.state()
        store.save_rebuilt(await rebuilt(journal, live.position), live.position)
        await agent.swapping.adopt(live.position, DEADLINE_S)
    again = Agents(journal, store)
    async with running(again.shell):
        await again.shell.wait_for(position, DEADLINE_S)
        adopted = await again.swapping.adopt(live.position, DEADLINE_S)
        assert adopted.state_hash == live.state_hash
        later = await say(journal, *WORDS[5:7], start=6)
        with pytest.raises(NotFound):
            await again.swapping.adopt(later, DEADLINE_S)


@pytest.mark.parametrize("step", ["load_rebuilt", "keep_previous", "save", "discard_rebuilt"])
async def test_agent_starts_on_a_whole_state_wherever_it_was_killed(
    tmp_path: Path, step: str
) -> None:
    """After a kill in the middle the same request works, and the state is the log's."""
    journal = new_journal()
    store = FailsToSave(tmp_path, journal.codec.keys)
    agent = Agents(journal, store)
    position = await say(journal, *WORDS[:5])
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        live = await agent.shell.state()
        store.save_rebuilt(await rebuilt(journal, live.position), live.position)
        store.dies_at = step
        with pytest.raises(RuntimeError, match="killed"):
            await agent.swapping.adopt(live.position, DEADLINE_S)
    store.dies_at = ""
    again = Agents(journal, store)
    async with running(again.shell):
        await again.shell.wait_for(position, DEADLINE_S)
        assert (await again.shell.state()).state_hash == live.state_hash
        adopted = await again.swapping.adopt(live.position, DEADLINE_S)
        assert adopted.state_hash == live.state_hash
    assert not files(tmp_path, "rebuilt")


async def test_reads_are_answered_while_a_state_is_loaded(tmp_path: Path) -> None:
    """Loading is on another thread: a question in the middle of it is answered at once."""
    journal = new_journal()
    store = SlowStore(tmp_path, journal.codec.keys)
    agent = Agents(journal, store)
    position = await say(journal, *WORDS[:5])
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        store.save_rebuilt(await rebuilt(journal, position), position)
        adopting = asyncio.create_task(agent.swapping.adopt(position, DEADLINE_S))
        await asyncio.to_thread(store.loading.wait, DEADLINE_S)
        held = await agent.shell.on_state(lambda: _held(agent.shell.projection))
        assert len(held) == 5
        assert not adopting.done()
        store.go_on.set()
        await adopting


class SlowStore(SnapshotDirectory):
    """Loads a rebuilt state when it is told to go on."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.loading, self.go_on = threading.Event(), threading.Event()

    def load_rebuilt(self, projection: Projection, position: int) -> None:
        """Load when told to."""
        self.loading.set()
        self.go_on.wait(DEADLINE_S)
        super().load_rebuilt(projection, position)


async def test_snapshot_is_taken_when_the_last_is_too_old(tmp_path: Path) -> None:
    """A quiet agent keeps one as well, and only when something happened since."""
    journal = new_journal()
    store = TellingStore(tmp_path, journal.codec.keys)
    agent = Agents(journal, store, every_s=0.01)
    position = await say(journal, "one")
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        await asyncio.to_thread(store.saved.wait, DEADLINE_S)
    fresh = TierProjection("semantic")
    assert store.load(fresh) >= position
    assert len(files(tmp_path, "snapshot")) == 1


class TellingStore(SnapshotDirectory):
    """Tells when a snapshot was saved."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.saved = threading.Event()

    def save(self, projection: Projection, position: int) -> None:
        """Save, then tell."""
        super().save(projection, position)
        self.saved.set()


async def test_new_version_is_built_from_the_log_at_start_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots of another version are of no use: the log gives the new state, by itself."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    position = await say(journal, *WORDS[:5])
    agent = Agents(journal, store)
    async with running(agent.shell):
        await agent.shell.wait_for(position, DEADLINE_S)
        await agent.shell.save()
    monkeypatch.setattr(TierProjection, "version", 2)
    structlog.reset_defaults()  # commands of other tests have silenced it
    newer = Agents(journal, store)
    with capture_logs() as told:
        async with running(newer.shell):
            await newer.shell.wait_for(position, DEADLINE_S)
            state = await newer.shell.state()
    changed = [line for line in told if line["event"] == "projection_version_changed"]
    assert [(line["found"], line["building"]) for line in changed] == [([1], 2)]
    assert state.version == 2
    assert state.state_hash == state_hash(await rebuilt(journal, state.position))


async def test_search_follows_the_state_that_took_the_place(tmp_path: Path) -> None:
    """The searcher asks the index of the moment, whatever became of the one before."""
    journal = new_journal()
    store = store_of(journal, tmp_path)
    agents = local_agents(journal, MemorySignals(), HashEmbedder(), lambda agent: store)
    search = agents["search"]
    position = await say(journal, "the violin is in the attic")
    async with running(search.shell):
        await search.shell.wait_for(position, DEADLINE_S)
        live: StateView = await search.ask(GetState())
        name: Agent = "search"
        fresh = empty_projection(name)
        await rebuild(fresh, journal, live.position)
        await asyncio.to_thread(store.save_rebuilt, fresh, live.position)
        assert await search.ask(AdoptState(position=live.position)) == live
        later = await say(journal, "the cello is in the cellar", start=2)
        query = SearchMemories(user="usr_ann", tenant="org", query="cello cellar", method="bm25")
        found = await search.ask(query, min_position=later)
        assert found.results[0].text == "the cello is in the cellar"
        back: StateView = await search.ask(RollBackState())
        assert back.position >= later
        assert (await search.ask(query)).results[0].text == "the cello is in the cellar"


def test_agent_of_these_tests_holds_the_tier_that_is_rebuilt() -> None:
    """The twin decider is of the agent whose projection the tests make anew."""
    assert empty_projection(AGENT).name == LatestWordDecider().projection.name
