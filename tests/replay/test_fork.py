"""What if: decide the past again, and only what was decided otherwise is different."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

import pytest
import pytest_asyncio

from actors.deciders.settings import DeciderSettings
from actors.deciders.table import decider_of
from actors.extraction.extractor import Extractor, NoExtractor, RuleExtractor
from actors.extraction.finding import Finding, Utterance
from actors.names import Agent, Owner
from actors.past.fork import FORKABLE, ForkRequest, fork
from actors.past.queries import ForkReport
from events.envelope import Envelope, Event
from events.errors import CommandRejected
from events.journal import Journal, JournalReader
from events.memory import SemanticContent, Tier, readable_text
from projections.base import Projection, apply_or_skip
from projections.tiers import TierProjection
from tests.life import PEOPLE, live, system_in_one_process

POSITIONS = 12


class WithoutLamps(RuleExtractor):
    """The rules, blind to lamps."""

    name = "without-lamps"

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        found = super().from_message(tier, utterance)
        return tuple(one for one in found if "lamp" not in readable_text(one.content))


class Chattier(RuleExtractor):
    """The rules, with a remark in front of every semantic fact: all ordinals move."""

    name = "chattier"

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        found = super().from_message(tier, utterance)
        if tier != "semantic" or not found:
            return found
        remark = SemanticContent(name="remark", summary=f"{len(utterance.text)} characters")
        return (Finding(content=remark), *found)


class Broken:
    """Fails on every message."""

    name = "broken"

    def from_message(self, tier: Tier, utterance: Utterance) -> tuple[Finding, ...]:
        raise ArithmeticError("no")

    def from_document(
        self, tier: Tier, title: str, text: str, said_at: datetime, uri: str
    ) -> tuple[Finding, ...]:
        return ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journal() -> AsyncIterator[Journal]:
    """A log in which a small life was lived."""
    async with system_in_one_process() as life:
        await live(life)
        yield life.journal


async def forked(
    journal: JournalReader,
    at: int,
    extractor: Extractor,
    *,
    user: str = "",
    agents: tuple[Owner, ...] = FORKABLE,
    settings: DeciderSettings | None = None,
    until: int | None = None,
    kept: list[Event] | None = None,
) -> ForkReport:
    async def state_at(agent: Agent, user: str, position: int) -> Projection:
        return await folded(journal, agent, position, user)

    request = ForkRequest(
        at=at,
        until=await journal.last_position() if until is None else until,
        user=user,
        agents=agents,
        settings=settings or DeciderSettings(),
    )
    keep = (lambda event: None) if kept is None else kept.append
    return await fork(
        journal, state_at, request, extractor=extractor, keys=journal.codec.keys, keep=keep
    )


async def folded(journal: JournalReader, agent: Agent, position: int, user: str = "") -> Projection:
    projection = decider_of(agent, journal.codec.keys.fingerprint).projection
    async for event in journal.read(0, position, projection.kinds, user=user or "*"):
        apply_or_skip(projection, event)
    return projection


async def users(journal: Journal) -> list[str]:
    return list(
        dict.fromkeys([e.user async for e in journal.read(kinds=frozenset({"MessageReceived"}))])
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_extractor_changes_nothing_wherever_the_fork_begins(
    journal: Journal,
) -> None:
    """Deciders are pure: met again, the same inputs give the same memories, lag or no lag."""
    end = await journal.last_position()
    for at in (0, end, *random.Random(3).sample(range(1, end), POSITIONS)):
        report = await forked(journal, at, RuleExtractor())
        assert report.difference.changes == (), at
        assert report.parked == 0
    assert report.memories > 50


class OnePersonsReader(JournalReader):
    """Reads no envelopes: those of one person are not found that way."""

    def envelopes(
        self, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[int, Envelope], None]:
        raise AssertionError("everybody's envelopes are read for the sake of one person")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fork_of_one_person_reads_what_is_theirs(journal: Journal) -> None:
    """However long the log of the others is; and with the same extractor nothing changes."""
    end = await journal.last_position()
    reader = OnePersonsReader(journal._log, journal.codec)
    for whose in (await users(journal))[:2]:
        for at in random.Random(5).sample(range(1, end), POSITIONS):
            report = await forked(reader, at, RuleExtractor(), user=whose)
            assert report.difference.changes == (), (whose, at)


@pytest.mark.asyncio(loop_scope="module")
async def test_another_extractor_changes_exactly_what_it_finds_otherwise(journal: Journal) -> None:
    """Memories about lamps, said behind the fork, are missing; nothing else is touched."""
    end = await journal.last_position()
    # Between two requests that waited, nothing is half done.
    first = await anext(journal.read(user=(await users(journal))[1]))
    at = first.position - 1
    report = await forked(journal, at, WithoutLamps())
    gone = {change.id for change in report.difference.changes}
    now = (
        (await folded(journal, "semantic_memory", end)),
        (await folded(journal, "core_memory", end)),
    )
    then = await folded(journal, "semantic_memory", at), await folded(journal, "core_memory", at)
    lamps = {
        one.id
        for held, before in zip(now, then, strict=True)
        if isinstance(held, TierProjection) and isinstance(before, TierProjection)
        for user, shelf in held.shelves.items()
        for one in shelf.memories.values()
        if "lamp" in readable_text(one.content) and one.id not in before.shelf(user).memories
    }
    assert lamps
    assert gone == lamps
    assert {change.kind for change in report.difference.changes} == {"forgotten"}


@pytest.mark.asyncio(loop_scope="module")
async def test_memories_are_known_again_when_their_ids_have_moved(journal: Journal) -> None:
    """One finding more in front moves all ids of a message; only what is new is told."""
    report = await forked(journal, 0, Chattier(), agents=("semantic_memory",))
    assert report.difference.changes
    for change in report.difference.changes:
        assert change.kind == "added"
        assert change.after is not None
        assert change.after["content"]["name"] == "remark"


@pytest.mark.asyncio(loop_scope="module")
async def test_without_an_extractor_only_what_clients_wrote_is_left(journal: Journal) -> None:
    """From the beginning and without findings: requests alone make memories."""
    report = await forked(journal, 0, NoExtractor())
    assert report.memories == 1
    assert {change.kind for change in report.difference.changes} == {"forgotten"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fork_of_one_person_and_agent_leaves_out_all_others(journal: Journal) -> None:
    """What is compared is that person's part of that agent's tier."""
    whose, other = (await users(journal))[:2]
    report = await forked(journal, 0, NoExtractor(), user=whose, agents=("episodic_memory",))
    assert {change.tier for change in report.difference.changes} == {"episodic"}
    assert {change.user for change in report.difference.changes} == {whose}
    assert other != whose
    assert len(PEOPLE) == 2


@pytest.mark.asyncio(loop_scope="module")
async def test_settings_of_the_deciders_can_be_tried_out(journal: Journal) -> None:
    """With a higher bar for importance, exactly what is below it is missing."""
    report = await forked(journal, 0, RuleExtractor(), settings=DeciderSettings(importance_min=0.7))
    assert report.difference.changes
    for change in report.difference.changes:
        if change.kind == "forgotten":
            assert change.before is not None
            assert change.before["importance"] < 0.7


@pytest.mark.asyncio(loop_scope="module")
async def test_a_failing_extractor_parks_its_causes(journal: Journal) -> None:
    """As in a system: nothing follows from a cause that cannot be decided."""
    report = await forked(journal, 0, Broken(), agents=("semantic_memory",))
    assert report.parked > 0
    assert report.memories == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_the_new_history_folds_to_the_forked_memory(journal: Journal) -> None:
    """What is kept of a fork is a log: folded behind the state at its start, it gives the fork."""
    at = (await journal.last_position()) // 2
    kept: list[Event] = []
    report = await forked(journal, at, WithoutLamps(), kept=kept)
    assert [event.position for event in kept] == list(range(at + 1, at + 1 + len(kept)))
    memories = 0
    for agent in FORKABLE:
        projection = await folded(journal, agent, at)
        assert isinstance(projection, TierProjection)
        for event in kept:
            apply_or_skip(projection, event)
        memories += sum(len(shelf.memories) for shelf in projection.shelves.values())
    assert memories == report.memories


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("at", "until"), [(-1, 5), (5, 4), (10**9, 10**9), (0, 10**9)])
async def test_positions_outside_the_log_are_refused(journal: Journal, at: int, until: int) -> None:
    """The end of the log is named."""
    with pytest.raises(CommandRejected, match="goes from 0 to"):
        await forked(journal, at, RuleExtractor(), until=until)


@pytest.mark.asyncio(loop_scope="module")
async def test_somebody_must_decide(journal: Journal) -> None:
    """A fork of no agent is a mistake."""
    with pytest.raises(CommandRejected, match="no agent"):
        await forked(journal, 0, RuleExtractor(), agents=())
