"""Examples from the log: searches that somebody judged, measured again on the index as it was.

The person's index is folded up to the position that the search was answered from, so that training
sees what the search saw. Of what was not shown nobody knows whether it would have helped: only hits
that were judged take part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import date
from typing import NamedTuple, cast

from actors.embedding import ModelNotServed
from actors.finding import text_to_embed, wanted_by
from actors.ports import EmbeddingService
from actors.queries import SearchMemories
from cluster.training.examples import Example, in_order, rows_of
from events.catalogue import SearchFeedback, SearchPerformed
from events.envelope import Event
from events.journal import EventReader
from events.memory import SearchTier
from projections.base import apply_or_skip
from projections.retrieval.passage import Passage
from projections.retrieval.ranking import HAND_SET, fuse
from projections.retrieval.signals import Signals
from projections.retrieval_projection import RetrievalProjection

#: The category of these questions: nobody tells of what kind they are.
JUDGED = "judged"


class Verdicts:
    """What was said of the hits of one search; of each hit the last word counts."""

    def __init__(self) -> None:
        self.good: set[str] = set()
        self.bad: set[str] = set()
        self._answers: set[str] = set()

    def hear(self, feedback: SearchFeedback) -> None:
        """Take one more feedback into account."""
        good = {*feedback.helpful, *feedback.answered_by}
        bad = set(feedback.not_helpful)
        self.good, self.bad = (self.good - bad) | good, (self.bad - good) | bad
        self._answers = (self._answers - bad) | set(feedback.answered_by)

    def of(self, hits: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the hits that are good, and those that are bad.

        Where somebody said which ones answered the question, the others did not.
        """
        others = set(hits) if self._answers else set()
        return frozenset(self.good), frozenset((self.bad | others) - self.good)


class Judged(NamedTuple):
    """The judged searches of one person: the examples, and how many could not be made one."""

    examples: list[Example]
    left_out: int


async def verdicts_of(reader: EventReader) -> dict[str, dict[str, Verdicts]]:
    """Return the verdicts on the searches of a shard: by person, by search."""
    found: dict[str, dict[str, Verdicts]] = {}
    kinds = frozenset({SearchFeedback.__name__})
    async with aclosing(reader.read(kinds=kinds)) as events:
        async for event in events:
            if isinstance(event.payload, SearchFeedback):
                searches = found.setdefault(event.user, {})
                searches.setdefault(event.payload.search_id, Verdicts()).hear(event.payload)
    return found


async def judged_examples(
    reader: EventReader,
    user: str,
    verdicts: dict[str, Verdicts],
    group: str,
    embedding: EmbeddingService,
) -> Judged:
    """Return the judged searches of a person as examples.

    Left out are searches by another method than the hybrid one, and those in which nothing that
    helped stands against anything that did not; and where the model of the person's vectors is not
    served any more.
    """
    searches = await _searches(reader, user, frozenset(verdicts))
    projection = RetrievalProjection()
    examples: list[Example] = []
    done = 0
    events = reader.read(
        until=searches[-1][0] if searches else 0, kinds=projection.kinds, user=user
    )
    async with aclosing(events):
        async for event in events:
            while done < len(searches) and searches[done][0] < event.position:
                search = searches[done][1]
                examples += await _example(projection, user, search, verdicts, group, embedding)
                done += 1
            apply_or_skip(projection, event)
    for _, search in searches[done:]:
        examples += await _example(projection, user, search, verdicts, group, embedding)
    return Judged(examples, len(verdicts) - len(examples))


async def _searches(
    reader: EventReader, user: str, wanted: frozenset[str]
) -> list[tuple[int, SearchPerformed]]:
    """Return these hybrid searches, and the positions that they were answered from, in order."""
    found = []
    kinds = frozenset({SearchPerformed.__name__})
    async with aclosing(reader.read(kinds=kinds, user=user)) as events:
        async for event in events:
            search = event.payload
            if not isinstance(search, SearchPerformed) or search.search_id not in wanted:
                continue
            if search.method == "hybrid":
                found.append((_answered_at(search, event), search))
    return sorted(found, key=lambda one: one[0])


def _answered_at(search: SearchPerformed, event: Event) -> int:
    """Return the position of the index that answered; of old searches, that before the record."""
    return search.position or event.position - 1


async def _example(
    projection: RetrievalProjection,
    user: str,
    search: SearchPerformed,
    verdicts: dict[str, Verdicts],
    group: str,
    embedding: EmbeddingService,
) -> list[Example]:
    """Return the search as an example; nothing where it tells no better from worse."""
    index = projection.index
    good, bad = verdicts[search.search_id].of(hit.id for hit in search.hits)
    if not index.size(user) or not good or not bad:
        return []
    request = _request(user, search)
    text, model = text_to_embed(index, request), index.model_of(user)
    try:
        vector = (await embedding.embed([text], model)).vectors[0]
    except ModelNotServed:
        return []  # without its meaning it would be another search
    wanted = wanted_by(request, vector)
    passages, signals = _judged_alone(*in_order(*index.measured(wanted)), good | bad)
    ids = tuple(passage.id for passage in passages)
    evidence = good.intersection(ids)
    if not evidence or not bad.intersection(ids):
        return []
    return [Example(group=group, category=JUDGED, ids=ids, signals=signals, evidence=evidence)]


def _request(user: str, search: SearchPerformed) -> SearchMemories:
    """Return a search as it was asked for."""
    return SearchMemories(
        user=user,
        tenant="",
        query=search.query,
        tiers=cast(tuple[SearchTier, ...], search.tiers),  # no others are taken
        tags=search.tags,
        since=search.since,
        until=search.until,
        occurred_since=_day(search.occurred_since),
        occurred_until=_day(search.occurred_until),
        assistant=search.assistant,
        exclude_ids=search.excluded,
    )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _judged_alone(
    passages: Sequence[Passage], signals: Signals, judged: frozenset[str]
) -> tuple[tuple[Passage, ...], Signals]:
    """Return the candidates that were judged; of a memory in several parts the best one."""
    scores = fuse(signals, HAND_SET)
    best: dict[str, int] = {}
    for at, passage in enumerate(passages):
        if passage.id not in judged:
            continue
        known = best.setdefault(passage.id, at)
        if scores[at] > scores[known]:
            best[passage.id] = at
    rows = sorted(best.values())
    return tuple(passages[at] for at in rows), rows_of(signals, rows)
