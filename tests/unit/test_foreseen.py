"""What is done ahead of an answer, and what is put off for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

from actors.agent import AgentProcess
from actors.ahead import AHEAD_MAX
from actors.chatting.retrieving import HITS_MAX, HITS_WITH_WINDOW_MAX, foresight, search_of
from actors.embedding import HashEmbedder
from actors.local import local_agents
from actors.models.settings import EXTRACTIVE, ModelSettings, ProviderSettings
from actors.names import OWNERS, Agent
from actors.peers_ahead import PeersAhead
from actors.queries import Foresee, GetCoreBlocks, Query, SearchMemories, SearchOutcome
from actors.searching import Searcher
from events.catalogue import MessageReceived
from events.codec import Codec
from events.envelope import Event, NewEvent
from events.errors import Unavailable
from events.journal import Journal
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.retrieval import word_index_tantivy
from projections.retrieval_projection import RetrievalProjection
from tests.unit.builders import new_message

DEADLINE_S = 20.0
WITH_A_MODEL = ModelSettings(
    providers=(
        ProviderSettings(name="m", kind="openai_compatible", model="m", base_url="http://x/v1"),
        EXTRACTIVE,
    )
)
ASKED = "Which kiln did I buy in Lisbon?"


@asynccontextmanager
async def search_agent() -> AsyncIterator[tuple[Journal, AgentProcess]]:
    """Run the search agent alone, over a log in memory."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    process = local_agents(journal, MemorySignals(), HashEmbedder())["search"]
    task = asyncio.create_task(process.run())
    try:
        yield journal, process
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def said(journal: Journal, text: str, number: int = 1) -> Event:
    """Append a message that wants an answer; return it as it is in the log."""
    (position,) = await journal.append([new_message(text, number, answer_wanted=True)])
    (found,) = await journal.at([position])
    return found


def searcher_of(process: AgentProcess) -> Searcher:
    assert process.searcher is not None
    return process.searcher


def projection_of(process: AgentProcess) -> RetrievalProjection:
    projection = process.shell.projection
    assert isinstance(projection, RetrievalProjection)
    return projection


def request_of(event: Event) -> SearchMemories:
    assert isinstance(event.payload, MessageReceived)
    found = foresight(ModelSettings())(event.user, event.envelope.tenant, event.payload)
    assert found is not None
    return found


async def test_what_an_answer_will_ask_for_is_searched_before_it_asks() -> None:
    """The search that the chat agent asks for is the one that was begun when the message came."""
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        await process.shell.wait_for((await said(journal, "I bought a kiln", 1)).position, 10)
        event = await said(journal, ASKED, 2)
        request = request_of(event)
        searcher = searcher_of(process)
        while (begun := searcher.foreseen.search_for(request)) is None:  # noqa: ASYNC110  # unheard
            await asyncio.sleep(0.001)
        outcome = await searcher.search(request, min_position=event.position - 1)
        assert begun.done()
        assert begun.result()[:2] == (outcome.position, outcome.results)
        assert [hit.text for hit in outcome.results] == ["I bought a kiln"]
        assert searcher.foreseen.search_for(request) is None


def coming(text: str, number: int) -> tuple[NewEvent, Foresee]:
    """Return a message that is to be appended, and what the gateway tells of it before."""
    event = new_message(text, number, answer_wanted=True)
    assert isinstance(event.payload, MessageReceived)
    return event, Foresee(user=event.user, tenant=event.tenant, message=event.payload)


def request_of_coming(coming: Foresee) -> SearchMemories:
    found = foresight(ModelSettings())(coming.user, coming.tenant, coming.message)
    assert found is not None
    return found


@pytest.mark.parametrize("between", [None, "usr_bob", "usr_ann"])
async def test_search_begun_before_the_message_counts_unless_the_person_said_more_meanwhile(
    between: str | None,
) -> None:
    """What others say meanwhile changes nothing; what the person said before has to be found."""
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        (first,) = await journal.append([new_message("I bought a kiln", 1)])
        await process.shell.wait_for(first, 10)
        searcher, (event, foresee) = searcher_of(process), coming(ASKED, 3)
        await process.ask(foresee)
        early = searcher.foreseen.search_for(request_of_coming(foresee))
        assert early is not None
        await early
        more = [] if between is None else [new_message("A kiln in Porto", 2, user=between)]
        position = (await journal.append([*more, event]))[-1]
        (read,) = await journal.at([position])
        await process.shell.wait_for(position, 10)

        outcome = await searcher.search(request_of(read), min_position=position - 1)

        texts = {hit.text for hit in outcome.results}
        assert texts == {"I bought a kiln", *(["A kiln in Porto"] if between == "usr_ann" else [])}
        assert (early.result().results is outcome.results) == (between != "usr_ann")


async def test_search_that_is_asked_for_before_its_message_came_is_the_one_that_was_begun() -> None:
    """The chat agent may have a message before the search agent: it waits, and nothing is redone.

    Somebody else's message lies between the two, so that the search alone cannot tell.
    """
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        await journal.append([new_message("I bought a kiln", 1)])
        while not (last := process.shell.progress().wrote):  # noqa: ASYNC110  # its vector
            await asyncio.sleep(0.001)
        await process.shell.wait_for(last, 10)
        searcher, (event, foresee) = searcher_of(process), coming(ASKED, 3)
        await process.ask(foresee)
        request = request_of_coming(foresee)
        early = searcher.foreseen.search_for(request)
        assert early is not None
        await early
        asked = asyncio.create_task(searcher.search(request, min_position=last + 1))
        await asyncio.sleep(0)
        assert not asked.done()
        other = new_message("A kiln in Porto", 2, user="usr_bob")
        assert await journal.append([other, event]) == (last + 1, last + 2)
        assert (await asked).results is early.result().results


class Asked:
    """Agents that answer when they are let, and note what they were asked."""

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.may_answer = asyncio.Event()

    async def __call__(
        self, agent: Agent, query: Query, min_position: int, timeout_s: float
    ) -> object:
        self.queries.append(query)
        await self.may_answer.wait()
        if isinstance(query, SearchMemories):
            return SearchOutcome(search_id="s", position=min_position, results=())
        return ()


def peers_ahead(ask: Asked, *, blocks: bool = True) -> PeersAhead:
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    return PeersAhead("chat", journal, ask, foresight(ModelSettings()), blocks=blocks)


async def test_what_an_answer_begins_with_is_asked_when_its_message_arrives() -> None:
    """Once: the answer takes what was asked then, another one asks for itself."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    event, ask = await said(journal, ASKED), Asked()
    request, before = request_of(event), event.position - 1
    peers = peers_ahead(ask)
    async with asyncio.timeout(DEADLINE_S):
        await peers.arriving([event])
        await asyncio.sleep(0)
        blocks = GetCoreBlocks(user=event.user)
        assert ask.queries == [request, blocks]
        ask.may_answer.set()
        assert (await peers.search(request, min_position=before)).position == before
        assert await peers.blocks(event.user) == ()
        assert ask.queries == [request, blocks]
        await peers.search(request, min_position=before)
        await peers.blocks(event.user)
        assert ask.queries == [request, blocks, request, blocks]


async def test_what_no_answer_begins_with_is_not_asked() -> None:
    """A message that wants no answer leads to nothing; quoting needs no blocks."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    (told,) = await journal.append([new_message("Hi", 1)])
    event, ask = await said(journal, ASKED, 2), Asked()
    ask.may_answer.set()
    await peers_ahead(ask).arriving(await journal.at([told]))
    await peers_ahead(ask, blocks=False).arriving([event])
    await asyncio.sleep(0)
    assert ask.queries == [request_of(event)]


async def test_question_that_failed_when_the_message_arrived_is_asked_again() -> None:
    """The answer hears of it, and its next try asks anew."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    event = await said(journal, ASKED)
    tries: list[Query] = []

    async def ask(agent: Agent, query: Query, min_position: int, timeout_s: float) -> object:
        tries.append(query)
        if len(tries) == 1:
            raise Unavailable("away")
        return SearchOutcome(search_id="s", position=min_position, results=())

    peers = PeersAhead("chat", journal, ask, foresight(ModelSettings()), blocks=False)
    await peers.arriving([event])
    with pytest.raises(Unavailable):
        await peers.search(request_of(event), min_position=event.position - 1)
    await peers.search(request_of(event), min_position=event.position - 1)
    assert len(tries) == 2


async def test_search_of_another_kind_is_made_anew() -> None:
    """What was foreseen serves that very request alone."""
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        event = await said(journal, ASKED)
        assert isinstance(event.payload, MessageReceived)
        other = search_of(event.user, "org", event.payload, "Lisbon", 3)
        outcome = await searcher_of(process).search(other, min_position=event.position)
        assert outcome.position >= event.position


async def test_no_more_is_foreseen_than_fits() -> None:
    """Messages that nobody answers leave a bounded number of searches, each for a moment."""
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        events = [await said(journal, f"{ASKED} {n}", n) for n in range(AHEAD_MAX + 5)]
        await process.shell.wait_for(events[-1].position, 10)
        assert len(searcher_of(process).foreseen) <= AHEAD_MAX


@pytest.mark.parametrize(
    ("text", "role", "settings", "limit"),
    [
        (ASKED, "user", ModelSettings(), HITS_MAX),
        (ASKED, "user", WITH_A_MODEL, HITS_WITH_WINDOW_MAX),
        ("And when?", "user", WITH_A_MODEL, None),
        (ASKED, "tool", WITH_A_MODEL, None),
    ],
)
async def test_search_is_foreseen_where_the_message_alone_tells(
    text: str, role: str, settings: ModelSettings, limit: int | None
) -> None:
    """A message that leans on those before it, or on a model, is left to the chat agent."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    event = await said(journal, text)
    assert isinstance(event.payload, MessageReceived)
    message = msgspec.structs.replace(event.payload, role=role)
    found = foresight(settings)(event.user, event.envelope.tenant, message)
    assert (found.limit if found else None) == limit


async def test_removed_texts_count_no_more_once_the_agent_is_at_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a large shelf the words are made anew beside the searches, without being asked to."""
    monkeypatch.setattr(word_index_tantivy, "EXACT_MAX", 0)
    monkeypatch.setattr(word_index_tantivy, "_DEAD_PER_LIVING", 9)
    texts = ("kiln red", "kiln tap", "tap storm", "kiln", "boat")
    async with search_agent() as (journal, process), asyncio.timeout(DEADLINE_S):
        for number, text in enumerate(texts):
            event = await said(journal, text, number)
        index = projection_of(process).index
        request = SearchMemories(user=event.user, tenant="org", query="kiln", method="bm25")

        async def scores() -> list[float]:
            found = await searcher_of(process).search(request, min_position=event.position)
            return [hit.score for hit in found.results]

        fresh = await scores()
        for number, text in enumerate(texts):
            passage = index.passages_of(event.user, f"msg_{number}")
            assert [one.text for one in passage] == [text]
            await process.shell.on_state(partial(index.amend, passage[0].without(((0, 1),))))
            await process.shell.on_state(partial(index.amend, passage[0]))
        # As many removed as living: words weigh other than they should, until nobody looks.
        while await scores() != fresh:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


async def test_memory_agents_alone_let_an_answer_go_first() -> None:
    """They take a message up later when it wants an answer; who answers does not wait."""
    journal = Journal(MemoryLog(0), Codec(KeyRing(MemoryKeyStore())))
    agents = local_agents(journal, MemorySignals(), HashEmbedder(), give_way_s=3600)
    waiting = {name for name, one in agents.items() if one.shell.arriving is not None}
    assert waiting == {*OWNERS, "search", "chat"}
    wanted, told = await said(journal, ASKED), (await journal.append([new_message("Hi", 2)]))[0]
    (other,) = await journal.at([told])
    owner = agents["semantic_memory"].shell.arriving
    search = agents["search"].shell.arriving
    assert owner is not None
    assert search is not None
    async with asyncio.timeout(DEADLINE_S):
        await owner([other])
        await search([other, wanted])
    lets_go_first = asyncio.create_task(owner([other, wanted]))  # type: ignore[arg-type]
    done, _ = await asyncio.wait({lets_go_first}, timeout=0.05)
    assert not done
    lets_go_first.cancel()
