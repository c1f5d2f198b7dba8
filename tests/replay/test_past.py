"""What can be asked of the past, what cannot, and what it costs when many ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from actors.embedding_queue import LocalEmbedding
from actors.names import Agent
from actors.past import past as past_module
from actors.past import views
from actors.past.past import Past
from actors.past.queries import (
    AskFork,
    AskPast,
    GetCorrelation,
    GetDiff,
    GetEvent,
    GetHistory,
    GetWhy,
    ListEvents,
)
from actors.past.views import Views
from actors.queries import (
    AdoptState,
    CountAll,
    GetState,
    ListAssistants,
    ListMemories,
    ListMessages,
    ListTools,
    Query,
    RevealSecret,
    SearchMemories,
)
from actors.rebuilding import empty_projection
from events.envelope import Event, NewEvent
from events.errors import CommandRejected, DeadlineExceeded
from events.journal import JournalReader
from events.memory import ResourceContent
from projections.base import apply_or_skip, state_hash
from projections.rebuild import rebuild
from projections.snapshots import NoSnapshots, SnapshotDirectory
from tests.replay.recording import (
    ANN,
    BEGIN,
    BEN,
    EMBEDDER,
    QUESTIONS,
    Recorded,
    answer_of,
    past_answer,
    places_in,
    record,
)
from tests.unit.builders import recorded as recording_of
from tests.unit.test_shell import new_journal


class CountingReader(JournalReader):
    """Notes what is read, and lets nobody through before the gate opens."""

    def __init__(self, recorded: Recorded, open_after: int = 0) -> None:
        super().__init__(recorded.log, recorded.journal.codec)
        self._open_after = open_after
        self.gate = asyncio.Event()
        self.read_from = asyncio.Event()
        self.reads: list[tuple[int, int | None]] = []

    async def read(
        self,
        after: int = 0,
        until: int | None = None,
        kinds: frozenset[str] | None = None,
        user: str = "*",
    ) -> AsyncGenerator[Event, None]:
        """Yield so many events, and the others when the gate is open."""
        self.reads.append((after, until))
        self.read_from.set()
        passed = 0
        async for event in super().read(after, until, kinds, user):
            if passed == self._open_after:
                await self.gate.wait()
            passed += 1
            yield event


def _past_of(reader: CountingReader, recorded: Recorded) -> Past:
    return Past(
        reader,
        snapshots=NoSnapshots(),
        embedding=LocalEmbedding(EMBEDDER),
        keys=recorded.journal.codec.keys,
    )


async def test_same_view_is_built_once_when_many_ask_for_it(recorded: Recorded) -> None:
    """Ten requests of one state read the log once, and some that give up do not stop the others."""
    reader = CountingReader(recorded)
    past = _past_of(reader, recorded)
    query = ListMemories(user=ANN, limit=1000)
    asking = [
        asyncio.create_task(past_answer(past, "semantic_memory", query, 500)) for _ in range(10)
    ]
    await reader.read_from.wait()
    for task in asking[:4]:
        task.cancel()
    await asyncio.gather(*asking[:4], return_exceptions=True)
    reader.gate.set()
    answers = await asyncio.gather(*asking[4:])
    assert answers[0].items
    assert all(answer == answers[0] for answer in answers)
    assert reader.reads == [(0, 500)]


async def test_deadline_ends_a_request_and_the_next_one_goes_on_from_there(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was folded before the deadline is not folded again, and the answer is the right one."""
    monkeypatch.setattr(views, "CHUNK_EVENTS", 5)
    reader = CountingReader(recorded, open_after=12)
    past = _past_of(reader, recorded)
    query = AskPast(agent="chat", query=ListMessages(user=ANN, limit=1000), as_of=600)
    with pytest.raises(DeadlineExceeded, match=r"AskPast about shard 0 .* ask again"):
        await past.ask(query, timeout_s=0.1)
    reader.gate.set()
    recalled = await past.ask(query)
    held = await recorded.stopped_at(600)
    assert recalled.answer == answer_of(held, "chat", query.query)
    (first, _), (second, _) = reader.reads
    assert first == 0
    assert 0 < second < 600


async def test_times_stand_for_the_longest_beginning_that_is_not_later(recorded: Recorded) -> None:
    """Also where clocks went back: the position before the first event recorded after the time."""
    past = recorded.past()
    times = [envelope.recorded_at async for _, envelope in recorded.journal.envelopes()]
    assert times != sorted(times)
    asked = [times[position - 1] for position in places_in(recorded, 30, seed=7)]
    for moment in [*asked, *(one - timedelta(microseconds=1) for one in asked)]:
        wanted = next((at for at, time in enumerate(times) if time > moment), recorded.end)
        assert await past.position_at(moment) == wanted
        assert await past.position_at(moment.replace(tzinfo=None)) == wanted
    assert await past.position_at(BEGIN - timedelta(days=1)) == 0
    assert await past.position_at(BEGIN + timedelta(days=99)) == recorded.end
    query = AskPast(agent="chat", query=CountAll(user=ANN), as_of=asked[0])
    recalled = await past.ask(query)
    assert recalled.position == await past.position_at(asked[0])


@pytest.mark.parametrize("beyond", [-1, 1_000_000])
async def test_position_beyond_the_log_is_refused_and_the_end_named(
    recorded: Recorded, beyond: int
) -> None:
    """The error says which position there is not, and which is the last."""
    query = AskPast(agent="chat", query=ListAssistants(tenant="org"), as_of=beyond)
    with pytest.raises(CommandRejected, match=f"no position {beyond} .* ends at {recorded.end};"):
        await recorded.past().ask(query)


@pytest.mark.parametrize(
    ("agent", "query"),
    [
        ("knowledge_vault", RevealSecret(user=ANN, memory_id="mem_1")),
        ("tool", ListTools()),
        ("chat", GetState()),
        ("chat", AdoptState(position=1)),
        ("chat", ListMemories(user=ANN)),
        ("semantic_memory", SearchMemories(user=ANN, tenant="org", query="lamp")),
        ("search", ListMessages(user=ANN)),
    ],
)
async def test_what_the_past_cannot_answer_is_refused(
    recorded: Recorded, agent: Agent, query: Query
) -> None:
    """Secrets, tools, states, and what the agent does not answer today either: one clear line."""
    with pytest.raises(CommandRejected, match=type(query).__name__):
        await recorded.past().ask(AskPast(agent=agent, query=query, as_of=recorded.end))


async def test_people_never_mix(recorded: Recorded) -> None:
    """What one person said is in no answer to another, whoever was asked about before."""
    past = recorded.past()
    for position in places_in(recorded, 5, seed=9):
        for user in (ANN, BEN, "usr_nobody_knows"):
            messages = await past_answer(past, "chat", ListMessages(user=user), position)
            assert {one.conversation[4:11] for one in messages} <= {user}
            everything = SearchMemories(
                user=user, tenant="org", query="lamp", limit=100, tiers=("conversation",)
            )
            found = await past_answer(past, "search", everything, position)
            assert {one.conversation[4:11] for one in found} <= {user}


async def test_erased_user_leaves_nothing_in_the_past() -> None:
    """Also what was kept of an earlier question is gone; the others stay."""
    recorded = await record()
    past = recorded.past()
    query = ListMemories(user=ANN, limit=1000)
    before = await past_answer(past, "episodic_memory", query, recorded.end)
    assert before.items
    recorded.keystore.destroy(ANN)
    recorded.journal.codec.keys.forget(ANN)
    gone = await past_answer(past, "episodic_memory", query, recorded.end)
    assert gone.items == ()
    search = SearchMemories(user=ANN, tenant="org", query=QUESTIONS[0])
    assert await past_answer(past, "search", search, recorded.end) == ()
    counts = await past_answer(past, "episodic_memory", CountAll(), recorded.end)
    others = await past_answer(past, "episodic_memory", CountAll(user=BEN), recorded.end)
    assert counts == others
    assert others["active"]


async def test_no_more_views_are_kept_than_allowed(recorded: Recorded) -> None:
    """By count and by size; those in use stay until they are given back."""
    keys = recorded.journal.codec.keys
    for bounds in ({"views_max": 3}, {"bytes_max": 250_000}):
        kept = Views(recorded.journal, NoSnapshots(), keys, **bounds)
        for position in range(recorded.end, recorded.end - 300, -30):
            async with kept.lease(("chat",), ANN, position):
                pass
            assert 0 < len(kept._kept) <= 3


async def test_every_kind_of_question_is_answered(recorded: Recorded) -> None:
    """Differences, history, reasons, events and their correlations, each by its own module."""
    past = recorded.past()
    half = recorded.end // 2
    difference = await past.ask(GetDiff(user=ANN, start=half))
    assert (difference.start, difference.end) == (half, recorded.end)
    added = [one for one in difference.changes if one.kind == "added" and one.tier == "semantic"]
    assert added
    for one in added:
        assert one.after["position"] > half
    everybody = await past.ask(GetDiff(start=half, end=recorded.end, tiers=("semantic",)))
    assert {one.id for one in added} < {one.id for one in everybody.changes}
    asked = {"user": ANN, "tier": "semantic", "memory_id": added[0].id}
    entries = await past.ask(GetHistory(**asked))
    assert entries[-1].event.position > half
    explanation = await past.ask(GetWhy(**asked))
    assert explanation.memory.id == added[0].id
    page = await past.ask(ListEvents(tenant="org", user=ANN, kind="MessageReceived", limit=5))
    assert [one.user for one in page.events] == [ANN] * 5
    event = await past.ask(GetEvent(tenant="org", event_id=page.events[0].event_id))
    assert event == page.events[0]
    correlation = page.events[0].correlation_id or page.events[0].event_id
    nodes = await past.ask(GetCorrelation(tenant="org", correlation_id=correlation))
    assert nodes[0].event.event_id == page.events[0].event_id
    assert nodes[0].children


async def test_difference_that_goes_backwards_is_refused(recorded: Recorded) -> None:
    """Both ends are named."""
    with pytest.raises(CommandRejected, match="start at position 9 and end at 3"):
        await recorded.past().ask(GetDiff(user=ANN, start=9, end=3))


async def test_view_belongs_to_who_asked_for_it(recorded: Recorded) -> None:
    """What is asked of the past later does not move it on."""
    past = recorded.past()
    early = await past.view("chat", ANN, 200)
    held = state_hash(early)
    await past_answer(past, "chat", CountAll(user=ANN), 300)
    assert early is not await past.view("chat", ANN, 300)
    assert state_hash(early) == held
    whole = await past.view("semantic_memory", "", recorded.end)
    assert state_hash(whole) == state_hash(
        (await recorded.stopped_at(recorded.end))["semantic_memory"]
    )


async def test_view_that_was_given_up_between_two_snapshots_is_of_no_position(
    recorded: Recorded, tmp_path: Path
) -> None:
    """Restored from snapshots of two positions it is no state: what is asked next begins anew."""
    agents: tuple[Agent, ...] = ("semantic_memory", "episodic_memory")
    snapshots = SnapshotDirectory(tmp_path, recorded.journal.codec.keys)
    for agent, position in zip(agents, (500, 200), strict=True):
        projection = empty_projection(agent)
        await rebuild(projection, recorded.journal, position)
        snapshots.save(projection, position)
    reader = CountingReader(recorded)
    held = Views(reader, snapshots, recorded.journal.codec.keys)

    async def hashes_at(position: int) -> list[str]:
        async with held.lease(agents, ANN, position) as found:
            return await held.on_view(lambda: [state_hash(found[agent]) for agent in agents])

    given_up = asyncio.create_task(hashes_at(600))
    await reader.read_from.wait()
    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up
    reader.gate.set()
    for position in (200, 350):
        wanted = []
        for agent in agents:
            projection = empty_projection(agent)
            async with aclosing(recorded.journal.read(0, position, user=ANN)) as events:
                async for event in events:
                    apply_or_skip(projection, event)
            wanted.append(state_hash(projection))
        assert await hashes_at(position) == wanted, position


async def test_few_views_are_built_at_a_time(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for many positions at once gets them one after another."""
    monkeypatch.setattr(views, "BUILDINGS_MAX", 3)
    reader = CountingReader(recorded)
    past = _past_of(reader, recorded)
    query = ListMessages(user=ANN, limit=1000)
    asking = [
        asyncio.create_task(past_answer(past, "chat", query, position))
        for position in range(500, 580, 10)
    ]
    # The thread that owns the views has restored, and handed over, whatever there is by then.
    for _ in range(20):
        await past._views.on_view(lambda: None)
    assert len(reader.reads) == 3
    reader.gate.set()
    assert all(await asyncio.gather(*asking))


async def test_view_is_as_large_as_its_texts() -> None:
    """A few memories can hold whole documents: what is kept is bounded by that, too."""
    journal = new_journal()
    chunks = ("x" * 800,) * 500
    for number in range(10):
        content = ResourceContent(
            title=f"{number}", summary="s", resource_type="document", chunks=chunks
        )
        recorded = recording_of(content, id=f"mem_{number}")
        await journal.append(
            [
                NewEvent(
                    event_id=f"evt_{number}",
                    payload=recorded,
                    tenant="org",
                    user=ANN,
                    producer="resource_memory",
                )
            ]
        )
    held = Views(journal, NoSnapshots(), journal.codec.keys, bytes_max=6_000_000)
    for position in range(10, 0, -1):
        async with held.lease(("resource_memory",), ANN, position):
            pass
    assert sum(view.size_bytes for view in held._kept.values()) <= 6_000_000
    assert {key.position for key in held._kept} == {1, 2, 3, 4}


async def test_difference_that_nobody_can_read_is_refused(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many memories are told and no more, of two moments as of a fork."""
    past = recorded.past()
    count = len((await past.ask(GetDiff(user=ANN, start=0))).changes)
    monkeypatch.setattr(past_module, "CHANGES_MAX", count)
    assert len((await past.ask(GetDiff(user=ANN, start=0))).changes) == count
    monkeypatch.setattr(past_module, "CHANGES_MAX", 3)
    for query in (GetDiff(user=ANN, start=0), AskFork(user=ANN, at=0, extractor="none")):
        with pytest.raises(CommandRejected, match="more than the 3 that an answer tells"):
            await past.ask(query)
