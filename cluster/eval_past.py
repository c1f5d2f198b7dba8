"""Is what a system says of its past what its log says? Asked over HTTP, at random positions.

At each position every read is asked with `as_of`, for one person after the other, and compared,
byte for byte, with what the same projections give that were folded from the log alone and stopped
there. Then all states are rebuilt again and again, and must be the live ones each time; and the
past is decided again with the same rules, which must change nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from actors.embedding import Embedder
from actors.extraction.extractor import RuleExtractor
from actors.finding import find, text_to_embed
from actors.names import OWNER_OF, Agent
from actors.past.fork import ForkRequest, fork
from actors.past.views import Views
from actors.queries import GetCoreBlocks, ListMemories, ListMessages, SearchMemories
from actors.readers import read
from actors.rebuilding import empty_projection
from cluster.api_client_past import PastClient
from cluster.data_dir import DataDir, SystemRecord
from cluster.rebuilding import rebuild_shard
from cluster.sources import Source
from events.catalogue import UserRegistered
from events.errors import CommandRejected
from events.memory import TIERS, Tier, Value
from projections.base import Projection
from projections.conversations import ConversationsProjection
from projections.rebuild import View, rebuild_all
from projections.retrieval_projection import RetrievalProjection
from projections.snapshots import NoSnapshots
from projections.tiers import TierProjection
from serve.access import DEFAULT_TENANT
from serve.answers import CoreBlockShown, MessageShown, ResultShown
from serve.memory_forms import shown

#: Of one list, at one position; enough for a person's tier, and bounded.
ITEMS_MAX = 10_000
SEARCH_LIMIT = 20
_QUESTION_WORDS = 8


class PastReport(Value, frozen=True, kw_only=True):
    """What was compared. `differing` names the reads that were not what the log says."""

    events: int
    people: int
    positions: tuple[int, ...]
    reads: int
    differing: tuple[str, ...]
    rebuilds: int
    rebuilds_equal: int
    forks: int
    forks_equal: int

    @property
    def is_sound(self) -> bool:
        """Whether every answer was what the log says."""
        return (
            not self.differing
            and self.rebuilds == self.rebuilds_equal
            and self.forks == self.forks_equal
        )


class _Person(Value, frozen=True, kw_only=True):
    id: str
    external_id: str


class _Comparing:
    """Compares answers of a system with those of projections that were folded up to a position."""

    def __init__(
        self,
        client: PastClient,
        embedder: Embedder,
        people: Sequence[_Person],
        progress: Callable[[int], None],
    ) -> None:
        self._client = client
        self._embedder = embedder
        self._people = people
        self._progress = progress
        self.reads = 0
        self.differing: list[str] = []

    async def look(self, projection: Projection, position: int) -> None:
        """Compare what one projection says at one position."""
        person = self._people[position % len(self._people)]
        match projection:
            case TierProjection():
                await self._tier(projection, person, position)
            case ConversationsProjection():
                query = ListMessages(user=person.id, limit=ITEMS_MAX)
                expected = [MessageShown.of(view) for view in read(projection, query, None)]
                found = await self._client.messages(
                    user_id=person.external_id, limit=ITEMS_MAX, as_of=str(position)
                )
                self._compare(f"messages of {person.external_id}", position, expected, found)
            case RetrievalProjection():
                await self._search(projection, person, position)
            case _:
                raise TypeError(f"{projection.name} has no reads over HTTP")
        self._progress(1)

    async def _tier(self, projection: TierProjection, person: _Person, position: int) -> None:
        query = ListMemories(user=person.id, limit=ITEMS_MAX, ended=True)
        expected = [shown(view) for view in read(projection, query, None).items]
        found = await self._client.memories(
            projection.tier,
            user_id=person.external_id,
            limit=ITEMS_MAX,
            ended=True,
            as_of=str(position),
        )
        self._compare(f"{projection.tier} of {person.external_id}", position, expected, found)
        if projection.tier == "core":
            views = read(projection, GetCoreBlocks(user=person.id), None)
            blocks = await self._client.blocks(user_id=person.external_id, as_of=str(position))
            expected_blocks = [CoreBlockShown.of(view) for view in views]
            self._compare(f"blocks of {person.external_id}", position, expected_blocks, blocks)

    async def _search(
        self, projection: RetrievalProjection, person: _Person, position: int
    ) -> None:
        """Ask for the words of something that this person said."""
        held = projection.index.passages(person.id)
        words = held[position % len(held)].text.split()[:_QUESTION_WORDS] if held else ["anything"]
        question = " ".join(words)
        request = SearchMemories(
            user=person.id, tenant=DEFAULT_TENANT, query=question, limit=SEARCH_LIMIT
        )
        vector = self._embedder.embed([text_to_embed(projection.index, request)])[0]
        expected = [ResultShown.of(hit) for hit in find(projection.index, request, vector)]
        found = await self._client.search(
            question, user_id=person.external_id, limit=SEARCH_LIMIT, as_of=position
        )
        hits = [msgspec.to_builtins(hit) for hit in found.results]
        # The client's own struct has other fields, and empty ones: compared is what both have.
        pairs = list(zip(_plain(expected), hits, strict=False))
        wanted = [_of_fields(one, other) for one, other in pairs]
        got = [_of_fields(other, one) for one, other in pairs]
        self._note(f"search {question!r} of {person.external_id}", position, wanted, got)
        if len(expected) != len(hits):
            self.differing.append(f"search {question!r}: {len(expected)} hits at {position}")

    def _compare(self, what: str, position: int, expected: Sequence[Any], found: Any) -> None:
        self._note(what, position, _plain(expected), found)

    def _note(self, what: str, position: int, expected: Any, found: Any) -> None:
        self.reads += 1
        if _canonical(expected) != _canonical(found):
            self.differing.append(f"{what} as of {position}")


def _plain(values: Sequence[Any]) -> list[Any]:
    plain: list[Any] = msgspec.json.decode(msgspec.json.encode(list(values)))
    return plain


def _of_fields(value: Any, pattern: Any) -> Any:
    if isinstance(value, dict) and isinstance(pattern, dict):
        return {name: _of_fields(value[name], pattern[name]) for name in pattern if name in value}
    return value


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


async def evaluate_past(
    client: PastClient,
    source: Source,
    directory: DataDir,
    record: SystemRecord,
    embedder: Embedder,
    *,
    positions: int,
    rebuilds: int,
    forks: int,
    seed: int = 7,
    progress: Callable[[int], None] = lambda done: None,
) -> PastReport:
    """Compare a running system's past with its log, on shard 0.

    Raises:
        CommandRejected: nothing was said yet, or the log comes without keys.
    """
    reader = source.readers[0]
    if source.keys is None:
        raise CommandRejected(f"{source.name} comes without keys")
    people = [
        _Person(id=event.user, external_id=event.payload.external_id)
        async for event in reader.read(kinds=frozenset({UserRegistered.__name__}))
        if isinstance(event.payload, UserRegistered)
    ]
    end = await reader.last_position()
    if not people:
        raise CommandRejected("nobody is in the log yet; put something in with `mirix ingest`")
    chance = random.Random(seed)
    chosen = sorted(chance.sample(range(1, end + 1), min(positions, end)))
    comparing = _Comparing(client, embedder, people, progress)
    agents: tuple[Agent, ...] = (*(OWNER_OF[tier] for tier in TIERS), "chat", "search")
    views = [View(empty_projection(agent), chosen, comparing.look) for agent in agents]
    await rebuild_all(reader, views)
    equal = 0
    for _ in range(rebuilds):
        done = await rebuild_shard(client, directory, record, 0, dry_run=True)
        equal += all(one.comparison.is_equal for one in done)
        progress(1)
    same = 0
    states = Views(reader, NoSnapshots(), source.keys)
    for at in chance.sample(range(end), min(forks, end)):
        request = ForkRequest(at=at, until=end)
        report = await fork(
            reader, states.build, request, extractor=RuleExtractor(), keys=source.keys
        )
        same += not report.difference.changes
        progress(1)
    await states.close()
    return PastReport(
        events=end,
        people=len(people),
        positions=tuple(chosen),
        reads=comparing.reads,
        differing=tuple(comparing.differing),
        rebuilds=rebuilds,
        rebuilds_equal=equal,
        forks=forks,
        forks_equal=same,
    )


def work_of(positions: int, rebuilds: int, forks: int) -> int:
    """Return how many steps an evaluation tells of."""
    kinds: tuple[Tier, ...] = TIERS
    return positions * (len(kinds) + 2) + rebuilds + forks
