"""One pass over the log for many projections: each is seen exactly where it is to be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from actors.names import AGENTS, PROJECTION_OF, agents_of
from actors.queries import StateView
from actors.rebuilding import compare, empty_projection
from events.codec import Codec
from events.envelope import Event
from events.errors import NotFound
from events.journal import Journal
from events.log import Record
from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from projections.base import Projection, state_hash
from projections.conversations import ConversationsProjection
from projections.rebuild import View, rebuild, rebuild_all
from projections.tiers import TierProjection
from tests.unit.builders import event_of, new_message, recorded
from tests.unit.test_shell import as_new

COUNT = 60


class CountingCodec(Codec):
    """Counts how often each position is opened."""

    opened: list[int]

    def decode_each(self, records: Iterable[Record]) -> Iterator[Event]:
        for event in super().decode_each(records):
            self.opened.append(event.position)
            yield event


async def new_log() -> tuple[Journal, CountingCodec]:
    """Return a log of messages and memories in turn."""
    codec = CountingCodec(KeyRing(MemoryKeyStore()))
    codec.opened = []
    journal = Journal(MemoryLog(), codec)
    for number in range(COUNT // 2):
        content = SemanticContent(name=f"thing {number}", summary="it is there")
        memory = recorded(content, id=f"mem_{number}")
        await journal.append([new_message(f"word {number}", number)])
        await journal.append([as_new(event_of(memory, position=2 * number + 2))])
    return journal, codec


async def folded(projection: Projection, journal: Journal, until: int) -> str:
    async for event in journal.read(0, until):
        projection.apply(event)
    return state_hash(projection)


async def test_each_projection_is_seen_at_its_own_stops() -> None:
    """At every stop the state is the one after exactly that position, whatever the others do."""
    journal, codec = await new_log()
    seen: dict[tuple[str, int], str] = {}

    async def look(projection: Projection, position: int) -> None:
        seen[projection.name, position] = state_hash(projection)

    views = [
        View(TierProjection("semantic"), [1, 2, 31, COUNT], look),
        View(ConversationsProjection(), [0, 30, 17, 17], look),
    ]
    reached: list[int] = []
    await rebuild_all(journal, views, progress=reached.append)

    assert codec.opened == list(range(1, COUNT + 1))
    codec.opened.clear()
    for (name, position), found in seen.items():
        fresh = TierProjection("semantic") if name == "semantic" else ConversationsProjection()
        assert found == await folded(fresh, journal, position)
    assert sorted(position for name, position in seen if name == "conversations") == [0, 17, 30]
    assert [view.events for view in views] == [COUNT // 2, 15]
    assert reached[-1] == COUNT


async def test_only_wanted_kinds_are_opened_unless_the_whole_log_is_checked() -> None:
    """Reading for a tier skips messages unopened; with an end, everything is opened."""
    journal, codec = await new_log()
    tier = TierProjection("semantic")
    assert await rebuild(tier, journal, COUNT) == COUNT // 2
    assert codec.opened == list(range(2, COUNT + 1, 2))
    codec.opened.clear()
    assert await rebuild_all(journal, [], until=COUNT) == COUNT
    assert codec.opened == list(range(1, COUNT + 1))


async def test_live_states_are_compared_where_they_are() -> None:
    """Agents at different positions are compared in one pass; the odd one out is named."""
    journal, _ = await new_log()
    live = []
    for number, agent in enumerate(AGENTS):
        projection = empty_projection(agent)
        position = COUNT - 5 * number
        state = await folded(projection, journal, position)
        wrong = agent == "chat"
        view = StateView(
            projection=projection.name,
            version=projection.version + (agent == "tool"),
            position=position,
            state_hash="wrong" if wrong else state,
            pid=1,
        )
        live.append((agent, view))
    kept: list[tuple[str, int]] = []
    compared = await compare(
        journal, live, kept=lambda agent, projection, position: kept.append((agent, position))
    )

    assert {one.agent for one in compared if not one.is_equal} == {"chat", "tool"}
    assert {one.agent for one in compared if not one.is_comparable} == {"tool"}
    assert sorted(kept) == sorted((agent, view.position) for agent, view in live)


def test_names_of_projections_are_those_that_the_agents_hold() -> None:
    """The gateway knows them by name alone, without loading what they are made of."""
    for agent in AGENTS:
        assert PROJECTION_OF[agent] == empty_projection(agent).name
        assert agents_of(agent) == agents_of(PROJECTION_OF[agent]) == (agent,)
    assert agents_of(None) == AGENTS
    with pytest.raises(NotFound, match="attic is no projection; there are core, episodic"):
        agents_of("attic")
