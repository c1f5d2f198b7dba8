"""The misbehaving server itself: real HTTP on a loopback port, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.misbehaving.behaviour import WELL, Behaviour, Faults
from tests.misbehaving.spoken import (
    Said,
    anthropic_body,
    anthropic_events,
    openai_body,
    openai_events,
)

Protocol = Literal["openai", "anthropic"]
#: Tells the server to call the first tool that it is offered.
USE_THE_TOOL = "use the tool"
START_S_MAX = 20.0


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    protocol: Protocol
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def last(self) -> str:
        """What was said last, as text."""
        content = self.body["messages"][-1]["content"]
        if isinstance(content, str):
            return content
        last = (content or [{}])[-1]
        return str(last.get("text", last.get("content", "")))


def echo(asked: Asked) -> Said:
    """Return what the model says: it repeats, fills in the schema, or calls the tool."""
    body = asked.body
    prompt_tokens = len(json.dumps(body["messages"]).split())
    said = Said(text=f"You said: {asked.last}", prompt_tokens=prompt_tokens, cached_tokens=1)
    if USE_THE_TOOL in asked.last and body.get("tools"):
        tool = body["tools"][0]
        name = tool["function"]["name"] if asked.protocol == "openai" else tool["name"]
        said.text, said.finish = "", "tool_calls"
        said.calls = [{"id": "call_7", "name": name, "arguments": '{"query": "kiln"}'}]
    elif "tool_choice" in body and asked.protocol == "anthropic":
        said.answer_tool = body["tool_choice"]["name"]
        said.text = json.dumps({"said": asked.last}, ensure_ascii=False)
    elif "response_format" in body or "output_config" in body:
        said.text = json.dumps({"said": asked.last}, ensure_ascii=False)
    return said


class MisbehavingServer:
    """Answers as the script says, then as `faults` say, then well; counts what it is asked."""

    def __init__(self, faults: Faults | None = None, says: Callable[[Asked], Said] = echo) -> None:
        self.asked: list[Asked] = []
        self.answered = 0
        self.cancelled = 0
        #: Settings of sampling that its model does not know.
        self.unknown: frozenset[str] = frozenset()
        self._script: deque[Behaviour] = deque()
        self._faults = faults
        self._says = says
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(
                    routes=[
                        Route("/v1/chat/completions", self._openai, methods=["POST"]),
                        Route("/v1/messages", self._anthropic, methods=["POST"]),
                        Route("/counts", self._counts),
                    ]
                ),
                host="127.0.0.1",
                port=0,
                # It breaks connections by raising, which is nothing to tell of.
                log_level="critical",
                lifespan="off",
                timeout_graceful_shutdown=0,
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Start to listen.

        Raises:
            TimeoutError: it does not.
        """
        self._thread.start()
        deadline = time.monotonic() + START_S_MAX
        while not self._server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the misbehaving server did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop, whatever is still being answered."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(START_S_MAX)

    @contextmanager
    def running(self) -> Iterator[MisbehavingServer]:
        """Listen while the context lasts."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    @property
    def address(self) -> str:
        """Where it listens, without a path."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def script(self, *behaviours: Behaviour) -> None:
        """Say how the next requests are answered, in their order."""
        self._script.extend(behaviours)

    def counts(self) -> dict[str, int]:
        """Return how many requests came, were answered to the end, and were given up."""
        return {
            "asked": len(self.asked),
            "answered": self.answered,
            "cancelled": self.cancelled,
        }

    async def _counts(self, _: Request) -> Response:
        return JSONResponse(self.counts())

    async def _openai(self, request: Request) -> Response:
        return await self._answer(request, "openai")

    async def _anthropic(self, request: Request) -> Response:
        return await self._answer(request, "anthropic")

    async def _answer(self, request: Request, protocol: Protocol) -> Response:
        asked = Asked(protocol, await request.json(), dict(request.headers))
        self.asked.append(asked)
        for setting in self.unknown & asked.body.keys():
            error = {"message": f"unknown: {setting}", "param": setting, "type": "invalid"}
            return JSONResponse({"error": error}, 400)
        behaviour = self._next()
        if behaviour.misdeed == "status":
            return _http_error(behaviour, asked)
        if behaviour.misdeed == "silent":
            # The next thing that a client says after its whole request is that it went away.
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.cancelled += 1
            return Response(status_code=499)
        said = self._says(asked)
        if behaviour.misdeed == "empty":
            said = Said(prompt_tokens=said.prompt_tokens)
        if behaviour.misdeed == "filtered":
            said = Said(finish="content_filter", prompt_tokens=said.prompt_tokens)
        if not asked.body.get("stream"):
            self.answered += 1
            body = openai_body(said) if protocol == "openai" else anthropic_body(said)
            return JSONResponse(body)
        events = openai_events(said) if protocol == "openai" else anthropic_events(said)
        return EventSourceResponse(self._stream(events, behaviour, protocol), sep="\n", ping=3600)

    def _next(self) -> Behaviour:
        if self._script:
            return self._script.popleft()
        return self._faults.next() if self._faults is not None else WELL

    async def _stream(
        self, events: Iterator[ServerSentEvent], behaviour: Behaviour, protocol: Protocol
    ) -> AsyncIterator[ServerSentEvent]:
        """Yield the events of an answer, until something goes wrong."""
        # What a protocol says before the first piece of text is no piece.
        left = behaviour.pieces + (1 if protocol == "openai" else 2)
        whole = False
        try:
            for event in events:
                if behaviour.misdeed in _IN_STREAM and left == 0:
                    async for wrong in _go_wrong(behaviour, protocol):
                        yield wrong
                    return
                left -= 1
                yield event
                await asyncio.sleep(behaviour.piece_s)
            whole = True
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += not whole
            raise
        self.answered += 1


_IN_STREAM = frozenset({"stalls", "cuts", "ends", "garbage", "error_in_stream", "declines"})


async def _go_wrong(behaviour: Behaviour, protocol: Protocol) -> AsyncIterator[ServerSentEvent]:
    match behaviour.misdeed:
        case "stalls":
            await asyncio.sleep(3600)
        case "cuts":
            # The connection ends without the end of its body.
            raise ConnectionAbortedError
        case "garbage":
            name = None if protocol == "openai" else "content_block_delta"
            yield ServerSentEvent(event=name, data='{"choices": [{"delta": ')
        case "error_in_stream":
            error = {"type": "overloaded_error", "message": "too much to do"}
            name = None if protocol == "openai" else "error"
            yield ServerSentEvent(event=name, data=json.dumps({"type": "error", "error": error}))
        case "declines" if protocol == "openai":
            body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
            choice = {"index": 0, "delta": {"refusal": "I can't."}, "finish_reason": "stop"}
            yield ServerSentEvent(data=json.dumps({**body, "model": "m", "choices": [choice]}))


def _http_error(behaviour: Behaviour, asked: Asked) -> Response:
    """Return an error that, like a real one, repeats key and prompt in its words."""
    key = asked.headers.get("authorization") or asked.headers.get("x-api-key", "")
    message = f"{behaviour.code}: key {key}, prompt {asked.last}"
    error = {"type": behaviour.code, "code": behaviour.code, "message": message}
    headers = {"retry-after": behaviour.retry_after} if behaviour.retry_after else None
    body = {"type": "error", "error": error}
    return JSONResponse(body, behaviour.status, headers=headers)
