"""How long a state takes to keep and to restore, of a tier and of the search index.

One person has nearly all memories, another a hundredth as many: `load` restores both, `load_part`
the second alone. On top of the restored state comes a tail of events, as at a start; the figures
count only when the state is then that of a projection that never stopped. Times are wall time in
one process, in seconds; `start_cpu_s` is what load and tail took of all cores, whatever else ran
meanwhile. The file was written a moment ago, so that reading it meets no disk.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from events.catalogue import MemoryEmbedded, MemoryRecorded, Payload
from events.envelope import Envelope, Event
from events.errors import CorruptLog
from events.memory import MemoryDraft, Provenance, SemanticContent
from events.memory_keystore import MemoryKeyStore
from events.sealing import KeyRing
from projections.base import Projection, state_hash
from projections.retrieval.passage import SearchRequest
from projections.retrieval_projection import RetrievalProjection
from projections.snapshots import SnapshotDirectory
from projections.tiers import TierProjection

DIMENSION = 384
_LARGE, _SMALL, _SMALL_SHARE = "usr_ann", "usr_bob", 100
_START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_PEOPLE = ("Ann", "Bo", "Cyrus", "Dana", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas")
_DEEDS = (
    *(
        "bought",
        "repaired",
        "wrote about",
        "dreamed of",
        "signed up for",
        "lost",
        "found",
        "painted",
    ),
    *("talked for hours about", "gave away", "finally finished", "photographed", "was proud of"),
    *("planned everything around", "complained about", "organised", "remembered", "borrowed"),
)
_THINGS = (
    *("the wooden boat", "a pottery class", "her old bicycle", "the community garden", "some skis"),
    *(
        "a jazz record",
        "the blue tent",
        "an espresso machine",
        "the adoption papers",
        "two kittens",
    ),
    *("a marathon number", "the green build", "a watercolour of the harbour", "the school play"),
    *("a letter from Lisbon", "the night train", "the broken radiator", "a telescope", "a debt"),
)
_PLACES = (
    *("in Lisbon", "at the lake", "near the old station", "on the roof", "at her sister's house"),
    *("in the mountains", "downtown", "at the library", "behind the bakery", "in Kyoto", "at work"),
)
_TIMES = (
    *("yesterday", "last summer", "two weeks ago", "on Sunday", "in March 2024", "this morning"),
    *("before the wedding", "after the long winter", "when it rained", "next month", "as a child"),
)
_ENDS = (
    *("because the doctor advised it", "which made everybody laugh", "and it cost {n} euros"),
    *("with {n} people watching", "though nobody had asked", "so the whole plan changed"),
    *("for the project with number {n}", "but the weather was against it"),
)


def bench_restore(
    *, memories: int = 100_000, tail: int = 1000, directory: Path | None = None
) -> dict[str, Any]:
    """Keep and restore the state of `memories` memories, by a tier and by the search index.

    Args:
        memories: of one person; another has a hundredth as many.
        tail: events that come after the snapshot.
        directory: on the disk to measure; a scratch directory is made under it.

    Raises:
        CorruptLog: a restored state is not that of the projection that it was taken of.
    """
    figures: dict[str, Any] = {"memories": memories, "tail_events": tail}
    kinds: list[tuple[str, Callable[[], Projection]]] = [
        ("tier", lambda: TierProjection("semantic")),
        ("retrieval", RetrievalProjection),
    ]
    for name, empty in kinds:
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            figures[name] = _measured(empty, Path(scratch), memories, tail)
    return figures


def _measured(
    empty: Callable[[], Projection], directory: Path, memories: int, tail: int
) -> dict[str, float]:
    """Return the figures of one projection."""
    store = SnapshotDirectory(directory, KeyRing(MemoryKeyStore()))
    restored, part = empty(), empty()
    events = memory_events(restored.kinds)
    until = (memories + memories // _SMALL_SHARE) * _events_each(restored.kinds)
    # The state that is kept is gone by the time of the load, as in a process that starts.
    save_s, later, wanted = _saved(empty(), store, events, until, tail)
    figures = {"save_s": save_s}
    figures["file_bytes"] = sum(path.stat().st_size for path in directory.iterdir())
    began_cpu_s = time.process_time()
    figures["load_s"] = _seconds(lambda: store.load(restored))
    figures["tail_s"] = _seconds(lambda: _apply(restored, later))
    figures["start_s"] = round(figures["load_s"] + figures["tail_s"], 6)
    figures["start_cpu_s"] = round(time.process_time() - began_cpu_s, 6)
    figures["load_part_s"] = _seconds(lambda: store.load_part(part, _SMALL, until))
    if state_hash(restored) != wanted:
        raise CorruptLog(f"the restored state of {restored.name} is not the one that was kept")
    if isinstance(restored, RetrievalProjection):
        index = restored.index
        request = SearchRequest(user=_LARGE, query="Who repaired the boat in Lisbon?")
        figures["first_search_s"] = _seconds(lambda: index.search(request))
    return figures


def _saved(
    live: Projection, store: SnapshotDirectory, events: Iterator[Event], until: int, tail: int
) -> tuple[float, list[Event], str]:
    """Keep the state of `live` after `until` events.

    Returns:
        How long keeping it took, in seconds, the events after it, and its hash after those.
    """
    _apply(live, itertools.islice(events, until))
    save_s = _seconds(lambda: store.save(live, until))
    later = list(itertools.islice(events, tail))
    _apply(live, later)
    return save_s, later, state_hash(live)


def _apply(projection: Projection, events: Iterable[Event]) -> None:
    for event in events:
        projection.apply(event)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 6)


def _events_each(kinds: frozenset[str]) -> int:
    return sum(kind.__name__ in kinds for kind in (MemoryRecorded, MemoryEmbedded))


def memory_events(kinds: frozenset[str], seed: int = 7) -> Iterator[Event]:
    """Yield the events of ever more memories, of the kinds that a projection takes.

    One memory in a hundred and one is another person's. Texts vary, vectors have length one; both
    are the same each time.
    """
    chance = random.Random(seed)
    vectors = np.random.default_rng(seed)
    position = 0
    for number in itertools.count():
        user = _SMALL if number % (_SMALL_SHARE + 1) == _SMALL_SHARE else _LARGE
        vector = vectors.standard_normal(DIMENSION, np.float32)
        vector /= np.linalg.norm(vector)
        memory = _draft(number, chance)
        halves = vector.astype("<f2").tobytes()
        embedded = MemoryEmbedded(
            tier="semantic", memory_id=memory.id, model="bench", vectors=(halves,)
        )
        for payload in (MemoryRecorded(memory=memory), embedded):
            if type(payload).__name__ in kinds:
                position += 1
                yield _event(payload, position, user, number)


def _draft(number: int, chance: random.Random) -> MemoryDraft:
    name = chance.choice(_PEOPLE)
    end = chance.choice(_ENDS).format(n=chance.randrange(3, 10_000))
    deed = f"{chance.choice(_DEEDS)} {chance.choice(_THINGS)} {chance.choice(_PLACES)}"
    other = f"{chance.choice(_PEOPLE)} {chance.choice(_DEEDS)} {chance.choice(_THINGS)}"
    summary = f"{name} {deed} {chance.choice(_TIMES)} {end}, while {other}."
    return MemoryDraft(
        id=f"mem_{number:012x}",
        content=SemanticContent(name=name, summary=summary),
        key=f"{name} {number}".casefold(),
        provenance=Provenance(message_ids=(f"msg_{number:012x}",)),
    )


def _event(payload: Payload, position: int, user: str, number: int) -> Event:
    envelope = Envelope(
        event_id=f"evt_{position:012x}",
        type=type(payload).__name__,
        version=payload.version,
        shard=0,
        tenant="bench",
        user=user,
        entity="",
        recorded_at=_START + timedelta(minutes=7 * number),
        causation_id="",
        correlation_id="",
        producer="bench",
        sealed=True,
    )
    return Event(envelope=envelope, payload=payload, position=position)
