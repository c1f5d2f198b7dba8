"""The shell: every cause handled once, whatever ends it, in whatever batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from actors.answerer import Answerer
from actors.commit import Committer, own_user
from actors.deciders.base import Stateless
from actors.effects import Append, Effect, Keep, memory_id
from actors.embedding import Embedded, HashEmbedder
from actors.execution import Execution, Plan, Step
from actors.ledger import Ledger
from actors.names import Agent
from actors.ports import EmbeddingService
from actors.queries import SearchMemories, SearchOutcome
from actors.shell import Shell
from actors.tools import LocalTools
from events.catalogue import (
    CauseHandled,
    EventParked,
    MemoryForgotten,
    MemorySuperseded,
    MessageReceived,
)
from events.clock import FixedClock
from events.codec import Codec
from events.envelope import Event, NewEvent
from events.errors import DeadlineExceeded, VersionConflict
from events.journal import Journal
from events.log import BODY_BYTES_MAX
from events.memory import MemoryDraft, SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.base import state_hash
from projections.rebuild import rebuild
from projections.snapshots import NoSnapshots
from projections.tiers import Shelf, TierProjection, evolve
from tests.unit.builders import new_message

AGENT: Agent = "semantic_memory"


class LatestWordDecider(Stateless[TierProjection]):
    """Keeps each message and supersedes the one before: each decision rests on the last."""

    agent: Agent = AGENT
    causes = frozenset({MessageReceived.__name__})

    def __init__(self) -> None:
        self.projection = TierProjection("semantic")
        self._ahead: dict[str, Shelf] = {}

    def decide(self, event: Event) -> list[Effect]:
        assert isinstance(event.payload, MessageReceived)
        if event.payload.content == "poison":
            raise ValueError("this cannot be decided")
        shelf = self._ahead.get(event.user) or self.projection.shelf(event.user)
        id_ = memory_id(self.agent, event, 0)
        content = SemanticContent(name="word", summary=event.payload.content)
        effects: list[Effect] = [Keep(draft=MemoryDraft(id=id_, content=content, key="word"))]
        before = shelf.about("word")
        if before is not None:
            ended = MemorySuperseded(
                tier="semantic",
                memory_id=before.id,
                superseded_by=id_,
                valid_to=event.payload.said_at,
            )
            effects.append(Append(payload=ended))
        return effects

    def conclude(self, event: Event) -> None:
        if event.user not in self._ahead:
            self._ahead[event.user] = self.projection.shelf(event.user).layered()
        evolve(self._ahead[event.user], event)

    def settle(self, user: str) -> None:
        self._ahead.pop(user, None)


class Embedding:
    """The hash embedder behind the asynchronous port."""

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        return Embedded("hash", HashEmbedder().embed(texts))


class NothingFound:
    """A search agent that knows nothing."""

    async def search(self, request: SearchMemories, *, min_position: int = 0) -> SearchOutcome:
        return SearchOutcome(search_id="s", position=min_position, results=())


def new_journal() -> Journal:
    return Journal(MemoryLog(), Codec(KeyRing(MemoryKeyStore())), FixedClock())


def new_execution(embedding: EmbeddingService | None = None) -> Execution:
    recall = NothingFound()
    return Execution(
        embedding=embedding or Embedding(),
        answerer=Answerer(recall, MemorySignals(), 0),
        tools=LocalTools(recall, FixedClock()),
        retry_wait_s=0.001,
    )


def new_shell(journal: Journal, embedding: EmbeddingService | None = None) -> Shell:
    return Shell(
        decider=LatestWordDecider(),
        journal=journal,
        signals=MemorySignals(),
        snapshots=NoSnapshots(),
        execution=new_execution(embedding),
        snapshot_every_events=1000,
        retry_wait_s=0.001,
    )


@asynccontextmanager
async def running(shell: Shell) -> AsyncIterator[Shell]:
    task = asyncio.create_task(shell.run())
    try:
        yield shell
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say(journal: Journal, *words: str, start: int = 1) -> int:
    positions = [
        (await journal.append([new_message(word, number)]))[0]
        for number, word in enumerate(words, start)
    ]
    return positions[-1]


async def events_of(journal: Journal, kind: str) -> list[Event]:
    return [event async for event in journal.read(kinds=frozenset({kind}))]


async def chain(journal: Journal) -> list[str]:
    """Return which words the log says were superseded, in order."""
    recorded = {
        event.payload.memory.id: event.payload.memory.content.summary  # type: ignore[attr-defined]
        for event in await events_of(journal, "MemoryRecorded")
    }
    return [
        recorded[event.payload.memory_id]  # type: ignore[attr-defined]
        for event in await events_of(journal, "MemorySuperseded")
    ]


WORDS = [f"word {number}" for number in range(40)]


async def test_each_conclusion_rests_on_the_one_before_it_whatever_the_batches() -> None:
    """All at once or one by one: the same causes in the same order give the same conclusions."""
    at_once, one_by_one = new_journal(), new_journal()
    end = await say(at_once, *WORDS)
    async with running(new_shell(at_once)) as shell:
        await shell.wait_for(end, 10)
    async with running(new_shell(one_by_one)) as shell:
        for number, word in enumerate(WORDS, 1):
            await shell.wait_for(await say(one_by_one, word, start=number), 10)
    assert await chain(at_once) == await chain(one_by_one) == WORDS[:-1]


async def test_every_effect_is_in_the_log_once_when_the_shell_is_ended_again_and_again() -> None:
    """Ended at any moment and started anew, an agent concludes everything once."""
    journal = new_journal()
    end = 0
    for part in range(8):
        words = WORDS[part * 5 : part * 5 + 5]
        end = await say(journal, *words, start=part * 5 + 1)
        async with running(new_shell(journal)):
            for _ in range(part * 3):
                await asyncio.sleep(0)
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(end, 10)
    recorded = await events_of(journal, "MemoryRecorded")
    assert len(recorded) == len({event.id for event in recorded}) == len(WORDS)
    assert await chain(journal) == WORDS[:-1]


async def test_the_state_equals_one_rebuilt_from_the_log() -> None:
    """Live state and rebuilt state have one hash at one position."""
    journal = new_journal()
    end = await say(journal, *WORDS)
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(end, 10)
        live = await shell.state()
    fresh = TierProjection("semantic")
    await rebuild(fresh, journal, live.position)
    assert live.state_hash == state_hash(fresh)


async def test_a_poison_cause_is_parked_and_the_others_go_on() -> None:
    """A cause that cannot be decided leaves a note of its error, and nothing else."""
    journal = new_journal()
    end = await say(journal, "one", "poison", "two")
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(end, 10)
    (parked,) = await events_of(journal, "EventParked")
    assert isinstance(parked.payload, EventParked)
    assert (parked.payload.error, parked.payload.position) == ("ValueError", 2)
    assert len(await events_of(journal, "MemoryRecorded")) == 2


async def test_a_second_instance_cannot_write_when_the_first_has() -> None:
    """An agent that was thought dead meets a conflict instead of writing twice."""
    journal = new_journal()
    await say(journal, "one", "two")
    causes = await events_of(journal, "MessageReceived")
    committers = [Committer(AGENT, journal, new_execution(), Ledger(), 0.001) for _ in range(2)]
    for committer in committers:
        assert await committer.last_handled() == (0, ())
    await committers[0].commit([noted(causes[0])], 1)
    with pytest.raises(VersionConflict):
        await committers[1].commit([noted(causes[0]), noted(causes[1])], 2)


def noted(cause: Event) -> Plan:
    plan = Plan(cause)
    payload = MemoryForgotten(tier="semantic", memory_id="m")
    plan.steps = [Step(Append(payload=payload), [payload])]
    return plan


async def test_a_marker_closes_each_batch_of_conclusions() -> None:
    """The last thing that an agent writes says through where it has handled."""
    journal = new_journal()
    end = await say(journal, "one", "two")
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(end, 10)
    marker = await journal.last_of(CauseHandled.__name__, own_user(AGENT))
    assert marker is not None
    assert marker.position == await journal.last_position()
    assert isinstance(marker.payload, CauseHandled)
    assert marker.payload.through >= end


async def test_waiting_fails_clearly_when_the_position_is_not_reached() -> None:
    """A reader that waits too long is told where the agent is."""
    shell = new_shell(new_journal())
    async with running(shell):
        with pytest.raises(DeadlineExceeded, match="not yet at 99"):
            await shell.wait_for(99, 0.01)


async def test_nobody_reads_a_state_that_is_still_being_built() -> None:
    """Who asks after a crash, with no position in mind, finds all that there was, or waits."""
    journal = new_journal()
    end = await say(journal, *WORDS)
    async with running(new_shell(journal)) as shell:
        await shell.wait_for(end, 10)

    again = new_shell(journal)
    with pytest.raises(DeadlineExceeded):
        await again.on_state(lambda: None, timeout_s=0.01)
    async with running(again):
        held = await again.on_state(lambda: len(again.projection.shelf("usr_ann").memories))

    assert held == len(WORDS)


async def test_what_a_power_cut_left_of_a_batch_is_not_written_again() -> None:
    """The beginning of a batch without its marker is completed, however late, and not repeated."""
    whole = new_journal()
    end = await say(whole, "one", "two")
    async with running(new_shell(whole)) as shell:
        await shell.wait_for(end, 10)
    keys = whole.codec.keys
    torn_log = MemoryLog()
    torn = Journal(torn_log, Codec(keys), FixedClock())
    await say(torn, "one", "two")
    first = (await events_of(whole, "MemoryRecorded"))[0]
    await torn.append([as_new(first)])
    torn_log.forget_ids()
    async with running(new_shell(torn)) as shell:
        await shell.wait_for(await torn.last_position(), 10)
    recorded = [event.id for event in await events_of(torn, "MemoryRecorded")]
    assert len(recorded) == len(set(recorded)) == 2
    assert recorded[0] == first.id


def as_new(event: Event) -> NewEvent:
    return NewEvent(
        event_id=event.id,
        payload=event.payload,
        tenant=event.envelope.tenant,
        user=event.user,
        causation_id=event.envelope.causation_id,
        correlation_id=event.envelope.correlation_id,
        producer=event.envelope.producer,
    )


async def test_an_effect_that_the_log_does_not_take_is_parked_alone() -> None:
    """One event too large for the log stops nobody else: neither causes before it nor after it."""
    journal = new_journal()
    await say(journal, "one", "two", "three")
    causes = await events_of(journal, "MessageReceived")
    committer = Committer(AGENT, journal, new_execution(), Ledger(), 0.001)
    await committer.last_handled()
    plans = [noted(cause) for cause in causes]
    huge = MemoryForgotten(tier="semantic", memory_id="m", reason="x" * (BODY_BYTES_MAX + 1))
    plans[1].steps = [Step(Append(payload=huge), [huge])]
    await committer.commit(plans, 3)
    assert len(await events_of(journal, "MemoryForgotten")) == 2
    (parked,) = await events_of(journal, "EventParked")
    assert isinstance(parked.payload, EventParked)
    assert parked.payload.position == 2
    again = Committer(AGENT, journal, new_execution(), Ledger(), 0.001)
    assert await again.last_handled() == (3, ())
    assert again.parked == 1


async def test_a_text_that_cannot_be_embedded_parks_its_cause_alone() -> None:
    """The embedder failing on one text is that text's trouble."""
    journal = new_journal()
    end = await say(journal, "one", "indigestible", "two")
    shell = new_shell(journal, PickyEmbedding())
    async with running(shell):
        await shell.wait_for(end, 10)
    recorded = await events_of(journal, "MemoryRecorded")
    parked = await events_of(journal, "EventParked")
    assert (len(recorded), len(parked)) == (2, 1)


class PickyEmbedding(Embedding):
    """Fails on one word."""

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        if any("indigestible" in text for text in texts):
            raise ValueError("cannot embed this")
        return await super().embed(texts)
