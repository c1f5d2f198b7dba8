"""From a dialogue as OpenAI's clients tell it to the messages that are new in it.

Such a client sends all of its dialogue every time. What comes behind the assistant's last turn is
new and is recorded; the last of it is answered, and carries all turns before it as its options. A
message is recorded twice only when the client asks twice: a repeated request is known by its
`Idempotency-Key`, or by the SDK's own count of retries while this replica remembers the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from actors.extraction import find_secrets
from events.catalogue import MessageReceived
from events.ids import derived_id
from events.memory import Value
from events.said import AnswerOptions
from serve.edge import check_storable
from serve.openai_requests import CompletionForm, DialogueMessage
from serve.problems import invalid


class Answering(Value, frozen=True, kw_only=True):
    """Who answers: a profile (empty: the default assistant), by a model (empty: as configured)."""

    assistant: str = ""
    model: str = ""


def new_messages(dialogue: Sequence[DialogueMessage]) -> list[int]:
    """Return the places of the messages that are new: behind the assistant's last turn.

    Raises:
        Invalid: the last message is not for the assistant to answer.
    """
    last = len(dialogue) - 1
    if dialogue[last].role not in ("user", "tool"):
        raise invalid(
            f"body.messages[{last}].role", "the last message must be a user's or a tool's"
        )
    said = [-1, *(at for at, one in enumerate(dialogue) if one.role == "assistant")]
    behind = range(said[-1] + 1, last + 1)
    return [at for at in behind if dialogue[at].role in ("user", "tool")]


def received(
    form: CompletionForm,
    token: str,
    conversation: str,
    answering: Answering,
    said_at: datetime,
    chars_max: int,
) -> tuple[MessageReceived, ...]:
    """Return the new messages of a dialogue as they are recorded; the last wants an answer.

    Raises:
        Invalid: something in them cannot be done here, or not be recorded.
    """
    places = new_messages(form.messages)
    messages = []
    for at in places:
        one = form.messages[at]
        content = text_of(one, f"body.messages[{at}]")
        if len(content) > chars_max:
            raise invalid(f"body.messages[{at}].content", f"is over {chars_max} characters")
        if one.role == "user" and not content.strip():
            raise invalid(f"body.messages[{at}].content", "is empty")
        if one.role == "tool" and not one.tool_call_id:
            raise invalid(f"body.messages[{at}].tool_call_id", "is missing: of which call is it?")
        is_last = at == places[-1]
        messages.append(
            MessageReceived(
                message_id=derived_id("msg", token, at),
                conversation=conversation,
                role="user" if one.role == "user" else "tool",
                name=one.name or "",
                content=content,
                said_at=said_at,
                assistant=answering.assistant,
                answer_wanted=is_last,
                secret_spans=find_secrets(content),
                options=options_of(form, answering.model) if is_last else None,
                tool_call_id=one.tool_call_id or "",
            )
        )
    return tuple(messages)


def text_of(message: DialogueMessage, where: str) -> str:
    """Return the text of a message's content.

    Raises:
        Invalid: it holds something other than text.
    """
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    for index, part in enumerate(message.content):
        if part.type not in ("text", "refusal"):
            raise invalid(f"{where}.content[{index}].type", f"only text here, not {part.type!r}")
    return "\n".join(part.text or part.refusal or "" for part in message.content)


def options_of(form: CompletionForm, model: str) -> AnswerOptions:
    """Return how the answer is wished, with all turns before the last message.

    Raises:
        Invalid: it is wished in a way that is not done here.
    """
    if form.n not in (None, 1):
        raise invalid("body.n", "one choice is all there is here; ask again for another")
    if form.tool_choice not in (None, "auto", "none"):
        raise invalid("body.tool_choice", "is auto or none here; a call cannot be forced")
    turns = tuple(
        _turn(one, text_of(one, f"body.messages[{at}]"))
        for at, one in enumerate(form.messages[:-1])
    )
    tools = () if form.tool_choice == "none" else form.tools or ()
    schema = _schema(form)
    check_storable(list(turns), "body.messages")
    check_storable(list(tools), "body.tools")
    check_storable(schema, "body.response_format")
    return AnswerOptions(
        model=model,
        temperature=form.temperature,
        top_p=form.top_p,
        max_tokens=form.max_completion_tokens or form.max_tokens,
        stop=(form.stop,) if isinstance(form.stop, str) else form.stop or (),
        seed=form.seed,
        output_schema=schema,
        turns=turns,
        tools=tools,
    )


def _turn(message: DialogueMessage, content: str) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": content}
    if message.name:
        turn["name"] = message.name
    if message.tool_calls:
        turn["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _schema(form: CompletionForm) -> dict[str, Any] | None:
    wanted = form.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None or not wanted.json_schema.schema:
        raise invalid("body.response_format.json_schema", "is missing its schema")
    return wanted.json_schema.schema
