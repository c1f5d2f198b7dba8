"""The extractive answerer as a language model: it quotes what was recalled, and asks nobody."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence

from actors.answering import MODEL, extractive_answer
from actors.models.port import Delta, Generation, GenerationRequest, ModelFailed, Told
from actors.models.settings import EXTRACTIVE, ProviderSettings
from actors.queries import FoundMemory
from events.catalogue import Citation, Usage

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+|[^\w\s]")


class ExtractiveModel:
    """Answers a question by quotations; it makes up nothing and follows no schema."""

    def __init__(self, settings: ProviderSettings = EXTRACTIVE) -> None:
        self._name = settings.name

    @property
    def name(self) -> str:
        """The name under which it is configured."""
        return self._name

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Yield the answer word by word, and last the whole of it.

        Raises:
            ModelFailed: `refused`, when the request is no plain question.
        """
        if not answers_plainly(request):
            raise ModelFailed(
                f"{self._name}: it can only quote from memory in answer to a question;"
                f" configure a language model for {request.purpose}",
                "refused",
            )
        started = time.monotonic()
        answer = extractive_answer(request.question, request.recalled)
        for piece in re.findall(r"\S+\s*", answer.text):
            yield Delta(text=piece)
        yield Generation(
            text=answer.text,
            provider=self._name,
            model=MODEL,
            usage=Usage(
                prompt_tokens=_words(request.question), completion_tokens=_words(answer.text)
            ),
            duration_ms=round((time.monotonic() - started) * 1000),
            cited=tuple(_index(one, request.recalled) for one in answer.citations),
        )


def answers_plainly(request: GenerationRequest) -> bool:
    """Say whether a request is one that quotations can answer."""
    return bool(request.question) and request.output is None


def _index(cited: Citation, recalled: Sequence[FoundMemory]) -> int:
    return next(
        at for at, hit in enumerate(recalled) if (hit.id, hit.text) == (cited.id, cited.text)
    )


def _words(text: str) -> int:
    """Words, Chinese characters and signs: there are no other tokens here."""
    return len(_WORD.findall(text))
