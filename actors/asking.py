"""Asks a language model for a decider: the dialogue around what is asked, and what is recorded.

A generation that fails is no failure of the cause: the decider hears of it and goes on without.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from actors.effects import Generate
from actors.models.port import (
    Generation,
    GenerationRequest,
    LanguageModel,
    ModelFailed,
    Turn,
    whole,
)
from actors.names import Agent
from actors.ports import Conversations
from actors.prompts import conversation_text, dialogue_hash
from actors.queries import Window
from events.catalogue import GenerationCompleted, GenerationFailed, Payload
from events.envelope import Event
from events.errors import DeadlineExceeded
from events.ids import derived_id

log = structlog.get_logger(__name__)


class Asking:
    """One agent's way to the language model."""

    def __init__(
        self, agent: Agent, model: LanguageModel, conversations: Conversations, prefer: str = ""
    ) -> None:
        """Put it together; `prefer` names the provider or model that is asked, empty: the order."""
        self._agent = agent
        self._model = model
        self._conversations = conversations
        self._prefer = prefer

    async def ask(self, cause: Event, asked: Generate) -> list[Payload]:
        """Return the failed attempts, and last what the model said or that it said nothing.

        Raises:
            Unavailable: the conversation cannot be read at the moment.
        """
        turns = await self._turns(cause, asked)
        request = GenerationRequest(
            turns=turns,
            purpose=asked.purpose,
            user=cause.user,
            generation_id=generation_id(self._agent, cause, asked),
            model=self._prefer,
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            output=asked.output,
        )
        prompt_hash = dialogue_hash(turns)
        try:
            generation = await whole(self._model, request)
        except ModelFailed as failure:
            failures = failure.failures or (not_asked(request, failure),)
            return _with_prompt(failures, asked, prompt_hash)
        completed = completed_generation(request, generation, asked.prompt, prompt_hash)
        return [*_with_prompt(generation.failures, asked, prompt_hash), completed]

    async def _turns(self, cause: Event, asked: Generate) -> tuple[Turn, ...]:
        if not asked.window or not asked.conversation:
            return joined(asked.turns)
        try:
            window = await self._conversations.window(
                cause.user, asked.conversation, before=cause.position, limit=asked.window
            )
        except DeadlineExceeded as error:
            # The chat agent is far behind. What was said now must not be lost over what was before.
            log.warning("conversation_left_out", cause=cause.id, error=error.message)
            window = Window()
        before = conversation_text(window.messages, window.summary)
        said = Turn(role="user", content=before or "(nothing was said before)")
        return joined((asked.turns[0], said, *asked.turns[1:]))


def joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the turns with user turns that follow each other made one.

    The templates of some models want roles to alternate. What stands first stays first, so that a
    prefix which several dialogues share is still shared.
    """
    made: list[Turn] = []
    for turn in turns:
        if made and turn.role == made[-1].role == "user":
            text = f"{made[-1].content}\n\n{turn.content}"
            made[-1] = msgspec.structs.replace(made[-1], content=text)
        else:
            made.append(turn)
    return tuple(made)


def generation_id(agent: str, cause: Event, asked: Generate) -> str:
    """Return the id of what is asked: a decider that asks the same again gets the same."""
    return derived_id("gen", agent, cause.id, asked.purpose, asked.part, asked.attempt)


def completed_generation(
    request: GenerationRequest, generation: Generation, prompt: str, prompt_hash: str
) -> GenerationCompleted:
    """Return a generation as it is recorded."""
    parameters = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "schema": request.output.name if request.output else None,
    }
    return GenerationCompleted(
        generation_id=request.generation_id,
        model=generation.model,
        prompt_hash=prompt_hash,
        parameters={name: value for name, value in parameters.items() if value is not None},
        output=generation.text,
        usage=generation.usage,
        purpose=request.purpose,
        provider=generation.provider,
        prompt=prompt,
        tool_calls=tuple(msgspec.to_builtins(call) for call in generation.tool_calls),
        finish_reason=generation.finish_reason,
        attempt=generation.attempt,
        first_token_ms=generation.first_token_ms,
        duration_ms=generation.duration_ms,
    )


def not_asked(request: GenerationRequest, failure: ModelFailed) -> GenerationFailed:
    """Return a failure before any provider was asked (a budget, an unknown model)."""
    return GenerationFailed(
        generation_id=request.generation_id,
        purpose=request.purpose,
        provider="",
        model=request.model,
        kind=failure.kind,
        detail=failure.message,
    )


def last_told(payloads: Sequence[Payload]) -> GenerationCompleted | GenerationFailed:
    """Return what a decider hears of the payloads of `Asking.ask`."""
    told = payloads[-1]
    assert isinstance(told, GenerationCompleted | GenerationFailed), "asking ends with what it told"
    return told


def _with_prompt(
    failures: Sequence[GenerationFailed], asked: Generate, prompt_hash: str
) -> list[Payload]:
    return [
        msgspec.structs.replace(failure, prompt=asked.prompt, prompt_hash=prompt_hash)
        for failure in failures
    ]
