"""How an answer is said in each protocol: as one body, or as the events of a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sse_starlette import ServerSentEvent

MODEL = "small-model-2026-01-07"


@dataclass
class Said:
    """What the model behind the server says: a text, or calls of tools; and why it stopped."""

    text: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    finish: str = "stop"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    #: The tool through which an answer goes that follows a schema, in Anthropic's protocol.
    answer_tool: str = ""

    @property
    def pieces(self) -> list[str]:
        """The text in pieces, as a model would make them."""
        return re.findall(r"\s*\S+", self.text) or ([self.text] if self.text else [])


def openai_events(said: Said) -> Iterator[ServerSentEvent]:
    """Yield a chat completion as a stream."""

    def chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> ServerSentEvent:
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": MODEL,
            "choices": choices,
            "usage": usage,
        }
        return ServerSentEvent(data=json.dumps(body, ensure_ascii=False))

    def delta(told: dict[str, Any], finish: str | None = None) -> ServerSentEvent:
        return chunk([{"index": 0, "delta": told, "finish_reason": finish}], None)

    yield delta({"role": "assistant", "content": ""})
    for piece in said.pieces:
        yield delta({"content": piece})
    for at, call in enumerate(said.calls):
        head = {"name": call["name"], "arguments": ""}
        start = {"index": at, "id": call["id"], "type": "function", "function": head}
        yield delta({"tool_calls": [start]})
        for part in _halves(call["arguments"]):
            yield delta({"tool_calls": [{"index": at, "function": {"arguments": part}}]})
    yield delta({}, said.finish)
    yield chunk([], openai_usage(said))
    yield ServerSentEvent(data="[DONE]")


def openai_body(said: Said) -> dict[str, Any]:
    """Return a chat completion as one body."""
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in said.calls
    ]
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if calls:
        message["tool_calls"] = calls
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": said.finish}],
        "usage": openai_usage(said),
    }


def openai_usage(said: Said) -> dict[str, Any]:
    """Return the usage as OpenAI counts it: cached tokens are part of the prompt."""
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": len(said.pieces),
        "total_tokens": said.prompt_tokens + len(said.pieces),
        "prompt_tokens_details": {"cached_tokens": said.cached_tokens},
    }


def anthropic_events(said: Said) -> Iterator[ServerSentEvent]:
    """Yield a message as a stream."""

    def event(kind: str, **parts: Any) -> ServerSentEvent:
        return ServerSentEvent(
            event=kind, data=json.dumps({"type": kind, **parts}, ensure_ascii=False)
        )

    head = {**anthropic_body(said), "content": [], "stop_reason": None}
    yield event("message_start", message=head)
    for at, block in enumerate(_blocks(said)):
        empty = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
        yield event("content_block_start", index=at, content_block=empty)
        if block["type"] == "text":
            parts = [{"type": "text_delta", "text": one} for one in said.pieces]
        else:
            parts = [
                {"type": "input_json_delta", "partial_json": one}
                for one in _halves(json.dumps(block["input"], ensure_ascii=False))
            ]
        for part in parts:
            yield event("content_block_delta", index=at, delta=part)
        yield event("content_block_stop", index=at)
    usage = {"output_tokens": len(said.pieces)}
    stop = {"stop_reason": _STOP[said.finish], "stop_sequence": None}
    if said.answer_tool and said.finish == "stop":
        stop["stop_reason"] = "tool_use"
    yield event("message_delta", delta=stop, usage=usage)
    yield event("message_stop")


_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def anthropic_body(said: Said) -> dict[str, Any]:
    """Return a message as one body; cached tokens are counted beside the prompt."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": _blocks(said),
        "stop_reason": _STOP[said.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.prompt_tokens - said.cached_tokens,
            "cache_read_input_tokens": said.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": len(said.pieces),
        },
    }


def _blocks(said: Said) -> list[dict[str, Any]]:
    if said.answer_tool and said.text:
        answer = {"id": "toolu_1", "name": said.answer_tool, "input": json.loads(said.text)}
        return [{"type": "tool_use", **answer}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    return blocks + [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["name"],
            "input": json.loads(call["arguments"]),
        }
        for call in said.calls
    ]


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]
