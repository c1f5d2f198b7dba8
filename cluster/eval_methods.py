"""The ways of searching that an evaluation compares, each over public HTTP, one question at a time.

The third is the seeds' hybrid search: 0.3 of the BM25 score and 0.7 of the cosine, each min-max
normalised within its own list, over the union of both lists; what a list lacks gets 0 there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from actors.queries import SearchMethod
from cluster.api_client import ApiClient
from cluster.eval_measures import message_ranking
from cluster.eval_people import Person, Question
from events.memory import Value

#: As many as the API gives.
SEARCH_LIMIT = 100
WORDS_SHARE, MEANING_SHARE = 0.3, 0.7


class Method(Value, frozen=True, kw_only=True):
    """A way of searching: its name in tables, and what it does."""

    name: str
    summary: str


OURS = Method(name="mirix", summary="the ranking of the system (search_method hybrid)")
WORDS = Method(name="bm25", summary="plain BM25 (search_method bm25)")
MEANING = Method(name="vectors", summary="cosine alone (search_method embedding)")
FUSED = Method(
    name="bm25+vectors",
    summary=f"{WORDS_SHARE} BM25 and {MEANING_SHARE} cosine, min-max normalised, of both lists",
)
MEM0 = Method(name="mem0", summary="mem0, infer=False, FAISS by cosine, the same embedder")


class Scored(NamedTuple):
    """A hit, as far as it counts here: its id and score, and the messages that it names."""

    id: str
    score: float
    messages: tuple[str, ...]


class Answer(NamedTuple):
    """What one question found, and how long the client waited for it."""

    hits: tuple[Scored, ...]
    latency_ms: float

    @property
    def ranked(self) -> list[str]:
        """The messages, best first."""
        return message_ranking(hit.messages for hit in self.hits)


async def ask_all(
    client: ApiClient,
    people: Sequence[Person],
    search_method: SearchMethod,
    advance: Callable[[int], None],
) -> list[Answer]:
    """Ask every question of every person, one after the other, and return the answers in order."""
    answers = []
    for person in people:
        for question in person.questions:
            answers.append(await _ask(client, person.user, question, search_method))
            advance(1)
    return answers


async def _ask(
    client: ApiClient, user: str, question: Question, search_method: SearchMethod
) -> Answer:
    started = time.perf_counter()
    found = await client.search(
        question.text, user_id=user, limit=SEARCH_LIMIT, search_method=search_method
    )
    latency_ms = (time.perf_counter() - started) * 1000
    hits = (Scored(hit.id, hit.score, hit.source.external_ids) for hit in found.results)
    return Answer(tuple(hits), latency_ms)


def fuse(words: Answer, meaning: Answer) -> Answer:
    """Return the seeds' fusion of two answers; it took as long as both."""
    scores: dict[str, float] = {}
    messages: dict[str, tuple[str, ...]] = {}
    for share, answer in ((WORDS_SHARE, words), (MEANING_SHARE, meaning)):
        for hit, normalised in zip(answer.hits, _normalised(answer.hits), strict=True):
            scores[hit.id] = scores.get(hit.id, 0.0) + share * normalised
            messages[hit.id] = hit.messages
    order = sorted(scores, key=lambda one: -scores[one])
    hits = tuple(Scored(one, scores[one], messages[one]) for one in order)
    return Answer(hits, words.latency_ms + meaning.latency_ms)


def _normalised(hits: Sequence[Scored]) -> list[float]:
    """Return the scores from 0 (the least) to 1 (the greatest); all 1 when there is but one."""
    if not hits:
        return []
    least, greatest = min(hit.score for hit in hits), max(hit.score for hit in hits)
    if least == greatest:
        return [1.0] * len(hits)
    return [(hit.score - least) / (greatest - least) for hit in hits]
