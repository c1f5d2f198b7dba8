"""OpenAI's chat completions: OpenAI itself and whatever speaks the same (Groq, vLLM, Ollama).

The only module that knows the `openai` SDK; it is imported when such a provider is configured.
"""

from __future__ import annotations

import re
from typing import Any

import httpx2
import msgspec
import openai

from actors.models.openai_chunks import Chunk, Function
from actors.models.port import GenerationRequest, OutputSchema, Turn
from actors.models.sdk_errors import unsupported_setting
from actors.models.settings import ProviderSettings
from actors.models.wire import CONNECT_S, Heard, Wire, schema_in_words
from events.catalogue import Usage

ADDRESS = "https://api.openai.com/v1"
#: Names that OpenAI takes, of speakers and of schemas.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class OpenAIModel(Wire):
    """A model behind an address that speaks OpenAI's chat completions."""

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, openai)
        self._unsupported: set[str] = set()
        self._client = openai.AsyncOpenAI(
            # Servers of one's own often want none, but the SDK does.
            api_key=settings.api_key or "none",
            base_url=settings.base_url or ADDRESS,
            max_retries=0,
            timeout=httpx2.Timeout(settings.deadline_s, connect=CONNECT_S),
        )

    async def _open(self, request: GenerationRequest) -> Any:
        body = chat_completion(request, self.settings)
        while True:
            sent = {key: value for key, value in body.items() if key not in self._unsupported}
            try:
                return await self._client.post(
                    "/chat/completions",
                    body=sent,
                    cast_to=object,
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
            except openai.BadRequestError as error:
                setting = unsupported_setting(error, sent)
                if setting is None:
                    raise
                self._unsupported.add(setting)

    def _take(self, chunk: Any, heard: Heard) -> str:
        told = chunk if isinstance(chunk, Chunk) else msgspec.convert(chunk, Chunk)
        heard.model = told.model or heard.model
        if (usage := told.usage) is not None:
            details = usage.prompt_tokens_details
            heard.usage = Usage(
                prompt_tokens=usage.prompt_tokens or 0,
                completion_tokens=usage.completion_tokens or 0,
                cached_tokens=(details.cached_tokens or 0) if details else 0,
            )
        if not told.choices:
            return ""
        choice = told.choices[0]
        if choice.finish_reason:
            heard.finish = _FINISH.get(choice.finish_reason, "stop")
        heard.refusal = heard.refusal or bool(choice.delta.refusal)
        for call in choice.delta.tool_calls or ():
            at = call.index if call.index is not None else len(heard.calls)
            function = call.function or Function()
            heard.call(at, call.id, function.name, function.arguments or "")
        return choice.delta.content or ""


def chat_completion(request: GenerationRequest, settings: ProviderSettings) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create` for a request."""
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [_message(turn) for turn in request.turns],
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    # OpenAI's newer models refuse the old name, other servers do not know the new one.
    limit = "max_completion_tokens" if settings.kind == "openai" else "max_tokens"
    body[limit] = request.max_tokens
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            }
            for tool in request.tools
        ]
    if request.output is not None:
        _hold_to(request.output, settings, body)
    return body


def _hold_to(output: OutputSchema, settings: ProviderSettings, body: dict[str, Any]) -> None:
    """Hold the output to a schema in the way that the provider knows."""
    if settings.structured == "schema":
        schema = {
            "name": re.sub(r"[^A-Za-z0-9_-]", "_", output.name)[:64],
            "schema": output.schema,
            "strict": _is_strict(output.schema),
        }
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return
    if settings.structured == "json":
        body["response_format"] = {"type": "json_object"}
    body["messages"] = [*body["messages"][:-1], _with_schema(body["messages"][-1], output)]


def _with_schema(message: dict[str, Any], output: OutputSchema) -> dict[str, Any]:
    content = message.get("content") or ""
    return {**message, "content": f"{content}\n\n{schema_in_words(output)}".lstrip()}


def _is_strict(schema: Any) -> bool:
    """Say whether a schema is of the strict kind: every object closed, every property required."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if "properties" in schema or schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(properties):
            return False
    return all(map(_is_strict, schema.values()))


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.role == "tool":
        message["tool_call_id"] = turn.tool_call_id
    elif _NAME.fullmatch(turn.name):
        message["name"] = turn.name
    if turn.tool_calls:
        message["content"] = turn.content or None
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.tool_calls
        ]
    return message
