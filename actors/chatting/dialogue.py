"""The turns of a dialogue: as the conversation is remembered, or as the client itself tells it.

Providers are strict about turns: a call of a tool is followed by its results and no result stands
alone, people and assistant take turns, and one system turn stands in front of all. Whatever was
recorded, what comes out of here keeps to that. Secrets are blotted out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from actors.extraction.secrets import mask
from actors.models.port import ToolCall, Turn
from actors.prompts import without_secrets
from actors.queries import Window
from events.catalogue import MessageReceived
from projections.conversations import Message


def remembered_turns(window: Window) -> tuple[Turn, ...]:
    """Return the last messages of a conversation as turns, oldest first."""
    return tuple(_remembered(message) for message in window.messages)


def _remembered(message: Message) -> Turn:
    content = mask(message.content, message.secret_spans)
    match message.role:
        case "assistant":
            return Turn(
                role="assistant", content=content, tool_calls=_tool_calls(message.tool_calls)
            )
        case "tool":
            return Turn(role="tool", content=content, tool_call_id=message.tool_call_id)
        case "system":
            # Said for this conversation, by whoever sent it: no more than a person may say.
            return Turn(role="user", content=f"(context) {content}")
        case _:
            return Turn(role="user", content=_spoken(message.name, content))


def question_of(message: MessageReceived) -> str:
    """Return the words that are to be answered."""
    return mask(message.content, message.secret_spans)


def message_turn(message: MessageReceived) -> Turn:
    """Return the turn that is to be answered."""
    content = question_of(message)
    if message.role == "tool":
        return Turn(role="tool", content=content, tool_call_id=message.tool_call_id)
    return Turn(role="user", content=_spoken(message.name, content))


def _spoken(name: str, content: str) -> str:
    """Put the speaker before the words: a conversation may have several."""
    return f"{name}: {content}" if name else content


def client_turns(told: Iterable[Mapping[str, Any]]) -> tuple[str, tuple[Turn, ...]]:
    """Return what a client put in front of its dialogue for the system, and the turns after it.

    Args:
        told: OpenAI's message objects.
    """
    system: list[str] = []
    turns: list[Turn] = []
    for one in told:
        content = without_secrets(_text(one.get("content")))
        name = one.get("name")
        match one.get("role"):
            case "system" | "developer":
                system.append(content)
            case "assistant":
                calls = _tool_calls(one.get("tool_calls") or ())
                turns.append(Turn(role="assistant", content=content, tool_calls=calls))
            case "tool":
                call_id = str(one.get("tool_call_id") or "")
                turns.append(Turn(role="tool", content=content, tool_call_id=call_id))
            case _:
                speaker = name if isinstance(name, str) else ""
                turns.append(Turn(role="user", content=_spoken(speaker, content)))
    return "\n\n".join(filter(None, system)), tuple(turns)


def _text(content: object) -> str:
    """Return the text of a message's content, which may be in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_calls(calls: Iterable[Any]) -> tuple[ToolCall, ...]:
    made = []
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = function.get("arguments")
            made.append(
                ToolCall(
                    id=str(call.get("id") or ""),
                    name=str(function.get("name") or ""),
                    arguments=_masked_json(arguments if isinstance(arguments, str) else "{}"),
                )
            )
    return tuple(made)


def _masked_json(text: str) -> str:
    """Blot secrets out of JSON text; what is no JSON any more then is left out."""
    masked = without_secrets(text)
    try:
        msgspec.json.decode(masked)
    except (msgspec.DecodeError, RecursionError):  # the latter: nested without end
        return "{}"
    return masked


def call_shown(call: ToolCall) -> dict[str, Any]:
    """Return a call as OpenAI's clients know it, and as an answer keeps it."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


#: Turns that only make sense together, in order.
Unit = tuple[Turn, ...]


def units(turns: Sequence[Turn]) -> list[Unit]:
    """Return the turns in units that may fall out of a context each: none tears a pair apart.

    A call of tools and its results are a unit; a call whose results are not all there is told
    without them, a result that belongs to no call as what somebody said.
    """
    found: list[Unit] = []
    at = 0
    while at < len(turns):
        turn = turns[at]
        end = at + 1
        while end < len(turns) and turns[end].role == "tool":
            end += 1
        results, at = turns[at + 1 : end], end
        wanted = {call.id for call in turn.tool_calls}
        if wanted and wanted == {result.tool_call_id for result in results}:
            found.append((turn, *results))
            continue
        # Somebody went on without the results, or they lie further back than we look.
        alone = msgspec.structs.replace(turn, tool_calls=())
        if alone.content or not turn.tool_calls:
            found.append((_said(alone),))
        found += [(_said(result),) for result in results]
    return found


def _said(turn: Turn) -> Turn:
    if turn.role != "tool":
        return turn
    return Turn(role="user", content=f"(result of a tool) {turn.content}")


def alternating(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the turns with those that people said one after another as one."""
    found: list[Turn] = []
    for turn in turns:
        if turn.role == "user" and found and found[-1].role == "user":
            joined = f"{found[-1].content}\n\n{turn.content}"
            found[-1] = msgspec.structs.replace(found[-1], content=joined)
        else:
            found.append(turn)
    return tuple(found)
