"""An embedder of this process behind its queue: what is asked for together is embedded together.

Rules:

1. One thread runs a model: two runs at a time would fight for the same cores.
2. Texts that wait are taken in rounds, from everybody who asks a fair share; a round is sorted by
   length, whoever its texts belong to, so that runs are well filled (`embedding_batches`).
3. Who asks for a single text (a question) goes before the next run, and waits for none but the one
   that is on. A few of them at a time: they do not keep the others from being served.
4. A text that was embedded lately is not embedded again (`vector_cache`).
5. The queue is bounded. Whoever finds it full is told `Unavailable`, and comes back.
6. When a round fails, each of those who asked is tried alone: nobody fails for another's text.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress

import msgspec
import numpy as np
import structlog

from actors.embedding import Embedded, Embedder, ModelNotServed, Vectors
from actors.vector_cache import VectorCache
from events.errors import Unavailable

#: Texts that may wait; who brings more to an empty queue is let in.
WAITING_TEXTS_MAX = 20_000
#: Texts of one round: beyond, more of them do not fill the runs better.
ROUND_TEXTS_MAX = 256
#: Single texts that go between two runs.
SINGLES_BETWEEN_RUNS_MAX = 8
#: Texts between two lines in the operator's log.
TOLD_EVERY_TEXTS = 50_000

log = structlog.get_logger(__name__)


class Figures(msgspec.Struct, kw_only=True):
    """What an embedder did so far.

    Of `texts`, `reused` cost nothing. The others went in `runs`, with `tokens` of their own; the
    model read `padded` in all.
    """

    texts: int = 0
    reused: int = 0
    runs: int = 0
    tokens: int = 0
    padded: int = 0

    @property
    def wasted(self) -> float:
        """The share of what the model read that was padding."""
        return 1 - self.tokens / self.padded if self.padded else 0.0


class _Request:
    """The texts that somebody asks for, and the vectors of those that are done."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.done: Future[Vectors] = Future()
        self.taken = 0  # through here its texts are in a round, or were
        self._left = len(self.texts)
        self._rows: list[Vectors | None] = [None] * len(self.texts)

    def settle(self, place: int, vector: Vectors) -> None:
        """Note the vector of a text; with the last one the request is done."""
        if self._rows[place] is not None:
            return  # its round failed behind it, and was begun again
        self._rows[place] = vector
        self._left -= 1
        if not self._left:
            with suppress(InvalidStateError):  # nobody waits for it any more
                self.done.set_result(np.stack([row for row in self._rows if row is not None]))

    def fail(self, error: Exception) -> None:
        """Tell whoever asked that there will be no vectors."""
        with suppress(InvalidStateError):
            self.done.set_exception(error)


class EmbeddingQueue:
    """One embedder, its thread, and what waits for it."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        cache: VectorCache | None = None,
        waiting_texts_max: int = WAITING_TEXTS_MAX,
    ) -> None:
        self.figures = Figures()
        self._embedder = embedder
        self._cache = VectorCache() if cache is None else cache
        self._waiting_texts_max = waiting_texts_max
        self._lock = threading.Lock()
        self._singles: deque[_Request] = deque()
        self._others: deque[_Request] = deque()
        self._waiting_texts = 0
        self._working = False
        self._told_texts = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, and the model that made them.

        Raises:
            Unavailable: too many texts wait already.
        """
        if not texts:
            return Embedded(self._embedder.model_id, self._embedder.embed([]))
        request = _Request(texts)
        self._enter(request)
        vectors = await asyncio.wrap_future(request.done)
        return Embedded(self._embedder.model_id, vectors)

    def _enter(self, request: _Request) -> None:
        with self._lock:
            count = len(request.texts)
            if self._waiting_texts and self._waiting_texts + count > self._waiting_texts_max:
                raise Unavailable(
                    f"{self._waiting_texts} texts wait for the embedder already; try again"
                )
            self._waiting_texts += count
            (self._singles if count == 1 else self._others).append(request)
            if self._working:
                return
            self._working = True
        self._thread.submit(self._work)

    def _work(self) -> None:
        """Embed until nothing waits."""
        while True:
            self._serve_singles()
            parts = self._next_round()
            if parts:
                self._serve(parts)
            elif self._is_idle():
                return

    def _is_idle(self) -> bool:
        with self._lock:
            self._working = bool(self._singles or self._others)
            return not self._working

    def _serve_singles(self) -> None:
        for _ in range(SINGLES_BETWEEN_RUNS_MAX):
            with self._lock:
                if not self._singles:
                    return
                request = self._singles.popleft()
                self._waiting_texts -= 1
            if not request.done.cancelled():
                self._serve([(request, 0)])

    def _next_round(self) -> list[tuple[_Request, int]]:
        """Take of those who wait a fair share each; returns requests with places of their texts."""
        parts: list[tuple[_Request, int]] = []
        with self._lock:
            share = max(1, ROUND_TEXTS_MAX // max(1, len(self._others)))
            for _ in range(len(self._others)):
                request = self._others.popleft()
                if request.done.done():  # failed, or nobody waits for it any more
                    self._waiting_texts -= len(request.texts) - request.taken
                    continue
                end = min(request.taken + share, len(request.texts))
                parts += [(request, place) for place in range(request.taken, end)]
                self._waiting_texts -= end - request.taken
                request.taken = end
                if end < len(request.texts):
                    self._others.append(request)
                if len(parts) >= ROUND_TEXTS_MAX:
                    break
        return parts

    def _serve(self, parts: Sequence[tuple[_Request, int]]) -> None:
        """Embed the texts of a round and settle each as its run is over."""
        requests = list(dict.fromkeys(request for request, _ in parts))
        try:
            self._embed(parts)
        # Whatever a model fails with, it is for those to hear who asked; the thread goes on.
        except Exception as error:
            if len(requests) == 1:
                requests[0].fail(error)
                return
            for request in requests:
                self._serve([part for part in parts if part[0] is request])
        self._tell()

    def _embed(self, parts: Sequence[tuple[_Request, int]]) -> None:
        model = self._embedder.model_id
        alone = len(parts) == 1 and len(parts[0][0].texts) == 1
        wanting: dict[str, list[tuple[_Request, int]]] = {}
        for request, place in parts:
            if not request.done.done():
                wanting.setdefault(request.texts[place], []).append((request, place))
        missing = []
        for text, places in wanting.items():
            known = self._cache.get(model, text, alone=alone)
            self.figures.texts += len(places)
            self.figures.reused += len(places) - (known is None)
            if known is None:
                missing.append(text)
            else:
                _settle(places, known)
        for run in self._embedder.runs(missing) if missing else ():
            self.figures.runs += 1
            self.figures.tokens += run.tokens
            self.figures.padded += run.padded
            for row, vector in zip(run.rows, run.vectors, strict=True):
                self._cache.put(model, missing[row], vector, alone=alone)
                _settle(wanting[missing[row]], vector)
            if not alone:
                self._serve_singles()

    def _tell(self) -> None:
        if self.figures.texts - self._told_texts >= TOLD_EVERY_TEXTS:
            self._told_texts = self.figures.texts
            log.info(
                "texts_embedded",
                model=self._embedder.model_id,
                **msgspec.structs.asdict(self.figures),
                wasted=round(self.figures.wasted, 3),
            )


class LocalEmbedding:
    """Embedders of this process behind the asynchronous port (`actors.ports.EmbeddingService`).

    Args:
        own: the system's own.
        others: of other models, for people whose vectors are of those.
    """

    def __init__(self, own: Embedder, *others: Embedder) -> None:
        cache = VectorCache()
        self._own = EmbeddingQueue(own, cache=cache)
        self._queues = {own.model_id: self._own}
        self._queues |= {one.model_id: EmbeddingQueue(one, cache=cache) for one in others}

    async def embed(self, texts: Sequence[str], model: str = "") -> Embedded:
        """Return one vector a text, and the model that made them.

        Raises:
            ModelNotServed: there is no such model here.
            Unavailable: too many texts wait already.
        """
        queue = self._queues.get(model) if model else self._own
        if queue is None:
            raise ModelNotServed(f"the embedding model {model} is not served here")
        return await queue.embed(texts)


def _settle(places: Sequence[tuple[_Request, int]], vector: Vectors) -> None:
    for request, place in places:
        request.settle(place, vector)
