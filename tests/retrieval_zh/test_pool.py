"""How well Chinese questions find their evidence, with the real index and the real embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from actors.embedding import to_event_bytes
from actors.onnx_embedder import OnnxEmbedder
from events.catalogue import MessageEmbedded, MessageReceived
from projections.retrieval.passage import Method, SearchRequest
from projections.retrieval_projection import RetrievalProjection
from tests.unit.builders import event_of

POOL = Path(__file__).parent / "pool.jsonl"
EVERYBODY = "everybody"


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    id: str
    role: str
    name: str
    content: str
    created_at: datetime
    conversation: str


class Question(msgspec.Struct, frozen=True):
    """A question and the ids of the messages that answer it."""

    question: str
    evidence: tuple[str, ...]
    category: str


class Person(msgspec.Struct, frozen=True):
    """Whose conversations these are, and what is asked of them."""

    user: str
    messages: tuple[Message, ...]
    questions: tuple[Question, ...]


class Pool:
    """The pool in one index, under each person and once more as the messages of one."""

    def __init__(self, people: Sequence[Person], embedder: OnnxEmbedder) -> None:
        self.people = people
        self.view = RetrievalProjection()
        self._embedder = embedder
        messages = [(person.user, message) for person in people for message in person.messages]
        vectors = embedder.embed([message.content for _, message in messages])
        by_id = {message.id: vector for (_, message), vector in zip(messages, vectors, strict=True)}
        messages.sort(key=lambda one: one[1].created_at)
        copies = [(EVERYBODY, message) for _, message in messages]
        for number, (user, message) in enumerate([*messages, *copies]):
            payloads = (
                MessageReceived(
                    message_id=message.id,
                    conversation=message.conversation,
                    name=message.name,
                    content=message.content,
                    said_at=message.created_at,
                ),
                MessageEmbedded(
                    message_id=message.id,
                    model=embedder.model_id,
                    vector=to_event_bytes(by_id[message.id]),
                ),
            )
            for position, payload in enumerate(payloads, 1 + 2 * number):
                self.view.apply(event_of(payload, position=position, user=user))

    def found(self, user: str, question: Question, method: Method) -> list[str]:
        """Return the ids of the ten best messages."""
        bare = self.view.index.bare_question(user, question.question)
        request = SearchRequest(
            user=user,
            query=question.question,
            vector=self._embedder.embed([bare])[0],
            method=method,
            limit=10,
        )
        return [hit.id for hit in self.view.index.search(request)]

    def recall(self, *, k: int, method: Method = "hybrid", at_once: bool = False) -> float:
        """Return the mean share of a question's evidence among the first `k` messages."""
        shares = [
            len(set(question.evidence) & set(self.found(user, question, method)[:k]))
            / len(question.evidence)
            for person in self.people
            for question in person.questions
            for user in (EVERYBODY if at_once else person.user,)
        ]
        return sum(shares) / len(shares)


@pytest.fixture(scope="module")
def people() -> tuple[Person, ...]:
    """The data set, as it lies in the file."""
    lines = POOL.read_text(encoding="utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=Person) for line in lines)


@pytest.fixture(scope="module")
def pool(people: tuple[Person, ...], tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The index, filled once for all tests."""
    return Pool(people, OnnxEmbedder(tmp_path_factory.mktemp("graphs")))


def evidence_of(person: Person) -> Iterator[str]:
    """Yield the evidence of all of a person's questions."""
    return (id for question in person.questions for id in question.evidence)


def test_evidence_lies_among_the_messages_of_its_person(people: tuple[Person, ...]) -> None:
    """The set is sound: ids are given once, and no question rests on what is not there."""
    ids = [message.id for person in people for message in person.messages]
    assert len(ids) == len(set(ids)) >= 320
    assert sum(len(person.questions) for person in people) >= 70
    for person in people:
        assert set(evidence_of(person)) <= {message.id for message in person.messages}


def test_questions_find_their_evidence_when_asked_in_their_persons_scope(pool: Pool) -> None:
    """The figure of this set: R@10 as the product is used, all people in one index."""
    assert pool.recall(k=10) >= 0.85


def test_questions_find_most_evidence_when_all_messages_are_one_persons(pool: Pool) -> None:
    """Among eight times the messages, seven eighths on other matters, less is found, not little."""
    assert pool.recall(k=10, at_once=True) >= 0.65


def test_signals_together_find_more_than_words_or_meaning_alone(pool: Pool) -> None:
    """The fusion is worth having where the embedder reads little of the language."""
    alone = max(pool.recall(k=10, method="bm25"), pool.recall(k=10, method="embedding"))
    assert pool.recall(k=10) > alone
