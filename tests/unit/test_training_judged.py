"""Judged searches as examples: measured on the index as it was, with the last word on each hit."""

from __future__ import annotations

import pytest

from actors.embedding import HashEmbedder
from actors.embedding_queue import LocalEmbedding
from cluster.training.judged import JUDGED, Judged, judged_examples, verdicts_of
from events.catalogue import SearchFeedback, SearchHit, SearchPerformed
from projections.retrieval.signals import Signals
from tests.unit.builders import said
from tests.unit.fakes.gateway import V1
from tests.unit.fakes.past_gateway import remembering
from tests.unit.past_log import ANN, HandMade

SAID = {
    "msg_1": "My tap drips again.",
    "msg_2": "The plumber repaired the tap in the kitchen.",
    "msg_3": "The weather is fine in Lisbon.",
}
ALL = tuple(SAID)


async def log_of(*feedback: SearchFeedback, position: int = 3, method: str = "hybrid") -> HandMade:
    """Return a log: three messages, a search over them, feedback, and messages after it."""
    log = HandMade()
    for id_, text in SAID.items():
        await log.add(id_, said(text, id=id_))
    hits = tuple(SearchHit(id=id_, tier="conversation", score=1.0) for id_ in ALL)
    query = "Who repaired the tap?"
    searched = SearchPerformed(
        search_id="s1", query=query, method=method, hits=hits, position=position
    )
    await log.add("search", searched, producer="search")
    await log.add("later", said("The tap, the tap: who repaired the tap?", id="msg_4"))
    for number, one in enumerate(feedback):
        await log.add(f"feedback_{number}", one, cause="search")
    return log


async def judged(log: HandMade) -> Judged:
    """Return Ann's judged searches."""
    verdicts = (await verdicts_of(log.journal)).get(ANN, {})
    embedding = LocalEmbedding(HashEmbedder())
    return await judged_examples(log.journal, ANN, verdicts, "judged-1", embedding)


async def test_search_is_measured_as_it_was_when_more_has_been_said_since() -> None:
    """Only what was there takes part; a later message changes no signal of it."""
    feedback = SearchFeedback(search_id="s1", answered_by=("msg_2",))
    then = await judged(await log_of(feedback))
    after = await judged(await log_of(feedback, position=5))

    (example,) = then.examples
    assert (example.group, example.category) == ("judged-1", JUDGED)
    assert sorted(example.ids) == list(ALL)
    assert example.evidence == {"msg_2"}
    words = dict(zip(example.ids, example.signals.words_together, strict=True))
    assert words["msg_2"] == 1, "the best of those that were there"
    (later,) = after.examples
    assert dict(zip(later.ids, later.signals.words_together, strict=True))["msg_2"] < 1
    assert then.left_out == after.left_out == 0


async def test_old_search_is_measured_before_its_record_when_it_has_no_position() -> None:
    """Searches of before positions were recorded can be learned from, too."""
    log = await log_of(SearchFeedback(search_id="s1", answered_by=("msg_2",)), position=0)

    (example,) = (await judged(log)).examples

    assert sorted(example.ids) == list(ALL)
    assert max(example.signals.words_together) == 1


async def test_training_sees_what_the_search_saw_when_it_was_explained() -> None:
    """Through the gateway and real agents: the signals are those that the search showed."""
    async with remembering() as (gateway, client):
        await gateway.say(client, "ann", *SAID.values())
        body = {"user_id": "ann", "query": "Who repaired the tap?", "explain": True}
        found = (await client.post(f"{V1}/memory/search", json=body)).json()
        best, *_, last = [hit["id"] for hit in found["results"]]
        verdicts = {"user_id": "ann", "judgements": {best: "helpful", last: "not_helpful"}}
        path = f"{V1}/memory/search/{found['search_id']}/feedback"
        assert (await client.post(path, json=verdicts)).is_success
        await gateway.say(client, "ann", "A plumber, too, repaired his tap.")
        reader = gateway.journals[0]
        ((user, searches),) = (await verdicts_of(reader)).items()
        embedding = LocalEmbedding(HashEmbedder())
        measured = await judged_examples(reader, user, searches, "judged-1", embedding)

    (example,) = measured.examples
    shown = {hit["id"]: hit["explain"] for hit in found["results"]}
    for at, id_ in enumerate(example.ids):
        for name, values in example.signals._asdict().items():
            assert float(values[at]) == pytest.approx(shown[id_][name]["value"], abs=1e-3)


@pytest.mark.parametrize(
    ("feedback", "ids", "evidence"),
    [
        # Of hits that nobody judged nothing is known ...
        ([{"helpful": ("msg_1",), "not_helpful": ("msg_3",)}], "msg_1 msg_3", "msg_1"),
        # ... but where some answered the question, the others did not.
        ([{"answered_by": ("msg_2",)}], "msg_1 msg_2 msg_3", "msg_2"),
        ([{"answered_by": ("msg_2",), "helpful": ("msg_1",)}], "msg_1 msg_2 msg_3", "msg_1 msg_2"),
        # The last word on a hit counts, and others stand.
        (
            [
                {"helpful": ("msg_1",), "not_helpful": ("msg_3",)},
                {"helpful": ("msg_3",), "not_helpful": ("msg_1",)},
            ],
            "msg_1 msg_3",
            "msg_3",
        ),
        (
            [
                {"answered_by": ("msg_1",)},
                {"not_helpful": ("msg_1",), "helpful": ("msg_2",)},
            ],
            "msg_1 msg_2",
            "msg_2",
        ),
    ],
)
async def test_verdicts_are_labels_when_they_part_better_from_worse(
    feedback: list[dict[str, tuple[str, ...]]], ids: str, evidence: str
) -> None:
    """Judged hits alone take part; each is evidence or is not."""
    log = await log_of(*(SearchFeedback(search_id="s1", **one) for one in feedback))

    (example,) = (await judged(log)).examples

    assert sorted(example.ids) == ids.split()
    assert sorted(example.evidence) == evidence.split()
    assert isinstance(example.signals, Signals)
    assert all(len(values) == len(example.ids) for values in example.signals)


@pytest.mark.parametrize(
    ("feedback", "method"),
    [
        ({"helpful": ALL}, "hybrid"),
        ({"not_helpful": ALL}, "hybrid"),
        ({"answered_by": ("msg_2",)}, "bm25"),
    ],
)
async def test_search_is_left_out_when_nothing_is_to_be_learned(
    feedback: dict[str, tuple[str, ...]], method: str
) -> None:
    """All good, all bad, or ranked by something else than signals: counted, not used."""
    log = await log_of(SearchFeedback(search_id="s1", **feedback), method=method)

    assert await judged(log) == Judged([], 1)


async def test_nothing_is_learned_of_somebody_who_was_erased() -> None:
    """Searches and feedback are sealed with their key."""
    log = await log_of(SearchFeedback(search_id="s1", answered_by=("msg_2",)))
    log.erase(ANN)

    assert await verdicts_of(log.journal) == {}
