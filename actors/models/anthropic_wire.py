"""Anthropic's messages.

The only module that knows the `anthropic` SDK; it is imported when such a provider is configured.

The protocol differs from OpenAI's in four ways. System messages are apart, in one text. Turns of
user and assistant alternate, and the user's come first. Calls of tools and their results are blocks
of turns. And there is no temperature, top_p or seed: since its version of October 2026 the API
refuses them, so they are left out. An output schema is the SDK's structured output; for models that
do not know it, `structured = "json"` makes the schema that of a tool which the model has to call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import anthropic
import httpx2
import msgspec

from actors.models.port import GenerationRequest, OutputSchema, Turn
from actors.models.sdk_errors import model_failed
from actors.models.settings import ProviderSettings
from actors.models.wire import CONNECT_S, Heard, Wire, schema_in_words
from events.catalogue import Usage

ADDRESS = "https://api.anthropic.com"
#: What stands before a dialogue that the assistant begins.
_BEFORE = "(What was said before is not shown.)"
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


class AnthropicModel(Wire):
    """A model of Anthropic's."""

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, anthropic)
        self._client = anthropic.AsyncAnthropic(
            api_key=settings.api_key,
            base_url=settings.base_url or ADDRESS,
            max_retries=0,
            timeout=httpx2.Timeout(settings.deadline_s, connect=CONNECT_S),
        )

    def _listen(self, request: GenerationRequest) -> Heard:
        return Heard(_answer_tool(request, self.settings))

    async def _open(self, request: GenerationRequest) -> Any:
        return await self._client.messages.create(**message_request(request, self.settings))

    def _take(self, chunk: Any, heard: Heard) -> str:
        match chunk.type:
            case "message_start":
                heard.model = chunk.message.model or heard.model
                heard.usage = _usage(chunk.message.usage, 0)
            case "content_block_start" if chunk.content_block.type == "tool_use":
                if chunk.content_block.name != heard.answer_tool:
                    at = len(heard.calls)
                    heard.blocks[chunk.index] = at
                    heard.call(at, chunk.content_block.id, chunk.content_block.name, "")
            case "content_block_delta" if chunk.delta.type == "text_delta":
                # Beside the tool that is the answer, words are none.
                return "" if heard.answer_tool else chunk.delta.text or ""
            case "content_block_delta" if chunk.delta.type == "input_json_delta":
                piece: str = chunk.delta.partial_json or ""
                if chunk.index not in heard.blocks:
                    return piece
                heard.call(heard.blocks[chunk.index], None, None, piece)
            case "message_delta":
                if chunk.delta.stop_reason:
                    heard.finish = _FINISH.get(chunk.delta.stop_reason, "stop")
                    if heard.finish == "tool_calls" and not heard.calls:
                        heard.finish = "stop"
                told = chunk.usage.output_tokens or 0
                heard.usage = msgspec.structs.replace(heard.usage, completion_tokens=told)
        return ""


def _usage(told: Any, completion_tokens: int) -> Usage:
    """Return the usage; Anthropic counts what it read from and wrote to its cache apart."""
    read = told.cache_read_input_tokens or 0
    written = told.cache_creation_input_tokens or 0
    return Usage(
        prompt_tokens=(told.input_tokens or 0) + read + written,
        completion_tokens=completion_tokens,
        cached_tokens=read,
    )


def _answer_tool(request: GenerationRequest, settings: ProviderSettings) -> str:
    """Return the name of the tool that the answer has to come through, or nothing.

    There is none beside tools of the client's own, which the model must remain free to call.
    """
    if request.output is None or request.tools or settings.structured != "json":
        return ""
    return re.sub(r"[^A-Za-z0-9_-]", "_", request.output.name)[:64]


def message_request(request: GenerationRequest, settings: ProviderSettings) -> dict[str, Any]:
    """Return the arguments of `messages.create` for a request."""
    system, messages = dialogue(request.turns)
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": messages,
        "max_tokens": request.max_tokens,
        "stream": True,
    }
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            {"name": one.name, "description": one.description, "input_schema": one.input_schema}
            for one in request.tools
        ]
    if request.output is not None:
        if settings.structured == "schema":
            schema = _schema(request.output, settings)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        elif name := _answer_tool(request, settings):
            schema = request.output.schema
            tool = {"name": name, "description": "Give the answer.", "input_schema": schema}
            body["tools"] = [tool]
            body["tool_choice"] = {"type": "tool", "name": name, "disable_parallel_tool_use": True}
        else:
            system = "\n\n".join((system, schema_in_words(request.output))).strip()
    if system:
        body["system"] = system
    return body


def _schema(output: OutputSchema, settings: ProviderSettings) -> dict[str, Any]:
    """Return a schema with nothing in it that Anthropic does not know; the rest becomes words.

    Raises:
        ModelFailed: `refused`: the schema, which may be a client's, is none.
    """
    try:
        return anthropic.transform_schema(output.schema)
    # What it does not expect, the SDK takes for an error of its own, too.
    except (AssertionError, ValueError, TypeError, AttributeError, LookupError):
        raise model_failed(settings.name, "refused", "the output schema is not valid") from None


def dialogue(turns: Sequence[Turn]) -> tuple[str, list[dict[str, Any]]]:
    """Return the system messages as one text, and the other turns as alternating messages."""
    system = [turn.content for turn in turns if turn.role == "system" and turn.content]
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "system" or not (blocks := _blocks(turn)):
            continue
        role = "assistant" if turn.role == "assistant" else "user"
        if not messages and role == "assistant":
            messages.append({"role": "user", "content": [{"type": "text", "text": _BEFORE}]})
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"].extend(blocks)
        else:
            messages.append({"role": role, "content": blocks})
    if not messages and system:
        # Instructions alone: the last of them is what there is to answer.
        messages = [{"role": "user", "content": [{"type": "text", "text": system.pop()}]}]
    return "\n\n".join(system), messages


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": turn.tool_call_id, "content": turn.content}]
    blocks: list[dict[str, Any]] = []
    if turn.content.strip():
        blocks.append({"type": "text", "text": turn.content})
    blocks += (
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call.arguments)}
        for call in turn.tool_calls
    )
    return blocks


def _arguments(text: str) -> dict[str, Any]:
    """Return the arguments that a model wrote; what is no JSON object is shown as it was."""
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = text
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}
