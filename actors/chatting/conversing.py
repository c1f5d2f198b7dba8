"""From a message to its answer: ask the model, carry out the tools that it asks for, ask again.

Step 7 of the message path. What the model says is told while it says it; what it said is recorded,
and so is every attempt that failed before it did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from actors.asking import completed_generation
from actors.chatting.citing import citations
from actors.chatting.context import SYSTEM_PROMPT
from actors.chatting.dialogue import call_shown
from actors.chatting.making import Asked, Making
from actors.chatting.preparing import Preparing
from actors.chatting.tokens import tokens_of_turns
from actors.models.port import (
    Delta,
    Generation,
    GenerationRequest,
    LanguageModel,
    ModelFailed,
    StartedOver,
    ToolCall,
)
from actors.progress import AnswerPart, answer_id
from actors.prompts import dialogue_hash
from events.catalogue import AnswerGiven, GenerationCompleted, MessageReceived, Payload, Usage
from events.envelope import Event
from events.ids import derived_id

#: A text beyond this is no answer: a model that does not end is ended.
ANSWER_CHARS_MAX = 200_000
#: Between what a model says before it asks for a tool and what it says after.
_BREAK = "\n\n"


class Conversing:
    """Makes answers with a language model."""

    def __init__(self, model: LanguageModel, preparing: Preparing) -> None:
        self._model = model
        self._preparing = preparing

    async def converse(self, cause: Event, message: MessageReceived, making: Making) -> AnswerGiven:
        """Return the answer; `making` has its generations.

        Raises:
            ModelFailed: there is no answer.
            MessageTooLong: the message alone does not fit into what the model takes in.
            Unavailable: memory cannot be searched at the moment.
        """
        prepared, rounds = await self._preparing.prepare(cause, message, making)
        request, left = prepared.request, prepared.left
        while True:
            generation = await self._generate(request, making)
            calls = rounds.of_client(generation.tool_calls)
            if calls or not generation.tool_calls:
                break
            if rounds.is_over:
                raise ModelFailed(
                    f"the model asked for tools more than {rounds.round} times and gave no answer",
                    "invalid",
                )
            names = ", ".join(dict.fromkeys(call.name for call in generation.tool_calls))
            making.say(AnswerPart(kind="thinking", text=f"calling {names}", round=making.round))
            turns = await rounds.carry_out(generation.text, generation.tool_calls, left)
            left -= tokens_of_turns(turns)
            request = msgspec.structs.replace(
                request,
                turns=(*request.turns, *turns),
                generation_id=derived_id("gen", message.message_id, rounds.round),
                max_tokens=max(1, request.max_tokens + min(left, 0)),
            )
        return _given(message, request, generation, making, calls)

    async def _generate(self, request: GenerationRequest, making: Making) -> Generation:
        """Return what the model says next, told while it comes."""
        prompt_hash = dialogue_hash(request.turns)
        before = making.text
        making.asked = Asked(request, prompt_hash, asyncio.get_running_loop().time(), before)
        joint = _BREAK if before else ""
        generation: Generation | None = None
        async with aclosing(self._model.generate(request)) as told:
            async for one in told:
                match one:
                    case Delta(text=text):
                        making.add(joint + text)
                        joint = ""
                        _check_length(making)
                        # A provider whose pieces are all there already would let nobody else speak.
                        await asyncio.sleep(0)
                    case StartedOver():
                        making.start_over(before)
                        joint = _BREAK if before else ""
                    case Generation():
                        generation = one
        assert generation is not None, "a model ends with the whole or raises"
        making.asked = None
        _tell_rest(making, before, generation.text)
        making.record(generation.failures, SYSTEM_PROMPT, prompt_hash)
        making.payloads.append(_completed(request, generation, prompt_hash))
        return generation


def _check_length(making: Making) -> None:
    if len(making.text) > ANSWER_CHARS_MAX:
        raise ModelFailed(
            f"the model did not end: its answer passed {ANSWER_CHARS_MAX} characters", "invalid"
        )


def _tell_rest(making: Making, before: str, text: str) -> None:
    """Tell what the model's pieces lacked of the whole: all of it where it tells no pieces."""
    whole = f"{before}{_BREAK}{text}" if before and text else before + text
    if whole.startswith(making.text):
        making.add(whole[len(making.text) :])
    else:
        making.start_over(whole)


def _completed(
    request: GenerationRequest, generation: Generation, prompt_hash: str
) -> GenerationCompleted:
    completed = completed_generation(request, generation, SYSTEM_PROMPT, prompt_hash)
    if not request.tools:
        return completed
    tools = [tool.name for tool in request.tools]
    return msgspec.structs.replace(completed, parameters={**completed.parameters, "tools": tools})


def _given(
    message: MessageReceived,
    request: GenerationRequest,
    generation: Generation,
    making: Making,
    calls: Sequence[ToolCall],
) -> AnswerGiven:
    return AnswerGiven(
        message_id=answer_id(message.message_id),
        conversation=message.conversation,
        assistant=message.assistant,
        in_reply_to=message.message_id,
        content=making.text,
        citations=citations(making.text, request.recalled, generation.cited),
        model=generation.model,
        usage=usage_of(making.payloads),
        finish_reason="tool_calls" if calls else generation.finish_reason,
        tool_calls=tuple(map(call_shown, calls)),
    )


def usage_of(payloads: Sequence[Payload]) -> Usage:
    """Return what the generations of an answer used, together."""
    used = [one.usage for one in payloads if isinstance(one, GenerationCompleted)]
    return Usage(
        prompt_tokens=sum(one.prompt_tokens for one in used),
        completion_tokens=sum(one.completion_tokens for one in used),
        cached_tokens=sum(one.cached_tokens for one in used),
    )
