"""A language model's twin that does, one request after the other, what a test says."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from actors.models.port import (
    Delta,
    FailureKind,
    Generation,
    GenerationRequest,
    ModelFailed,
    Told,
    Turn,
)
from actors.models.settings import ProviderSettings
from events.catalogue import Usage


def breaks(
    kind: FailureKind, retry_after_s: float | None = None, *pieces: str
) -> tuple[tuple[str, ...], ModelFailed]:
    """Return a script: some pieces, and then a failure."""
    return pieces, ModelFailed(f"it is {kind}", kind, (), retry_after_s)


class ToldModel:
    """Answers with its name, or as the next of its scripts says; notes when it was asked."""

    def __init__(self, name: str, *scripts: tuple[tuple[str, ...], ModelFailed]) -> None:
        self.name = name
        self.scripts = list(scripts)
        self.asked_at: list[float] = []
        self.closed = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Told, None]:
        """Yield what the script says."""
        self.asked_at.append(time.monotonic())
        pieces, failure = self.scripts.pop(0) if self.scripts else ((), None)
        try:
            for piece in pieces:
                yield Delta(text=piece)
            if failure is not None:
                raise failure
            yield Delta(text=self.name)
        except GeneratorExit:
            self.closed += 1
            raise
        yield Generation(
            text=self.name,
            provider=self.name,
            model=f"{self.name}-1",
            usage=Usage(prompt_tokens=30, completion_tokens=10),
        )


def provider(name: str, **parts: object) -> ProviderSettings:
    """Return the settings of a provider, on a port where nobody is."""
    given = {"model": f"{name}-1", "base_url": "http://127.0.0.1:9/v1", **parts}
    return ProviderSettings(name=name, kind="openai_compatible", **given)  # type: ignore[arg-type]  # fields by name


def asked(content: str = "Where is the kiln?", **parts: object) -> GenerationRequest:
    """Return a request."""
    given: dict[str, object] = {
        "turns": (Turn(role="user", content=content),),
        "purpose": "answer",
        "user": "usr_ann",
        "generation_id": "gen_1",
        **parts,
    }
    return GenerationRequest(**given)  # type: ignore[arg-type]  # fields by name
