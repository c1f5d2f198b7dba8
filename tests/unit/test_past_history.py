"""What happened to a memory and why it reads as it does: by hand-made events, then a real life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from actors.past import history as past_history
from actors.past.history import history, why
from actors.past.queries import (
    EventNode,
    Explanation,
    GetHistory,
    GetWhy,
    HistoryEntry,
)
from actors.queries import MemoryView
from actors.readers import memory_view
from events.catalogue import (
    AnswerGiven,
    Citation,
    CoreBlockRewritten,
    DocumentReceived,
    GenerationCompleted,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryEmbedded,
    MemoryForgotten,
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    SearchHit,
    SearchPerformed,
    SecretRevealed,
)
from events.errors import CommandRejected, NotFound
from events.memory import (
    Content,
    CoreContent,
    MemoryDraft,
    Provenance,
    SemanticContent,
    Tier,
    VaultContent,
    tier_of,
)
from projections.tiers import TierProjection
from tests.life import live, system_in_one_process
from tests.unit.builders import NOON, said
from tests.unit.past_log import ANN, HandMade

PARIS = CoreContent(text="Lives in Paris.")
LISBON = CoreContent(text="Lives in Lisbon.")
OSLO = SemanticContent(name="Ann", summary="Ann lives in Oslo.")


def drawn(
    id: str, content: Content, *messages: str, document: str = "", extractor: str = "rules"
) -> MemoryRecorded:
    """Return a memory that was drawn from messages or a document."""
    origin = Provenance(message_ids=messages, document_id=document, extractor=extractor)
    return MemoryRecorded(memory=MemoryDraft(id=id, content=content, provenance=origin))


def searched(*hits: tuple[str, Tier]) -> SearchPerformed:
    """Return a search that found these."""
    found = tuple(SearchHit(id=id, tier=tier, score=1.0) for id, tier in hits)
    return SearchPerformed(search_id="s", query="home?", method="hybrid", hits=found)


def answered(id: str, tier: Tier) -> AnswerGiven:
    """Return an answer that cites a memory."""
    return AnswerGiven(
        message_id="msg_a",
        conversation="cnv_1",
        assistant="",
        in_reply_to="msg_q",
        content="Paris.",
        citations=(Citation(id=id, tier=tier, text="Paris"),),
        model="extractive",
    )


async def moved_house() -> HandMade:
    """Somebody lives in Paris, is read about, moves to Lisbon."""
    log = HandMade()
    await log.add("paris", said("I live in Paris.", id="m1"))
    await log.add("mem1", drawn("mem_1", PARIS, "m1"), cause="paris", producer="core_memory")
    await log.add(
        "vec1",
        MemoryEmbedded(tier="core", memory_id="mem_1", model="m", vectors=(b"\0\0",)),
        cause="paris",
        producer="core_memory",
    )
    await log.add("other", drawn("mem_x", OSLO, "m1"), cause="paris", producer="semantic_memory")
    await log.add("ask", searched(("mem_x", "semantic"), ("mem_1", "core")), producer="search")
    await log.add("answer", answered("mem_1", "core"), producer="chat")
    await log.add("lisbon", said("I moved to Lisbon.", id="m2"))
    await log.add("mem2", drawn("mem_2", LISBON, "m2"), cause="lisbon", producer="core_memory")
    ended = MemorySuperseded(
        tier="core", memory_id="mem_1", superseded_by="mem_2", valid_to=NOON, reason="newer"
    )
    await log.add("ended", ended, cause="lisbon", producer="core_memory")
    return log


async def told(
    log: HandMade, tier: Tier, memory_id: str, user: str = ANN
) -> tuple[HistoryEntry, ...]:
    return await history(log.journal, GetHistory(user=user, tier=tier, memory_id=memory_id))


async def explained(log: HandMade, tier: Tier, memory_id: str) -> Explanation:
    return await why(log.journal, GetWhy(user=ANN, tier=tier, memory_id=memory_id))


def names(entries: Sequence[HistoryEntry]) -> list[tuple[str, str]]:
    return [(one.kind, one.event.event_id.removeprefix("evt_")) for one in entries]


def outline(nodes: Sequence[EventNode]) -> list[Any]:
    """Return trees as names, each with the list of what is below it."""
    return [[node.event.event_id.removeprefix("evt_"), *outline(node.children)] for node in nodes]


async def test_history_tells_changes_and_readings_in_log_order() -> None:
    """With the memory as it was right after each change; others' events are not told."""
    entries = await told(await moved_house(), "core", "mem_1")
    assert names(entries) == [
        ("recorded", "mem1"),
        ("found", "ask"),
        ("cited", "answer"),
        ("superseded", "ended"),
    ]
    made, _, _, ended = (entry.memory for entry in entries)
    assert made is not None
    assert (made.status, made.text, made.position) == ("active", "Lives in Paris.", 2)
    assert ended is not None
    assert (ended.status, ended.superseded_by) == ("superseded", "mem_2")


async def test_superseded_memory_is_explained_by_both_messages() -> None:
    """The one that it was drawn from, and the one that brought another in its place."""
    found = await explained(await moved_house(), "core", "mem_1")
    assert (found.status, found.producer, found.extractor) == ("superseded", "core_memory", "rules")
    assert found.memory.text == "Lives in Paris."
    assert outline(found.causes) == [["paris", ["mem1"]], ["lisbon", ["ended"]]]
    assert [view.payload["content"] for view in found.sources] == ["I live in Paris."]
    assert names(found.read_by) == [("found", "ask"), ("cited", "answer")]
    assert found.superseded == ()


async def test_superseding_memory_is_explained_with_what_it_replaced() -> None:
    """The tree holds only what bears on it, the end of the older one included."""
    found = await explained(await moved_house(), "core", "mem_2")
    assert (found.status, found.superseded, found.read_by) == ("active", ("mem_1",), ())
    assert outline(found.causes) == [["lisbon", ["mem2"], ["ended"]]]
    assert found.generation is None


async def test_client_request_is_a_first_cause() -> None:
    """A memory made, revised and forgotten by hand keeps its history; a rejection is told."""
    log = HandMade()
    asked = MemoryChangeRequested(tier="semantic", change="record", memory_id="mem_1", content=OSLO)
    await log.add("ask1", asked)
    await log.add("made", drawn("mem_1", OSLO, extractor="client"), cause="ask1")
    rome = SemanticContent(name="Ann", summary="Ann lives in Rome.")
    revise = MemoryChangeRequested(
        tier="semantic", change="revise", memory_id="mem_1", content=rome, expected_revision=1
    )
    revised = MemoryRevised(tier="semantic", memory_id="mem_1", content=rome)
    await log.add("ask2", revise)
    await log.add("revised", revised, cause="ask2")
    await log.add("ask3", revise)
    no = MemoryChangeRejected(
        tier="semantic", memory_id="mem_1", request_id="evt_ask3", reason="is at revision 2"
    )
    await log.add("no", no, cause="ask3")
    forget = MemoryChangeRequested(tier="semantic", change="forget", memory_id="mem_1")
    await log.add("ask4", forget)
    await log.add("gone", MemoryForgotten(tier="semantic", memory_id="mem_1"), cause="ask4")

    entries = await told(log, "semantic", "mem_1")
    assert [kind for kind, _ in names(entries)] == [
        "requested",
        "recorded",
        "requested",
        "revised",
        "requested",
        "rejected",
        "requested",
        "forgotten",
    ]
    states = [(one.memory.status, one.memory.revision) for one in entries if one.memory]
    assert states == [("active", 1), ("active", 2), ("forgotten", 2)]

    found = await explained(log, "semantic", "mem_1")
    assert (found.status, found.memory.status, found.memory.text) == (
        "forgotten",
        "forgotten",
        "Ann lives in Rome.",
    )
    assert found.extractor == "client"
    # What was rejected changed nothing, so it is no reason for anything.
    assert outline(found.causes) == [["ask1", ["made"]], ["ask2", ["revised"]], ["ask4", ["gone"]]]
    assert found.sources == ()


async def test_core_line_that_left_its_block_is_told() -> None:
    """A rewriting that keeps the line is none of its business."""
    log = await moved_house()
    for name, kept in (("keeps", ("mem_2",)), ("drops", ())):
        rewritten = CoreBlockRewritten(block="human", memory_ids=kept)
        await log.add(name, rewritten, cause="lisbon", producer="core_memory")
    assert names(await told(log, "core", "mem_2")) == [
        ("recorded", "mem2"),
        ("left_block", "drops"),
    ]
    found = await explained(log, "core", "mem_2")
    assert outline(found.causes) == [["lisbon", ["mem2"], ["ended"], ["drops"]]]


async def test_revealed_secret_is_told_and_its_message_blotted() -> None:
    """Who read the vault is on the record; the explanation itself shows no secret."""
    log = HandMade()
    await log.add("told", said("My code is 4711.", id="m1"))
    content = VaultContent(entry_type="code", caption="code", secret=b"sealed")
    draft = MemoryDraft(id="mem_1", content=content, provenance=Provenance(message_ids=("m1",)))
    kept = MemoryRecorded(memory=draft, secret_span=(11, 15))
    await log.add("kept", kept, cause="told", producer="knowledge_vault")
    await log.add("read", SecretRevealed(memory_id="mem_1", key_id="key_1"))
    assert names(await told(log, "knowledge_vault", "mem_1"))[-1] == ("revealed", "read")
    found = await explained(log, "knowledge_vault", "mem_1")
    assert found.sources[0].payload["content"] == "My code is ••••."
    assert found.causes[0].event.payload["content"] == "My code is ••••."


async def test_generation_is_found_when_a_model_drew_the_memory() -> None:
    """Above the memory in its chain of causes, or beside it; never that of another agent."""
    log = HandMade()
    generated = GenerationCompleted(
        generation_id="g", model="big", prompt_hash="h", output="Lives in Paris."
    )
    await log.add("said", said("Paris!", id="m1"))
    await log.add("chatted", generated, cause="said", producer="chat")
    await log.add("thought", generated, cause="said", producer="core_memory")
    of_model = drawn("mem_1", PARIS, "m1", extractor="model:big")
    await log.add("beside", of_model, cause="said", producer="core_memory")
    below = drawn("mem_2", PARIS, "m1", extractor="model:big")
    await log.add("below", below, cause="chatted", producer="core_memory")
    await log.add("ruled", drawn("mem_3", PARIS, "m1"), cause="said", producer="core_memory")

    found = await explained(log, "core", "mem_1")
    assert found.generation is not None
    assert found.generation.event_id == "evt_thought"
    assert outline(found.causes) == [["said", ["thought"], ["beside"]]]
    found = await explained(log, "core", "mem_2")
    assert found.generation is not None
    assert found.generation.event_id == "evt_chatted"
    assert outline(found.causes) == [["said", ["chatted", ["below"]]]]
    assert (await explained(log, "core", "mem_3")).generation is None


async def test_document_and_all_messages_are_sources() -> None:
    """A memory drawn from several says so, whichever of them was the last straw."""
    log = HandMade()
    await log.add("one", said("a", id="m1"))
    await log.add("two", said("b", id="m2"))
    await log.add("two_again", drawn("mem_1", OSLO, "m1", "m2"), cause="two")
    document = DocumentReceived(document_id="doc_1", title="t", text="x", said_at=NOON)
    await log.add("book", document)
    await log.add("page", drawn("mem_2", OSLO, document="doc_1"), cause="book")
    found = await explained(log, "semantic", "mem_1")
    assert [view.event_id for view in found.sources] == ["evt_one", "evt_two"]
    assert outline(found.causes) == [["one"], ["two", ["two_again"]]]
    found = await explained(log, "semantic", "mem_2")
    assert [view.event_id for view in found.sources] == ["evt_book"]


@pytest.mark.parametrize(
    ("user", "tier", "memory_id"),
    [
        (ANN, "core", "mem_none"),
        (ANN, "semantic", "mem_1"),
        ("usr_bob", "core", "mem_1"),
    ],
    ids=["unknown", "wrong tier", "of another user"],
)
async def test_what_is_not_there_is_not_found(user: str, tier: Tier, memory_id: str) -> None:
    """One clear line, the same for all three: what is somebody else's is not there."""
    log = await moved_house()
    with pytest.raises(NotFound, match=f"there is no {tier} memory '{memory_id}' of this user"):
        await told(log, tier, memory_id, user)
    with pytest.raises(NotFound):
        await why(log.journal, GetWhy(user=user, tier=tier, memory_id=memory_id))


async def test_memory_of_an_erased_user_is_not_found() -> None:
    """It is as if it had never been."""
    log = await moved_house()
    log.erase(ANN)
    with pytest.raises(NotFound):
        await told(log, "core", "mem_1")


async def test_readings_and_changes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest readings are told; changes without end are refused with the bound."""
    log = await moved_house()
    for number in range(5):
        await log.add(f"ask{number}", searched(("mem_2", "core")), producer="search")
    monkeypatch.setattr(past_history, "READINGS_MAX", 2)
    found = await explained(log, "core", "mem_2")
    assert names(found.read_by) == [("found", "ask3"), ("found", "ask4")]
    monkeypatch.setattr(past_history, "CHANGES_MAX", 1)
    with pytest.raises(CommandRejected, match="more than 1 times"):
        await told(log, "core", "mem_1")


async def test_every_memory_of_a_life_is_explained_and_told_as_its_tier_holds_it() -> None:
    """Real agents, all tiers: each state is that of the tier, each chain begins with a person."""
    async with system_in_one_process() as life:
        await live(life)
        journal = life.journal
        tiers: dict[Tier, TierProjection] = {}
        ids: dict[tuple[str, Tier, str], None] = {}
        async for event in journal.read():
            match event.payload:
                case MemoryRecorded(memory=draft):
                    ids[event.user, tier_of(draft.content), draft.id] = None
            for tier in {tier for _, tier, _ in ids}:
                tiers.setdefault(tier, TierProjection(tier)).apply(event)
        assert len(ids) > 60
        assert len(tiers) == 6
        for user, tier, id in ids:
            shelf = tiers[tier].shelf(user)
            held = shelf.memories.get(id)
            found = await why(journal, GetWhy(user=user, tier=tier, memory_id=id))
            entries = await history(journal, GetHistory(user=user, tier=tier, memory_id=id))
            last: MemoryView = [one.memory for one in entries if one.memory is not None][-1]
            assert found.memory == last
            assert last == memory_view(held, shelf) if held else last.status == "forgotten"
            roots = {node.event.type for node in found.causes}
            assert roots <= {"MessageReceived", "DocumentReceived", "MemoryChangeRequested"}
            assert found.sources or found.extractor == "client"
