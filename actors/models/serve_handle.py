"""Models that vLLM serves on this Ray cluster, asked by their deployment's handle.

What is said is OpenAI's protocol, as plain JSON, but there is no HTTP on the way and nothing of
vLLM in this process (`serve/vllm_replica.py` is the other end). Imported when such a model is
configured, and not before.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
import openai
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from actors.embedding import Embedded
from actors.models.openai_chunks import Chunk
from actors.models.openai_wire import OpenAIModel, chat_completion
from actors.models.port import FailureKind, GenerationRequest, ModelFailed
from actors.models.sdk_errors import UNREADABLE, model_failed
from actors.models.serve_names import MODEL_DEPLOYMENT, model_application
from actors.models.settings import ProviderSettings
from actors.models.wire import Wire
from events.errors import Unavailable

#: What a handle gives that was asked for a stream.
_Response: TypeAlias = DeploymentResponseGenerator[Any]
#: Texts of one request for vectors; more are asked for one request after the other.
TEXTS_MAX = 64


class _Error(msgspec.Struct):
    type: str = ""
    code: int | str | None = None


class _Chunk(Chunk, frozen=True):
    """A chunk, or what the engine says instead of one."""

    error: _Error | None = None


class _Vector(msgspec.Struct):
    index: int
    embedding: str


class _Vectors(msgspec.Struct):
    data: list[_Vector] = []
    error: _Error | None = None


class _Refused(Exception):
    """The engine does not take a request: (kind of error, status)."""

    def __init__(self, error: _Error) -> None:
        super().__init__(error.type, error.code)
        self.type = error.type
        self.status = error.code if isinstance(error.code, int) else 400


class ServeModel(OpenAIModel):
    """A chat model on Ray Serve.

    Args:
        settings: `model` is the name that it is served under, or `name:adapter`.
        handle: the deployment that serves it; by default looked up by that name.
    """

    def __init__(
        self, settings: ProviderSettings, handle: DeploymentHandle[Any] | None = None
    ) -> None:
        Wire.__init__(self, settings, openai)  # a handle instead of the SDK's client
        self._handle = handle

    async def _open(self, request: GenerationRequest) -> Any:
        if self._handle is None:
            self._handle = await asyncio.to_thread(_handle_of, self.settings.model)
        body = chat_completion(request, self.settings)
        stream = _Stream(cast(_Response, self._handle.options(stream=True).ask.remote(body)))
        try:
            await stream.begin()
        except BaseException:
            await stream.close()
            raise
        return stream

    def _errors(self) -> tuple[type[Exception], ...]:
        return (RayError, RayServeException, TimeoutError, _Refused, *UNREADABLE)

    def _failure(self, error: Exception, opened: bool) -> ModelFailed:
        broken: FailureKind = "cut_off" if opened else "unavailable"
        match error:
            case _Refused(status=status) if status == 429:
                kind: FailureKind = "rate_limited"
            case _Refused(status=status) if status < 500:
                kind = "refused"
            case BackPressureError():
                kind = "rate_limited"
            case TimeoutError():
                return model_failed(self.name, "timed_out", str(error))
            case _:
                kind = broken
        told = f"{error.status} {error.type}" if isinstance(error, _Refused) else ""
        # Not the error's own words: they may quote the prompt.
        return model_failed(self.name, kind, told or type(error).__name__)


class _Stream:
    """The chunks of one answer; closed before its end, the engine drops the request."""

    def __init__(self, response: _Response) -> None:
        self._response = response
        self._first: _Chunk | None = None
        self._ended = False

    async def begin(self) -> None:
        """Wait for the first chunk: until then nothing was answered that could break off."""
        self._first = await self._next()

    async def __anext__(self) -> _Chunk:
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        return await self._next()

    async def _next(self) -> _Chunk:
        try:
            chunk = msgspec.json.decode(await anext(self._response), type=_Chunk)
        except StopAsyncIteration:
            self._ended = True
            raise
        if chunk.error is not None:
            raise _Refused(chunk.error)
        return chunk

    async def close(self) -> None:
        if not self._ended:
            self._response.cancel()  # type: ignore[no-untyped-call]  # Ray left its type out


class ServeEmbedding:
    """The embedding service over a model on Ray Serve.

    Args:
        model: the name that it is served under; recorded with every vector.
        deadline_s: how long one request of up to 64 texts may take.
    """

    def __init__(self, model: str, *, deadline_s: float = 30.0) -> None:
        self._model = model
        self._deadline_s = deadline_s
        self._handle: DeploymentHandle[Any] | None = None

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return one vector a text, float32, rows of L2 norm one; too long texts are cut.

        Raises:
            Unavailable: the model cannot be reached at the moment.
        """
        rows: list[bytes] = []
        for start in range(0, len(texts), TEXTS_MAX):
            rows += await self._ask(list(texts[start : start + TEXTS_MAX]))
        if not rows:
            return Embedded(self._model, np.zeros((0, 0), np.float32))
        vectors = np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1).astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedded(self._model, vectors / np.maximum(norms, np.float32(1e-12)))

    async def _ask(self, texts: list[str]) -> list[bytes]:
        body = {
            "model": self._model,
            "input": texts,
            "encoding_format": "base64",
            # To what the model can take in.
            "truncate_prompt_tokens": -1,
        }
        try:
            async with asyncio.timeout(self._deadline_s):
                if self._handle is None:
                    self._handle = await asyncio.to_thread(_handle_of, self._model)
                answer = msgspec.json.decode(await self._handle.embed.remote(body), type=_Vectors)
        except (RayError, RayServeException, TimeoutError, *UNREADABLE) as error:
            raise Unavailable(
                f"the embedding model {self._model} does not answer ({type(error).__name__});"
                " see `mirix doctor`"
            ) from None
        if answer.error is not None or len(answer.data) != len(texts):
            told = answer.error.type if answer.error else f"{len(answer.data)} vectors"
            raise Unavailable(f"the embedding model {self._model} made no vectors ({told})")
        ordered = sorted(answer.data, key=lambda one: one.index)
        return [base64.b64decode(one.embedding) for one in ordered]


def _handle_of(model: str) -> DeploymentHandle[Any]:
    try:
        return serve.get_deployment_handle(MODEL_DEPLOYMENT, model_application(model))
    except KeyError:
        raise RayServeException(f"no model is served under the name {model}") from None
