"""Training a ranker: weights from examples, what they are worth, and the report of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.embedding import HashEmbedder
from actors.embedding_queue import LocalEmbedding
from cluster.eval_people import Person, Question
from cluster.eval_sets import DataSet
from cluster.record_values import MessageRecord
from cluster.training.crossing import QUESTIONS_MIN, cross_validate
from cluster.training.examples import Example
from cluster.training.fitting import NAMES, STEP, fit, pairs_of
from cluster.training.labelled import labelled_examples
from cluster.training.report import ALL, report_of
from cluster.training.report_markdown import markdown
from cluster.training.training import Gathering, train
from events.errors import CommandRejected
from projections.retrieval.index import RetrievalIndex
from projections.retrieval.passage import SearchRequest
from projections.retrieval.ranker import read_ranker
from projections.retrieval.ranking import HAND_SET, Weights, fuse
from projections.retrieval.signals import Signals
from tests.unit.test_retrieval_support import filled, message

NOW = datetime(2026, 11, 20, tzinfo=UTC)
_BY_WEIGHT = sorted(NAMES, key=lambda name: getattr(HAND_SET, name))
_FOR = [name for name in _BY_WEIGHT if getattr(HAND_SET, name) > 0]
_AGAINST = [name for name in _BY_WEIGHT if getattr(HAND_SET, name) < 0]
#: Of little weight by hand, by turns: never saying anything, deciding, and turned round.
SILENT, MORE, TURNED = _FOR[:3]
LESS = _FOR[-1]
#: A world in which another signal than we thought says more than anything else.
OTHER = msgspec.structs.replace(HAND_SET, **{MORE: 2.0, LESS: 0.05})


def examples(
    truth: Weights, *, groups: int = 5, questions: int = 12, candidates: int = 30
) -> list[Example]:
    """Return questions whose evidence is what `truth` ranks first, but for some noise."""
    generator = np.random.default_rng(7)
    made = []
    for group in range(groups):
        for _ in range(questions):
            values = generator.random((len(NAMES), candidates)).astype(np.float32)
            values[NAMES.index(SILENT)] = 0
            signals = Signals(*values)
            scores = fuse(signals, truth) + generator.normal(0, 0.1, candidates)
            ids = tuple(f"m{at}" for at in range(candidates))
            evidence = frozenset({ids[int(scores.argmax())]})
            made.append(Example(f"labelled-{group + 1}", "all alike", ids, signals, evidence))
    return made


def person(user: str) -> Person:
    """Return somebody who said a few things, with a question for each."""
    told = {
        "m1": ("Where did you move to?", "conversation"),
        "m2": ("I moved to Lisbon in May.", "conversation"),
        "m3": ("My cat Tom sleeps all day.", "animals"),
        "m4": ("The green bicycle was stolen on Friday.", "things"),
        "m5": ("Grandmother bakes bread with rye.", "food"),
    }
    asked = {
        "Who moved to Lisbon?": "m2",
        "What does the cat Tom do?": "m3",
        "When was the bicycle stolen?": "m4",
        "What bread does grandmother bake?": "m5",
    }
    records = tuple(
        MessageRecord(
            content=text, name=user, conversation=talk, external_id=id_, user=user, created_at=NOW
        )
        for id_, (text, talk) in told.items()
    )
    questions = tuple(Question(text=q, evidence=frozenset({id_})) for q, id_ in asked.items())
    return Person(user=user, records=records, questions=questions)


def test_weights_follow_the_evidence_when_it_speaks_for_a_signal() -> None:
    """What decides gets weight; the rest keeps its share, in round numbers of the old size."""
    pairs = [pairs_of(example) for example in examples(OTHER)]

    found = fit(pairs, strength=1.0)

    assert getattr(found, MORE) > 3 * getattr(HAND_SET, MORE)
    assert getattr(found, LESS) < 0.8 * getattr(HAND_SET, LESS)
    assert getattr(found, SILENT) > 0, "a signal that never differs keeps its share"
    values = [getattr(found, name) for name in NAMES]
    assert all(abs(value / STEP - round(value / STEP)) < 1e-6 for value in values)
    size = sum(abs(getattr(HAND_SET, name)) for name in NAMES)
    assert sum(map(abs, values)) == pytest.approx(size, abs=len(NAMES) * STEP / 2)


def test_weights_stay_when_they_are_held_strongly() -> None:
    """Drawn hard enough, they are the hand-set ones, to the step."""
    found = fit([pairs_of(example) for example in examples(OTHER)], strength=1e9)

    for name in NAMES:
        assert getattr(found, name) == pytest.approx(getattr(HAND_SET, name), abs=STEP)


def test_sign_never_turns_when_the_data_say_otherwise() -> None:
    """A signal that would count against what it stands for is left out instead."""
    turned = msgspec.structs.replace(HAND_SET, **{TURNED: -1.0} | dict.fromkeys(_AGAINST, 1.0))

    found = fit([pairs_of(example) for example in examples(turned)], strength=1.0)

    assert all(getattr(found, name) == 0.0 for name in (TURNED, *_AGAINST))
    assert all(getattr(found, name) * getattr(HAND_SET, name) >= 0 for name in NAMES)


def test_learned_beats_hand_set_when_the_world_is_another(tmp_path: Path) -> None:
    """Out of fold, beyond the interval; each fold is told, and holds out whole conversations."""
    made = examples(OTHER)
    told: list[str] = []

    crossed = cross_validate(made, told.append)
    report = report_of(made, crossed, [{"file": "made.jsonl"}])

    assert report.beats_hand_set
    assert "nDCG@10" in report.better
    assert report.verdict.startswith("It beats the hand-set weights beyond the interval")
    assert [fold.held_out for fold in report.folds] == [(f"labelled-{n}",) for n in range(1, 6)]
    assert sorted(at for fold in crossed.folds for at in fold.questions) == list(range(len(made)))
    assert report.compared[ALL].difference["nDCG@10"].low > 0
    assert told[0] == "fold 1 of 5: 12 questions held out"
    shown = markdown("learned-x", report)
    assert "| labelled-3 | 12 |" in shown
    one = report.signals[MORE]
    assert f"| {MORE} | {one.hand_set:g} | {one.learned:g} |" in shown


def test_learned_does_not_beat_hand_set_when_that_is_the_truth() -> None:
    """Where nothing is to be gained, nothing is claimed."""
    made = examples(HAND_SET)

    report = report_of(made, cross_validate(made), [])

    assert not report.beats_hand_set
    assert "keep those" in report.verdict


def test_fold_sees_nothing_of_what_it_is_measured_on() -> None:
    """Other labels in one conversation change the weights of the other folds, never its own."""
    made = examples(OTHER)
    held_out = made[0].group
    other = [
        one._replace(evidence=frozenset({one.ids[0]})) if one.group == held_out else one
        for one in made
    ]

    before, after = cross_validate(made), cross_validate(other)

    assert before.folds[0].weights == after.folds[0].weights
    assert before.folds[0].strength == after.folds[0].strength


def test_training_is_the_same_when_it_is_done_again() -> None:
    """No draw depends on anything but the examples."""
    made = examples(OTHER, groups=3, questions=8)

    one, other = (report_of(made, cross_validate(made), []) for _ in range(2))

    assert one == other


def test_one_person_is_parted_by_questions_when_there_is_no_other() -> None:
    """Feedback of one person can be learned from, too; the folds are every fifth question."""
    crossed = cross_validate(examples(OTHER, groups=1, questions=25))

    assert [len(fold.questions) for fold in crossed.folds] == [5] * 5
    assert {fold.groups for fold in crossed.folds} == {("labelled-1",)}


def test_training_is_refused_when_there_is_too_little() -> None:
    """Too few questions, or none that tells better from worse."""
    with pytest.raises(CommandRejected, match=f"give {QUESTIONS_MIN} or more"):
        cross_validate(examples(OTHER, groups=1, questions=QUESTIONS_MIN - 1))
    unknown = [one._replace(evidence=frozenset({"m99"})) for one in examples(OTHER)]
    with pytest.raises(CommandRejected, match="nothing to learn"):
        cross_validate(unknown)


async def test_examples_rank_as_a_search_does_when_they_are_measured() -> None:
    """Training sees the very candidates and signals, in the very order, that a search gives."""
    embedder = HashEmbedder()
    ann = person("Ann")

    made = await labelled_examples(ann, "labelled-1", LocalEmbedding(embedder))

    texts = {one.external_id: one.content for one in ann.records if isinstance(one, MessageRecord)}
    assert [one.evidence for one in made] == [one.evidence for one in ann.questions]
    for example, question in zip(made, ann.questions, strict=True):
        index = RetrievalIndex()
        vector = embedder.embed([question.text])[0]
        for number, (id_, text) in enumerate(texts.items(), start=1):
            talk = next(
                one.conversation
                for one in ann.records
                if isinstance(one, MessageRecord) and one.external_id == id_
            )
            index.add(message(number, text, id=id_, speaker="Ann", conversation=talk, said_at=NOW))
            index.set_vector("ada", id_, 0, embedder.embed([text])[0])
        hits = index.search(SearchRequest(user="ada", query=question.text, vector=vector))
        assert example.ranked(HAND_SET) == [hit.id for hit in hits]


def test_index_tells_what_a_search_measures() -> None:
    """The signals of a candidate are those that `explain` shows with the hit."""
    index = filled(message(1, "My tap drips."), message(2, "The weather is fine."))
    request = SearchRequest(user="ada", query="Which tap drips?", explain=True)

    passages, signals = index.measured(request)

    shown = {hit.id: hit.score for hit in index.search(request)}
    scores = fuse(signals, HAND_SET)
    assert shown == {one.id: float(scores[at]) for at, one in enumerate(passages)}


async def test_ranker_and_report_are_written_when_it_is_trained(tmp_path: Path) -> None:
    """From people's messages to two files; what the artefact says is what it was trained on."""
    people = tuple(person(name) for name in ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay"))
    told: list[str] = []
    gathered = Gathering(LocalEmbedding(HashEmbedder()), told.append)
    await gathered.add_set(DataSet(name="people.jsonl", sha256="0" * 64, people=people))

    trained = await train(gathered, tmp_path / "rankers", told.append, clock=lambda: NOW)

    ranker = read_ranker(trained.ranker)
    assert ranker.training["data"] == [
        {"file": "people.jsonl", "sha256": "0" * 64, "people": 6, "questions": 24}
    ]
    assert set(ranker.training["signals"]) == set(NAMES)
    assert trained.told.read_text().startswith(f"# Ranker {ranker.name}\n")
    assert "Ann" not in trained.ranker.read_text() + trained.told.read_text()
    assert told[0] == "1 of 6 people of people.jsonl measured"
    assert told[-1] == trained.report.verdict
