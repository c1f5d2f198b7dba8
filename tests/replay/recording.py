"""A log that nine agents wrote, and everything that can be asked about its past."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.embedding import HashEmbedder
from actors.embedding_queue import LocalEmbedding
from actors.finding import count, find, text_to_embed, wants_vector
from actors.local import local_backend
from actors.names import AGENTS, OWNER_OF, Agent
from actors.past.past import Past
from actors.past.queries import (
    AskPast,
    AsOf,
    Recalled,
)
from actors.queries import (
    CountAll,
    GetAssistant,
    GetCoreBlocks,
    GetMemory,
    GetMessage,
    KnownMessages,
    ListAssistants,
    ListMemories,
    ListMessages,
    Query,
    SearchMemories,
    SearchOutcome,
)
from actors.readers import read
from actors.rebuilding import empty_projection
from events.catalogue import (
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    DocumentReceived,
    MemoryChangeRequested,
    MemoryRecorded,
    MessageReceived,
    Payload,
)
from events.codec import Codec
from events.envelope import NOBODY, NewEvent
from events.errors import MirixError, NotFound
from events.journal import Journal
from events.log import NewRecord
from events.memory import SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.memory_log import MemoryLog
from events.sealing import KeyRing
from events.signals import MemorySignals
from projections.base import Projection
from projections.rebuild import rebuild
from projections.snapshots import NoSnapshots, SnapshotStore
from projections.tiers import concerned_tier
from tests.conversation import conversation

ANN, BEN = "usr_ann", "usr_ben"
MESSAGES = 110
POSITIONS = 50
BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
EMBEDDER = HashEmbedder()
QUESTIONS = ("What am I allergic to?", "公司的门禁密码是什么？", "Who collects antique lamps?")


class JitteryClock:
    """Goes on by a second a call, and now and then is set back by some."""

    def __init__(self) -> None:
        self._random = random.Random(3)
        self._calls = 0

    def __call__(self) -> datetime:
        """Return the time."""
        self._calls += 1
        return BEGIN + timedelta(seconds=self._calls - self._random.choice((0, 0, 0, 1, 4)))


class Recorded:
    """A log that was written by all nine agents, and what was in it."""

    def __init__(
        self, log: MemoryLog, journal: Journal, keystore: MemoryKeyStore, end: int
    ) -> None:
        self.log = log
        self.journal = journal
        self.keystore = keystore
        self.end = end
        self.memory_ids: dict[tuple[str, Agent], list[str]] = {}
        self.message_ids: dict[str, list[str]] = {ANN: [], BEN: []}

    def past(self, snapshots: SnapshotStore | None = None) -> Past:
        """Return a historian that knows nothing yet."""
        return Past(
            self.journal,
            snapshots=snapshots or NoSnapshots(),
            embedding=LocalEmbedding(EMBEDDER),
            keys=self.journal.codec.keys,
        )

    async def stopped_at(self, position: int) -> dict[Agent, Projection]:
        """Return what the agents of a system hold whose log ends at `position`."""
        log = MemoryLog(0)
        async for record in self.log.read(until=position):
            name = f"r{record.position}"
            await log.append(
                [NewRecord(kind=record.kind, user=record.user, record_id=name, body=record.body)]
            )
        journal = Journal(log, self.journal.codec)
        held: dict[Agent, Projection] = {}
        for agent in AGENTS:
            held[agent] = empty_projection(agent)
            await rebuild(held[agent], journal, position)
        return held


class Teller:
    """Appends as a gateway does, and waits until the agents are through."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._count = 0
        self.message_ids: dict[str, list[str]] = {ANN: [], BEN: []}

    async def tell(self, payload: Payload, user: str, *, wait: bool = True) -> int:
        """Append one event; return its position."""
        self._count += 1
        event = NewEvent(
            event_id=f"evt_told_{self._count}",
            payload=payload,
            tenant="org",
            user=user,
            producer="gateway",
        )
        (position,) = await self._backend.append(0, [event])
        if wait:
            await self._backend.wait_handled(0, position)
        return int(position)

    async def say(self, line: dict[str, Any], number: int, *, answer_wanted: bool) -> None:
        """Say a line, every third one by Ben, in one of two conversations each."""
        user = BEN if (number + number // 12) % 3 == 2 else ANN
        message = MessageReceived(
            message_id=f"msg_{number}",
            conversation=f"cnv_{user}_{number % 2}",
            content=line["content"],
            said_at=datetime.fromisoformat(line["created_at"]),
            external_id=line["external_id"],
            assistant="asst_1" if answer_wanted else "",
            answer_wanted=answer_wanted,
        )
        self.message_ids[user].append(message.message_id)
        await self.tell(message, user, wait=answer_wanted or number % 7 == 0)

    async def change(self, user: str, change: Any, memory_id: str, **fields: Any) -> None:
        """Ask the owner of the semantic tier for a change."""
        request = MemoryChangeRequested(
            tier="semantic", change=change, memory_id=memory_id, **fields
        )
        await self.tell(request, user)


async def _told(backend: Any) -> Teller:
    """Tell everything that a client can."""
    teller = Teller(backend)
    profile = AssistantProfile(id="asst_1", name="Ada", system_prompt="Be brief.")
    for number, line in enumerate(conversation(MESSAGES)):
        await teller.say(line, number, answer_wanted=number % 11 == 5)
        user = (ANN, BEN)[number // 10 % 2]
        match number % 30:
            case 3:
                await teller.tell(AssistantCreated(profile=profile), NOBODY)
            case 8:
                content = SemanticContent(name=f"boat {number}", summary="A blue boat.")
                await teller.change(user, "record", f"mem_{number}", content=content)
            case 12:
                grown = AssistantProfile(id="asst_1", name=f"Ada {number}", description="Older.")
                await teller.tell(AssistantRevised(profile=grown), NOBODY)
            case 15:
                content = SemanticContent(name="boat", summary="红色的船，停在港口。")
                owner = (ANN, BEN)[(number - 7) // 10 % 2]
                await teller.change(owner, "revise", f"mem_{number - 7}", content=content)
            case 19:
                document = DocumentReceived(
                    document_id=f"doc_{number}",
                    title="Lamp care",
                    text="Dust the lamp every week. " * 40 + "\n\n灯罩要用软布擦。" * 20,
                    said_at=BEGIN,
                )
                await teller.tell(document, user)
            case 24:
                owner = (ANN, BEN)[(number - 16) // 10 % 2]
                await teller.change(owner, "forget", f"mem_{number - 16}", reason="asked for")
            case 27:
                await teller.tell(AssistantDeleted(assistant_id="asst_1"), NOBODY)
    return teller


async def record() -> Recorded:
    keystore = MemoryKeyStore(b"m" * 32)
    log = MemoryLog(0)
    journal = Journal(log, Codec(KeyRing(keystore)), JitteryClock())
    async with local_backend([journal], MemorySignals(), EMBEDDER) as backend:
        teller = await _told(backend)
        end = await log.last_position()
        await backend.wait_handled(0, end)
        await backend.ask(0, "search", SearchMemories(user=ANN, tenant="org", query="lamp"))
        recorded = Recorded(log, journal, keystore, await log.last_position())
        recorded.message_ids = teller.message_ids
    async for event in journal.read(kinds=frozenset({MemoryRecorded.__name__})):
        tier = concerned_tier(event)
        if tier is not None and isinstance(event.payload, MemoryRecorded):
            ids = recorded.memory_ids.setdefault((event.user, OWNER_OF[tier]), [])
            ids.append(event.payload.memory.id)
    return recorded


def queries_of(recorded: Recorded, seed: int) -> list[tuple[Agent, Query]]:
    """Return everything that can be asked of both users."""
    chosen = random.Random(seed)
    queries: list[tuple[Agent, Query]] = [
        ("chat", GetAssistant(tenant="org", assistant_id="asst_1")),
        ("chat", GetAssistant(tenant="other", assistant_id="asst_1")),
        ("chat", ListAssistants(tenant="org")),
        ("core_memory", CountAll()),
    ]
    for user in (ANN, BEN):
        messages = recorded.message_ids[user]
        for agent in OWNER_OF.values():
            queries += [
                (agent, ListMemories(user=user, limit=10_000, ended=True)),
                (agent, ListMemories(user=user, limit=5)),
                (agent, CountAll(user=user)),
            ]
            id_ = chosen.choice(recorded.memory_ids[user, agent])
            queries.append((agent, GetMemory(user=user, memory_id=id_)))
        queries += [
            ("core_memory", GetCoreBlocks(user=user)),
            ("chat", ListMessages(user=user, limit=10_000)),
            ("chat", ListMessages(user=user, conversation=f"cnv_{user}_1", limit=7)),
            ("chat", GetMessage(user=user, message_id=chosen.choice(messages))),
            ("chat", KnownMessages(user=user, message_ids=tuple(chosen.sample(messages, 5)))),
            ("chat", CountAll(user=user)),
            ("tool", CountAll(user=user)),
            ("search", CountAll(user=user)),
        ]
        for question in QUESTIONS:
            search = SearchMemories(user=user, tenant="org", query=question, explain=True)
            queries.append(("search", search))
        words = SearchMemories(
            user=user, tenant="org", query="lamps", method="bm25", tiers=("semantic", "resource")
        )
        queries.append(("search", words))
    return queries


def answer_of(held: dict[Agent, Projection], agent: Agent, query: Query) -> Any:
    """Return the answer of an agent that holds this."""
    projection: Any = held[agent]
    match query:
        case SearchMemories():
            index, vector = projection.index, None
            if wants_vector(query):
                vector = EMBEDDER.embed([text_to_embed(index, query)])[0]
            return find(index, query, vector)
        case CountAll() if agent == "search":
            return count(projection.index, query)
        case _:
            try:
                return read(projection, query, None)
            except MirixError as error:
                return repr(error)


async def past_answer(past: Past, agent: Agent, query: Query, as_of: AsOf) -> Any:
    try:
        recalled: Recalled = await past.ask(AskPast(agent=agent, query=query, as_of=as_of))
    except NotFound as error:
        return repr(error)
    if isinstance(recalled.answer, SearchOutcome):
        assert recalled.answer.position == recalled.position
        return recalled.answer.results
    return recalled.answer


def places_in(recorded: Recorded, number: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(1, recorded.end), number)
