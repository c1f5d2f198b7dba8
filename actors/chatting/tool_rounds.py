"""Tools that a model may call while it answers: our own through the tool agent, or the client's.

A call of ours becomes an event, the tool agent carries it out, and what came of it is handed back
to the model. A call of the client's own tools ends the answer: the client makes it, and goes on
with a message of the role `tool`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from actors.chatting.tokens import BYTES_A_TOKEN, cut_to, tokens_of_turns
from actors.models.port import ToolCall, ToolOffered, Turn
from actors.ports import ToolCalls
from actors.prompts import without_secrets
from events.envelope import Event
from events.errors import MirixError
from events.ids import derived_id

#: How often a model may ask for tools before it has to answer,
ROUNDS_MAX = 4
#: and how many calls at a time; more are refused.
CALLS_MAX = 8
#: Of a result, so much is handed back: as much as a tool itself returns of a text.
RESULT_TOKENS_MAX = 4000 // BYTES_A_TOKEN
#: How long the model waits for a tool.
TOOL_WAIT_S = 30.0

_LAST = "\n(There are no more tool calls for this answer: answer now.)"


def client_tools(told: Iterable[Mapping[str, Any]]) -> tuple[ToolOffered, ...]:
    """Return a client's own tools; each is OpenAI's object, or name, description and schema."""
    offered = []
    for one in told:
        function = one.get("function")
        tool = function if isinstance(function, Mapping) else one
        name = tool.get("name")
        schema = tool.get("parameters", tool.get("input_schema"))
        if isinstance(name, str) and name:
            offered.append(
                ToolOffered(
                    name=name,
                    description=str(tool.get("description") or ""),
                    input_schema=dict(schema) if isinstance(schema, Mapping) else _NO_ARGUMENTS,
                )
            )
    return tuple(offered)


_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


class ToolRounds:
    """The rounds of tool calls of one answer."""

    def __init__(
        self,
        cause: Event,
        message_id: str,
        calls: ToolCalls | None,
        ours: Sequence[ToolOffered],
        clients: Sequence[ToolOffered],
    ) -> None:
        self._cause = cause
        self._message_id = message_id
        self._calls = calls
        self._clients = {tool.name for tool in clients}
        # A client's tool hides one of ours by the same name.
        self._ours = {tool.name: tool for tool in ours if tool.name not in self._clients}
        self.offered = (*clients, *self._ours.values())
        self.round = 0

    @property
    def is_over(self) -> bool:
        """Whether the model has had all its rounds."""
        return self.round >= ROUNDS_MAX

    def of_client(self, calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
        """Return the calls of the client's own tools."""
        return tuple(call for call in calls if call.name in self._clients)

    async def carry_out(self, said: str, calls: Sequence[ToolCall], room: int) -> tuple[Turn, ...]:
        """Carry calls out side by side; return them and what came of them as turns.

        Args:
            said: what the model said before it asked.
            calls: what it asked for.
            room: tokens left for the results in the context.
        """
        asked = Turn(role="assistant", content=said, tool_calls=tuple(calls))
        room -= tokens_of_turns((asked,))
        outcomes = await asyncio.gather(
            *(self._outcome(call, ordinal) for ordinal, call in enumerate(calls))
        )
        self.round += 1
        tokens = min(RESULT_TOKENS_MAX, max(room // len(calls), 0))
        told = [cut_to(without_secrets(outcome), tokens) for outcome in outcomes]
        told = [text or "(no room is left for the result)" for text in told]
        if self.is_over:
            told[-1] += _LAST
        results = (
            Turn(role="tool", content=text, name=call.name, tool_call_id=call.id)
            for call, text in zip(calls, told, strict=True)
        )
        return (asked, *results)

    async def _outcome(self, call: ToolCall, ordinal: int) -> str:
        """Return what came of a call as JSON text; what went wrong is told to the model."""
        if ordinal >= CALLS_MAX:
            return _error(f"no more than {CALLS_MAX} calls at a time")
        if self._calls is None or call.name not in self._ours:
            return _error(f"there is no tool {call.name!r}; there are {', '.join(self._ours)}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
            msgspec.msgpack.encode(arguments)  # as it will be recorded: not every number fits
        except (msgspec.DecodeError, RecursionError, OverflowError) as error:
            return _error(f"the arguments are no JSON object: {error}")
        parts = (self._message_id, self.round, ordinal, call.name, call.arguments)
        call_id = derived_id("call", *parts)
        try:
            view = await self._calls.call(
                self._cause, call_id, call.name, arguments, timeout_s=TOOL_WAIT_S
            )
        except MirixError as error:
            return _error(error.message)
        if view.status == "returned":
            return msgspec.json.encode(view.result).decode()
        return _error(view.error or "it gave no result")


def _error(text: str) -> str:
    return msgspec.json.encode({"error": text}).decode()
