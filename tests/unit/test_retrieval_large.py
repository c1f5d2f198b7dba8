"""A large shelf: what came and went leaves no trace, and what is put on a short list is right."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings

from actors.embedding import to_event_bytes
from events.catalogue import (
    MemoryEmbedded,
    MemoryForgotten,
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    MessageEmbedded,
    MessageReceived,
    Payload,
)
from events.envelope import Event
from events.memory import MemoryDraft, Provenance, SemanticContent, passages
from projections import faiss_index
from projections.base import state_hash
from projections.retrieval import columns, search, word_index_tantivy
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import SearchRequest
from projections.retrieval_projection import RetrievalProjection
from tests.unit.test_retrieval_index import QUESTIONS, afresh, play, refilled, steps
from tests.unit.test_retrieval_projection import MONDAY, ada_event
from tests.unit.test_retrieval_support import TWIN
from tests.unit.test_retrieval_support import search as search_as

MEMORIES = 700
SEARCHES = 1000
#: Every person's words: some common, most rare.
WORDS = [
    f"{first}{second}{third}" for first in "bklmn" for second in "aeiou" for third in "dgknprst"
]


@pytest.fixture
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few passages be as many as it takes for short lists and for rows to be used again."""
    monkeypatch.setattr(search, "_ALL", 3)
    monkeypatch.setattr(search, "_FEW", 2)
    monkeypatch.setattr(search, "_CANDIDATES", 4)
    monkeypatch.setattr(faiss_index, "EXACT_MAX", 3)
    monkeypatch.setattr(faiss_index, "_SHORT_MIN", 2)
    monkeypatch.setattr(columns, "REUSED_FROM", 0)
    monkeypatch.setattr(word_index_tantivy, "EXACT_MAX", 0)
    monkeypatch.setattr(word_index_tantivy, "_DEAD_PER_LIVING", 9)


#: More messages score alike than a short list takes.
ALIKE = [
    *(("say", 0, "tap") for _ in range(6)),
    *(("say", at, text) for at, text in ((0, "red"), (2, "tap"), (3, "storm"), (4, "red"))),
    ("say", 5, "tap"),
    *(("record", at, "storm") for at in range(3)),
    ("say", 1, "tap red"),
]


@pytest.mark.usefixtures("_small_is_large")
@example(history=ALIKE)
@settings(max_examples=60, deadline=None)
@given(history=steps)
def test_large_index_equals_one_filled_afresh_after_any_history(
    history: list[tuple[str, int, str]],
) -> None:
    """Rows that were used again and short lists show in no snapshot and in no hit."""
    live = play(history)
    search_as(live, QUESTIONS[0])
    renew(live)
    for other in (afresh(live), refilled(live)):
        assert live.snapshot() == other.snapshot()
        for question in QUESTIONS:
            for method in ("hybrid", "bm25", "embedding"):
                asked = {"method": method, "limit": 50, "explain": True}
                assert search_as(live, question, **asked) == search_as(other, question, **asked)


@pytest.mark.usefixtures("_small_is_large")
def test_every_score_is_computed_up_to_a_size_that_can_be_set() -> None:
    """Beyond it a short list is made, of which nothing is measured that is not on it."""
    texts = [f"{one} {other}" for one in WORDS[:5] for other in WORDS[5:9]]
    live = play([(kind, at, text) for at, text in enumerate(texts) for kind in ("say", "embed")])
    size = live.size("ada")
    found = {
        exact_max: len(search_as(live, WORDS[0], method="embedding", limit=50, exact_max=exact_max))
        for exact_max in (None, size - 1, size)
    }
    assert found[size] > found[size - 1] == found[None]


def history(seed: int) -> Iterator[Payload]:
    """Yield what happens to the memories of one person: made, revised, ended, forgotten."""
    chance = random.Random(seed)
    known: list[str] = []
    for number in range(MEMORIES):
        said = text_of(chance)
        yield MessageReceived(
            message_id=f"m{number}", conversation=f"c{number // 20}", content=said, said_at=MONDAY
        )
        yield MessageEmbedded(message_id=f"m{number}", model="twin", vector=vector_of(said))
        content = SemanticContent(name=chance.choice(WORDS), summary=text_of(chance))
        provenance = Provenance(message_ids=(f"m{number}",))
        memory = MemoryDraft(id=f"mem{number}", content=content, provenance=provenance)
        yield MemoryRecorded(memory=memory)
        yield embedded(memory.id, content)
        known.append(memory.id)
        other = chance.choice(known)
        match chance.randrange(10):
            case 0:
                content = SemanticContent(name=chance.choice(WORDS), summary=text_of(chance))
                yield MemoryRevised(tier="semantic", memory_id=other, content=content)
                yield embedded(other, content)
            case 1:
                yield MemorySuperseded(
                    tier="semantic", memory_id=other, superseded_by=memory.id, valid_to=MONDAY
                )
            case 2:
                known.remove(other)
                yield MemoryForgotten(tier="semantic", memory_id=other)
            case _:
                pass


def text_of(chance: random.Random) -> str:
    """Return a few words, most of them rare."""
    return " ".join(WORDS[int(len(WORDS) * chance.random() ** 2)] for _ in range(7))


def vector_of(text: str) -> bytes:
    """Return the twin's vector of a text, as an event carries it."""
    return to_event_bytes(TWIN.embed([text])[0])


def embedded(id: str, content: SemanticContent) -> MemoryEmbedded:
    """Return the event that gives a memory its vector."""
    vectors = tuple(map(vector_of, passages(content)))
    return MemoryEmbedded(tier="semantic", memory_id=id, model="twin", vectors=vectors)


def lived(events: list[Event], questions: list[str]) -> RetrievalProjection:
    """Return the view after these events, searched meanwhile, and restored from a snapshot twice.

    What was applied after a snapshot is lost with the process, and applied again.
    """
    view = RetrievalProjection()
    third = len(events) // 3
    for number, event in enumerate(events, 1):
        view.apply(event)
        if number % (third // 20) == 0:
            found(view, questions[number % len(questions)])
        if number in (third, 2 * third):
            kept = view.snapshot()
            for lost in events[number : number + 50]:
                view.apply(lost)
            view = RetrievalProjection()
            view.restore(kept)
    return view


def found(view: RetrievalProjection, question: str) -> list[str]:
    """Return the ids of the first ten hits."""
    vector = TWIN.embed([view.index.bare_question("ada", question)])[0]
    hits = view.index.search(SearchRequest(user="ada", query=question, vector=vector))
    return [hit.id for hit in hits]


def test_hits_of_a_thousand_searches_are_those_of_an_index_rebuilt_from_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So is the state hash; after revisions, ends, removals, searches, and two crashes.

    Vectors are on short lists, rows are used again, and words are made anew beside the searches, as
    on a large shelf.
    """
    for where, name, number in (
        (search, "_ALL", 300),
        (search, "_CANDIDATES", 100),
        (faiss_index, "EXACT_MAX", 300),
        (faiss_index, "_SHORT_MIN", 150),
        (columns, "REUSED_FROM", 0),
        (word_index_tantivy, "EXACT_MAX", 300),
    ):
        monkeypatch.setattr(where, name, number)
    events = [ada_event(position, one) for position, one in enumerate(history(1), 1)]
    chance = random.Random(2)
    questions = [f"Where is {text_of(chance)}?" for _ in range(SEARCHES)]

    live = lived(events, questions)
    rebuilt = RetrievalProjection()
    for event in events:
        rebuilt.apply(event)

    assert state_hash(live) == state_hash(rebuilt)
    assert 1000 < live.index.size("ada") < 4096

    def differing() -> int:
        return sum(found(live, one) != found(rebuilt, one) for one in questions)

    assert differing() > 0
    assert renew(live.index) == 1
    assert differing() == 0
    assert renew(live.index) == 0


@pytest.mark.usefixtures("_small_is_large")
@settings(max_examples=60, deadline=None)
@given(before=steps, during=steps)
def test_renewed_words_are_those_of_an_index_filled_afresh_whatever_happened_meanwhile(
    before: list[tuple[str, int, str]], during: list[tuple[str, int, str]]
) -> None:
    """Words made beside the index lack what was changed since: that is written behind them."""
    live = play(before)
    search_as(live, QUESTIONS[0])
    renewal = live.begin_renewal()
    if renewal is not None:
        words = renewal.make()
        play(during[: len(during) // 2], live)
        search_as(live, QUESTIONS[0])
        play(during[len(during) // 2 :], live)
        live.renew(renewal, words)
    for question in QUESTIONS:
        search_as(live, question)
        renew(live)
        assert search_as(live, question) == search_as(afresh(live), question)


@pytest.mark.usefixtures("_small_is_large")
def test_renewal_is_dropped_when_the_person_was_forgotten_meanwhile() -> None:
    """Words made of texts that are gone for good serve nobody who comes under the same name."""
    live = play([("say", 0, "red"), ("say", 2, "tap")])
    search_as(live, "red")
    play([("unsay", 2, "")], live)
    search_as(live, "red")
    renewal = live.begin_renewal()
    assert renewal is not None
    live.forget_user("ada")
    play([("say", 0, "storm"), ("say", 2, "tap")], live)
    search_as(live, "red")

    live.renew(renewal, renewal.make())

    assert [hit.text for hit in search_as(live, "red", method="bm25")] == []
    assert [hit.text for hit in search_as(live, "storm", method="bm25")] == ["storm"]


def renew(index: RetrievalIndex) -> int:
    """Make words anew until none are worn; return how often."""
    times = 0
    while (renewal := index.begin_renewal()) is not None:
        index.renew(renewal, renewal.make())
        times += 1
    return times
