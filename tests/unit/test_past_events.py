"""The log as a list, one event of it, and a correlation as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actors.past import events as past_events
from actors.past.events import get_correlation, get_event, list_events
from actors.past.queries import EventNode, EventPage, GetCorrelation, GetEvent, ListEvents
from events.catalogue import CauseHandled, MemoryRecorded, ServiceKeyIssued
from events.envelope import NOBODY, Event
from events.errors import CommandRejected, NotFound
from events.memory import MemoryDraft, Provenance, SemanticContent, VaultContent
from projections.log_index import LogIndex
from tests.unit.builders import recorded, said
from tests.unit.past_log import ANN, HandMade

BOB = "usr_bob"
FACT = SemanticContent(name="Ann", summary="Ann lives in Rome.")


@pytest.fixture
async def log() -> HandMade:
    """Two people of two tenants, with bookkeeping of the agents in between."""
    made = HandMade()
    await made.add("key", ServiceKeyIssued(key_id="k", digest="d"), user=NOBODY, tenant="default")
    for number in (1, 2, 3):
        await made.add(f"ann{number}", said(f"Line {number}", id=f"a{number}"), correlation="")
        await made.add(f"bob{number}", said("Hi", id=f"b{number}"), user=BOB, tenant="other")
        await made.add(
            f"fact{number}",
            recorded(FACT, id=f"mem_{number}"),
            cause=f"ann{number}",
            correlation=f"evt_ann{number}",
            producer="semantic_memory",
        )
        await made.add(
            f"done{number}",
            CauseHandled(agent="semantic_memory", through=number),
            user="agent-semantic_memory",
            tenant="",
            cause=f"ann{number}",
            correlation=f"evt_ann{number}",
            producer="semantic_memory",
        )
    return made


async def page_of(made: HandMade, **asked: Any) -> EventPage:
    """Return a page, for the operator unless a tenant asks."""
    query = ListEvents(**{"tenant": None, **asked})
    return await list_events(made.journal, await made.index(), query)


async def ids_of(made: HandMade, **asked: Any) -> list[str]:
    """Return the ids of a page's events, without what they all begin with."""
    return [view.event_id.removeprefix("evt_") for view in (await page_of(made, **asked)).events]


async def test_list_passes_what_all_filters_pass(log: HandMade) -> None:
    """Oldest first unless asked otherwise."""
    assert await ids_of(log, user=ANN, kind="MessageReceived") == ["ann1", "ann2", "ann3"]
    assert await ids_of(log, producer="semantic_memory", limit=2) == ["fact1", "done1"]
    assert await ids_of(log, correlation="evt_ann2", newest_first=True) == ["done2", "fact2"]
    assert await ids_of(log, user="usr_none") == []


async def test_pages_put_together_are_the_whole_list(log: HandMade) -> None:
    """The cursor leads from page to page, in both directions, to the last one."""
    for newest_first in (False, True):
        whole = await ids_of(log, newest_first=newest_first)
        assert len(whole) == 13
        found: list[str] = []
        after: int | None = None
        while True:
            page = await page_of(log, limit=4, after=after, newest_first=newest_first)
            found += [view.event_id.removeprefix("evt_") for view in page.events]
            after = page.next_after
            if after is None:
                break
        assert found == whole


async def test_tenant_sees_its_own_events_alone(log: HandMade) -> None:
    """Bookkeeping belongs to no tenant and is shown to the default one."""
    assert await ids_of(log, tenant="other") == ["bob1", "bob2", "bob3"]
    assert await ids_of(log, tenant="default") == ["key", "done1", "done2", "done3"]
    assert await ids_of(log, tenant="org", user=BOB) == []


async def test_erased_user_is_never_shown_and_pages_go_on(log: HandMade) -> None:
    """Not in a list, not by id, not in a tree; a page may be short, its cursor leads on."""
    log.erase(BOB)
    page = await page_of(log, kind="MessageReceived", limit=2)
    assert [view.event_id for view in page.events] == ["evt_ann1"]
    rest = await page_of(log, kind="MessageReceived", after=page.next_after)
    assert [view.event_id for view in rest.events] == ["evt_ann2", "evt_ann3"]
    with pytest.raises(NotFound):
        await get_event(log.journal, await log.index(), GetEvent(tenant=None, event_id="evt_bob1"))
    with pytest.raises(NotFound):
        await tree_of(log, "cor_1", tenant="other")


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_page_of_an_impossible_size_is_rejected(log: HandMade, limit: int) -> None:
    """Work per question is bounded."""
    with pytest.raises(CommandRejected, match="1 to 1000"):
        await page_of(log, limit=limit)


async def test_only_what_is_shown_is_opened(log: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much a filter leaves out, what it leaves out is not read."""
    opened: list[int] = []
    at = log.journal.at

    async def watched(positions: Sequence[int]) -> list[Event]:
        opened.extend(positions)
        return await at(positions)

    monkeypatch.setattr(log.journal, "at", watched)
    assert await ids_of(log, user=BOB, limit=2) == ["bob1", "bob2"]
    assert len(opened) == 2


async def test_event_is_found_by_its_id_for_its_tenant(log: HandMade) -> None:
    """For another tenant it is as if it were not there."""
    index = await log.index()
    found = await get_event(log.journal, index, GetEvent(tenant="org", event_id="evt_fact2"))
    assert found.payload["memory"]["id"] == "mem_2"
    for tenant, name in (("other", "evt_fact2"), ("org", "evt_done1"), (None, "evt_none")):
        with pytest.raises(NotFound, match=f"no event '{name}'"):
            await get_event(log.journal, index, GetEvent(tenant=tenant, event_id=name))


class Colliding(LogIndex):
    """An index in which all ids have one hash."""

    def positions_of(self, event_id: str) -> list[int]:
        """Return every position."""
        return list(range(1, self.end + 1))


async def test_event_is_told_from_others_of_its_hash(log: HandMade) -> None:
    """A hash only names candidates: the event itself says which it is."""
    index = Colliding()
    index.extend([one async for one in log.journal.envelopes()])
    found = await get_event(log.journal, index, GetEvent(tenant=None, event_id="evt_bob2"))
    assert found.event_id == "evt_bob2"
    with pytest.raises(NotFound):
        await get_event(log.journal, index, GetEvent(tenant=None, event_id="evt_none"))


async def test_secret_that_the_vault_found_later_is_blotted_in_its_message(log: HandMade) -> None:
    """In a list and by id, although the message does not say where it is."""
    await log.add("told", said("My code is 4711.", id="m9"), correlation="cor_9")
    draft = MemoryDraft(
        id="mem_9",
        content=VaultContent(entry_type="code", caption="code", secret=b"sealed"),
        provenance=Provenance(message_ids=("m9",)),
    )
    await log.add(
        "kept",
        MemoryRecorded(memory=draft, secret_span=(11, 15)),
        cause="told",
        producer="knowledge_vault",
        correlation="cor_9",
    )
    (listed,) = (await page_of(log, newest_first=True, kind="MessageReceived", limit=1)).events
    one = await get_event(
        log.journal, await log.index(), GetEvent(tenant="org", event_id="evt_told")
    )
    (root,) = await tree_of(log, "cor_9")
    for view in (listed, one, root.event):
        assert view.payload["content"] == "My code is ••••."


async def tree_of(made: HandMade, name: str, tenant: str | None = None) -> tuple[EventNode, ...]:
    query = GetCorrelation(tenant=tenant, correlation_id=name)
    return await get_correlation(made.journal, await made.index(), query)


def outline(nodes: Sequence[EventNode]) -> list[Any]:
    """Return trees as names, each with the list of what is below it."""
    return [[node.event.event_id.removeprefix("evt_"), *outline(node.children)] for node in nodes]


async def test_correlation_is_a_tree_by_causes() -> None:
    """What caused what, in log order; a cause of another correlation does not hold its effects."""
    log = HandMade()
    await log.add("far", said("x", id="m0"), correlation="cor_0")
    await log.add("root", said("x", id="m1"))
    await log.add("a", recorded(FACT, id="mem_a"), cause="root")
    await log.add("stray", recorded(FACT, id="mem_s"), cause="far")
    await log.add("aa", recorded(FACT, id="mem_aa"), cause="a")
    await log.add("b", recorded(FACT, id="mem_b"), cause="root")
    await log.add("ab", recorded(FACT, id="mem_ab"), cause="a")
    assert outline(await tree_of(log, "cor_1")) == [
        ["root", ["a", ["aa"], ["ab"]], ["b"]],
        ["stray"],
    ]


async def test_event_without_a_correlation_begins_that_of_its_id(log: HandMade) -> None:
    """Agents give what follows from it its id; it belongs to them."""
    assert outline(await tree_of(log, "evt_ann2")) == [["ann2", ["fact2"], ["done2"]]]
    assert outline(await tree_of(log, "evt_ann2", tenant="org")) == [["ann2", ["fact2"]]]
    with pytest.raises(NotFound, match="no events of correlation 'evt_ann2'"):
        await tree_of(log, "evt_ann2", tenant="other")
    with pytest.raises(NotFound):
        await tree_of(log, "evt_fact2")


async def test_correlation_that_is_too_large_is_rejected(
    log: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client can give all its requests one id: such a tree helps nobody."""
    monkeypatch.setattr(past_events, "TREE_EVENTS_MAX", 3)
    assert len(await tree_of(log, "evt_ann1")) == 1
    with pytest.raises(CommandRejected, match="more than the 3 events"):
        await tree_of(log, "cor_1")


async def test_answers_survive_the_way_between_processes(log: HandMade) -> None:
    """What is answered is JSON through and through."""
    page = await page_of(log)
    again = msgspec.json.decode(msgspec.json.encode(page), type=EventPage)
    assert again == page
