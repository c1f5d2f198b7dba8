"""What the wires to providers have alike: one attempt over an SDK's stream, from request to whole.

A wire translates: a request into what the SDK sends, and each chunk of its stream into what was
heard. Deadlines, the meaning of errors and what counts as an answer are the same for all. The
SDKs' own retries are off: who asks decides (`failover.py`).
"""

from __future__ import annotations

import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any

import msgspec

from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    ModelFailed,
    OutputSchema,
    Told,
    ToolCall,
)
from actors.models.sdk_errors import UNREADABLE, failure_of, model_failed
from actors.models.settings import ProviderSettings
from actors.models.tokens import estimated_usage
from actors.models.watch import Watch
from events.catalogue import GenerationFailed, Usage

#: How long a connection may take.
CONNECT_S = 10.0
_HALF = re.compile("[\ud800-\udfff]")


class Heard:
    """What a provider said so far; `finish` stays empty until it says that it is done.

    `answer_tool` is the tool through which the output comes, when it has to follow a schema;
    `blocks` says which tool call a block of the message is, where calls are blocks.
    """

    def __init__(self, answer_tool: str = "") -> None:
        self.answer_tool = answer_tool
        self.blocks: dict[int, int] = {}
        self.text = ""
        self.calls: list[dict[str, str]] = []
        self.finish = ""
        self.model = ""
        self.usage = Usage()
        self.refusal = False
        self._half = ""

    def said(self, piece: str) -> str:
        """Add a piece of the text; return what can be told of it: half a sign waits."""
        piece, self._half = self._half + piece, ""
        if "\ud800" <= piece[-1:] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        piece = whole_signs(piece)
        self.text += piece
        return piece

    def call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        """Add a piece of the tool call with this number: arguments come in many pieces."""
        while len(self.calls) <= index:
            self.calls.append({"id": f"call_{len(self.calls)}", "name": "", "arguments": ""})
        call = self.calls[index]
        call["id"] = call_id or call["id"]
        call["name"] = call["name"] or name or ""
        call["arguments"] += arguments


class Wire(ABC):
    """A language model behind an SDK."""

    def __init__(self, settings: ProviderSettings, sdk: ModuleType) -> None:
        self.settings = settings
        self._sdk = sdk
        # At DEBUG the SDKs log whole requests, with what people said.
        logging.getLogger(sdk.__name__).setLevel(logging.INFO)

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        return self.settings.name

    def _listen(self, request: GenerationRequest) -> Heard:
        """Return where to hear the answer to a request."""
        return Heard()

    @abstractmethod
    async def _open(self, request: GenerationRequest) -> Any:
        """Send the request; return the SDK's stream of chunks."""

    @abstractmethod
    def _take(self, chunk: Any, heard: Heard) -> str:
        """Add a chunk to what was heard; return the piece of output in it, or nothing."""

    def _errors(self) -> tuple[type[Exception], ...]:
        """Return what may be raised when there is no answer, or none that can be read."""
        return (self._sdk.APIError, TimeoutError, *UNREADABLE)

    def _failure(self, error: Exception, opened: bool) -> ModelFailed:
        """Return what such an error means."""
        return failure_of(error, self._sdk, self.name, opened=opened)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Yield pieces of the output as they come, and last the whole of it.

        Closing the generator closes the HTTP request.

        Raises:
            ModelFailed: there is no output; its `failures` hold this attempt, with what it used.
        """
        heard = self._listen(request)
        watch = Watch(self.settings.first_token_s, self.settings.deadline_s)
        stream = None
        try:
            stream = await self._opened(request, watch)
            while (chunk := await watch.wait(anext(stream, None))) is not None:
                piece = self._take(chunk, heard)
                if piece or heard.calls:
                    watch.began()
                if piece := heard.said(piece):
                    yield Delta(text=piece)
        except self._errors() as error:
            if stream is None:
                raise
            # Without the SDK's error, which holds the request: tracebacks end up in logs.
            failed = self._failure(error, True)
            raise self._recorded(failed, request, heard, watch, True) from None
        finally:
            if stream is not None:
                await stream.close()
        if unusable := self._unusable(heard):
            raise self._recorded(unusable, request, heard, watch, True)
        yield self._generation(request, heard, watch)

    async def _opened(self, request: GenerationRequest, watch: Watch) -> Any:
        """Send the request; return the SDK's stream.

        Raises:
            ModelFailed: there is none. An error of our own making is not taken for one of these.
        """
        try:
            return await watch.wait(self._open(request))
        except ModelFailed as refused:
            raise self._recorded(refused, request, Heard(), watch, False) from None
        except (TypeError, AttributeError, LookupError):
            raise
        except self._errors() as error:
            failed = self._failure(error, False)
            raise self._recorded(failed, request, Heard(), watch, False) from None

    def _unusable(self, heard: Heard) -> ModelFailed | None:
        """Return why what was heard is no answer, if it is none."""
        if heard.refusal or (heard.finish == "content_filter" and not heard.text):
            return model_failed(self.name, "refused", "content filter")
        if not heard.finish:
            return model_failed(self.name, "cut_off", "it ended without saying so")
        if not heard.text.strip() and not heard.calls:
            why = "max_tokens is spent" if heard.finish == "length" else "it is empty"
            return model_failed(self.name, "invalid", why)
        return None

    def _recorded(
        self,
        failed: ModelFailed,
        request: GenerationRequest,
        heard: Heard,
        watch: Watch,
        opened: bool,
    ) -> ModelFailed:
        """Return the failure together with the attempt, ready to be recorded."""
        usage = heard.usage
        if opened and not usage.completion_tokens:
            # It worked and will be paid for, but did not come to count.
            usage = estimated_usage(request, heard.text)
        attempt = GenerationFailed(
            generation_id=request.generation_id,
            purpose=request.purpose,
            provider=self.name,
            model=heard.model or self.settings.model,
            kind=failed.kind,
            detail=failed.message,
            output=heard.text if failed.kind == "invalid" else "",
            usage=usage,
            duration_ms=watch.duration_ms,
        )
        return ModelFailed(failed.message, failed.kind, (attempt,), failed.retry_after_s)

    def _generation(self, request: GenerationRequest, heard: Heard, watch: Watch) -> Generation:
        return Generation(
            text=heard.text,
            tool_calls=msgspec.convert(
                [
                    {
                        "id": whole_signs(one["id"]),
                        "name": whole_signs(one["name"]),
                        "arguments": whole_signs(one["arguments"]) or "{}",
                    }
                    for one in heard.calls
                ],
                tuple[ToolCall, ...],
            ),
            provider=self.name,
            model=heard.model or self.settings.model,
            usage=heard.usage if any(_counts(heard)) else estimated_usage(request, heard.text),
            finish_reason=heard.finish,  # type: ignore[arg-type]  # wires say one of the four
            first_token_ms=watch.first_token_ms,
            duration_ms=watch.duration_ms,
        )


def whole_signs(text: str) -> str:
    """Return a text without lone halves of UTF-16 pairs: JSON may hold them, an event cannot."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _counts(heard: Heard) -> tuple[int, int]:
    return heard.usage.prompt_tokens, heard.usage.completion_tokens


def schema_in_words(output: OutputSchema) -> str:
    """Return what a model is told that is held to a schema by nothing but its prompt."""
    schema = json.dumps(output.schema, ensure_ascii=False, sort_keys=True)
    return (
        "Answer with one JSON object that follows this JSON schema, and with nothing else: no"
        f" words around it, no code fence.\n{schema}"
    )
