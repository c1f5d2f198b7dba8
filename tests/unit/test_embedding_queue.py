"""The queue in front of an embedder: pooled, fair, bounded, and nothing embedded twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from actors.embedding import HashEmbedder, ModelNotServed, Run, Vectors
from actors.embedding_queue import (
    ROUND_TEXTS_MAX,
    SINGLES_BETWEEN_RUNS_MAX,
    EmbeddingQueue,
    LocalEmbedding,
)
from actors.vector_cache import VectorCache
from events.errors import Unavailable

DEADLINE_S = 20.0


class GatedEmbedder(HashEmbedder):
    """Embeds four texts a run, each run when the test lets it; notes what went into it."""

    def __init__(self, *, open_: bool = True) -> None:
        super().__init__()
        self.ran: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Semaphore(1_000_000 if open_ else 0)

    def runs(self, texts: Sequence[str]) -> Iterator[Run]:
        for start in range(0, len(texts), 4):
            part = list(texts[start : start + 4])
            self.begun.release()
            assert self.gate.acquire(timeout=DEADLINE_S)
            if "indigestible" in part:
                raise ValueError("cannot embed this")
            self.ran.append(part)
            rows = range(start, start + len(part))
            yield Run(rows, self.embed(part), len(part), 2 * len(part))

    async def has_begun(self) -> None:
        """Wait until the next run has begun."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=DEADLINE_S)


def numbered(name: str, count: int) -> list[str]:
    """Return so many different texts."""
    return [f"{name} {number}" for number in range(count)]


async def waiting(*works: asyncio.Task[object]) -> None:
    """Let tasks go as far as they can without an answer."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(work.done() for work in works)


async def test_vectors_come_back_in_the_order_of_their_texts() -> None:
    """However the runs went; nothing gives an empty matrix."""
    twin = HashEmbedder()
    queue = EmbeddingQueue(GatedEmbedder())
    texts = [*numbered("said", 10), "said 3", "said 3"]
    embedded = await queue.embed(texts)
    assert embedded.model == twin.model_id
    np.testing.assert_array_equal(embedded.vectors, twin.embed(texts))
    assert (await queue.embed([])).vectors.shape == (0, twin.dimension)


async def test_requests_that_wait_are_embedded_together() -> None:
    """What nine agents ask for in small parts fills the runs as one large part does."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    first = asyncio.create_task(queue.embed(["a", "b"]))
    await embedder.has_begun()
    rest = [asyncio.create_task(queue.embed(numbered(name, 2))) for name in "cdef"]
    await waiting(*rest)
    embedder.gate.release(1000)
    await asyncio.gather(first, *rest)
    assert [len(run) for run in embedder.ran] == [2, 4, 4]


async def test_single_question_overtakes_what_waits() -> None:
    """It waits for the run that is on, and for no other."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    many = asyncio.create_task(queue.embed(numbered("said", 12)))
    await embedder.has_begun()
    question = asyncio.create_task(queue.embed(["who?"]))
    await waiting(many, question)
    embedder.gate.release(2)
    await question
    assert [len(run) for run in embedder.ran] == [4, 1]
    assert not many.done()
    embedder.gate.release(1000)
    await many


async def test_questions_do_not_keep_others_from_being_served() -> None:
    """A bounded number of them go between two runs."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    many = asyncio.create_task(queue.embed(numbered("said", 8)))
    await embedder.has_begun()
    questions = [asyncio.create_task(queue.embed([text])) for text in numbered("who", 20)]
    await waiting(many, *questions)
    embedder.gate.release(1000)
    await asyncio.gather(many, *questions)
    sizes = [len(run) for run in embedder.ran]
    assert sizes[0] == 4
    assert sizes[1 : 2 + SINGLES_BETWEEN_RUNS_MAX] == [1] * SINGLES_BETWEEN_RUNS_MAX + [4]


async def test_large_request_leaves_room_for_small_ones() -> None:
    """Everybody who waits has a fair share of the next round."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    held = asyncio.create_task(queue.embed(["a", "b"]))
    await embedder.has_begun()
    large = asyncio.create_task(queue.embed(numbered("large", 4 * ROUND_TEXTS_MAX)))
    small = asyncio.create_task(queue.embed(numbered("small", 4)))
    await waiting(large, small)
    embedder.gate.release(1 + ROUND_TEXTS_MAX // 4)
    await asyncio.gather(held, small)
    assert not large.done()
    embedder.gate.release(10_000)
    await large


async def test_full_queue_is_unavailable_until_there_is_room() -> None:
    """Who comes too late comes back; an empty queue lets in more than its bound."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder, waiting_texts_max=4)
    running = asyncio.create_task(queue.embed(numbered("first", 6)))
    await embedder.has_begun()
    behind = asyncio.create_task(queue.embed(numbered("second", 3)))
    await waiting(running, behind)
    with pytest.raises(Unavailable, match="3 texts wait"):
        await queue.embed(numbered("third", 2))
    embedder.gate.release(1000)
    await asyncio.gather(running, behind)
    assert len((await queue.embed(numbered("third", 2))).vectors) == 2


async def test_nobody_fails_for_the_text_of_another() -> None:
    """The round is done again one by one, and who brought the text is told."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    held = asyncio.create_task(queue.embed(["a", "b"]))
    await embedder.has_begun()
    good = asyncio.create_task(queue.embed(numbered("good", 6)))
    bad = asyncio.create_task(queue.embed(["indigestible", "x"]))
    await waiting(good, bad)
    embedder.gate.release(1000)
    await held
    np.testing.assert_array_equal((await good).vectors, HashEmbedder().embed(numbered("good", 6)))
    with pytest.raises(ValueError, match="cannot embed this"):
        await bad


async def test_cancelled_request_leaves_the_others_alone() -> None:
    """Its texts are dropped, and what waits behind is served."""
    embedder = GatedEmbedder(open_=False)
    queue = EmbeddingQueue(embedder)
    held = asyncio.create_task(queue.embed(["a", "b"]))
    await embedder.has_begun()
    gone = asyncio.create_task(queue.embed(numbered("gone", 5)))
    kept = asyncio.create_task(queue.embed(numbered("kept", 2)))
    await waiting(gone, kept)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    embedder.gate.release(1000)
    await asyncio.gather(held, kept)
    assert all("gone" not in text for run in embedder.ran for text in run)


async def test_identical_text_is_embedded_once() -> None:
    """Within a request, among requests, and later; the figures say so."""
    embedder = GatedEmbedder()
    queue = EmbeddingQueue(embedder)
    await queue.embed(["tap", "boat", "tap"])
    await queue.embed(["boat", "kite"])
    assert embedder.ran == [["tap", "boat"], ["kite"]]
    assert (queue.figures.texts, queue.figures.reused, queue.figures.runs) == (5, 2, 2)
    assert queue.figures.wasted == pytest.approx(0.5)


async def test_question_is_remembered_apart_from_what_was_embedded_among_others() -> None:
    """Its vector does not depend on what was said before; what is said may take its."""
    embedder = GatedEmbedder()
    queue = EmbeddingQueue(embedder)
    await queue.embed(["tap", "boat"])
    await queue.embed(["tap"])
    await queue.embed(["tap"])
    await queue.embed(["kite"])
    await queue.embed(["kite", "tap"])
    assert embedder.ran == [["tap", "boat"], ["tap"], ["kite"]]


def test_cache_is_bounded_and_keeps_models_and_texts_apart() -> None:
    """The vector that was not asked for longest goes; no text can be read from what is kept."""
    cache = VectorCache(2)
    row: Vectors = np.ones(3, np.float32)
    cache.put("m", "tap", row, alone=False)
    cache.put("m", "boat", row, alone=False)
    assert cache.get("m", "tap", alone=False) is not None
    cache.put("m", "kite", row, alone=False)
    assert len(cache) == 2
    assert cache.get("m", "boat", alone=False) is None
    assert cache.get("other", "tap", alone=False) is None
    assert cache.get("m", "tap", alone=True) is None
    assert b"tap" not in b"".join(cache._vectors)
    assert cache._vectors.keys().isdisjoint(filled_alike(cache)._vectors)


def filled_alike(cache: VectorCache) -> VectorCache:
    """Return a cache of another process, with the texts of the test before."""
    other = VectorCache(2)
    for text in ("tap", "kite"):
        other.put("m", text, np.ones(3, np.float32), alone=False)
    return other


async def test_local_models_are_told_apart_by_name() -> None:
    """The system's own by default, others by what their vectors are recorded under."""
    embedding = LocalEmbedding(HashEmbedder(), HashEmbedder(16))
    assert (await embedding.embed(["tap"])).model == "hash-64"
    assert (await embedding.embed(["tap"], "hash-64")).vectors.shape == (1, 64)
    assert (await embedding.embed(["tap"], "hash-16")).vectors.shape == (1, 16)
    with pytest.raises(ModelNotServed, match="hash-8"):
        await embedding.embed(["tap"], "hash-8")
