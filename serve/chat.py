"""From a message to its answer: listen first, append then, and wait no longer than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing

import msgspec

from actors.extraction import find_secrets
from actors.hearing import BEGINNING, Place
from actors.progress import AnswerPart
from actors.queries import GetMessage
from events.catalogue import MessageReceived
from events.errors import NotFound
from events.ids import derived_id, random_id
from events.said import AnswerOptions
from projections.conversations import Message
from serve.context import Caller, GatewayContext, new_event
from serve.identity import DEFAULT_CONVERSATION, Person
from serve.no_answer import NoAnswer, no_answer
from serve.problems import NotHandledYet, invalid
from serve.requests import ChatForm

#: A stream can be resumed: its answer goes on for so long after the client went away.
STREAM_GRACE_S = 10.0


class Exchange:
    """A message that has been recorded, and the answer that is on its way."""

    def __init__(self, context: GatewayContext, person: Person, message_id: str) -> None:
        self.message_id = message_id
        self.position = 0
        self._context = context
        self._person = person
        self._parts: AsyncIterator[AnswerPart]
        self._ended = False

    async def listen(
        self, stack: AsyncExitStack, *, grace_s: float, after: Place | None = None
    ) -> None:
        """Listen until `stack` closes; when the answer is not there by then, it is unheard."""
        stack.push_async_callback(self._leave, grace_s)
        backend, person = self._context.backend, self._person
        self._parts = await stack.enter_async_context(
            backend.listen(person.shard, person.id, self.message_id, after=after)
        )

    async def _leave(self, grace_s: float) -> None:
        if self.position and not self._ended:
            backend = self._context.backend
            await backend.unheard(self._person.shard, self.message_id, grace_s)

    async def parts(self) -> AsyncGenerator[AnswerPart, None]:
        """Yield the parts of the answer; the last one is `complete` or `error`.

        Raises:
            NotHandledYet: there is no answer within the time allowed.
            Unavailable: neither the parts nor the log can be reached.
        """
        deadline_s = asyncio.get_running_loop().time() + self._context.settings.answer_timeout_s
        while True:
            try:
                # Around one part, not around the loop: nothing may be yielded inside a timeout.
                async with asyncio.timeout_at(deadline_s):
                    part = await anext(self._parts, None)
            except TimeoutError:
                part = None
            if part is None:
                # Told so below: the answer goes on, and will be in the conversation.
                self._ended = True
                raise self._too_late()
            if part.kind in ("complete", "error"):
                self._ended = True
            yield part
            if self._ended:
                return

    async def answer(self) -> AnswerPart:
        """Return the whole answer.

        Raises:
            NotHandledYet: there is no answer within the time allowed.
            NoAnswer: there will be none.
        """
        async with aclosing(self.parts()) as parts:
            last = [part async for part in parts][-1]  # parts() ends with a last part or raises
        if last.kind == "error":
            raise self.no_answer(last)
        return last

    def no_answer(self, part: AnswerPart) -> NoAnswer:
        """Return the error that an `error` part of this exchange stands for."""
        return no_answer(part, self._context.clock())

    def _too_late(self) -> NotHandledYet:
        return NotHandledYet(
            f"message {self.message_id} is recorded at position {self.position}, but not answered "
            f"within {self._context.settings.answer_timeout_s:g} s; the answer will be in the "
            "conversation when it is there",
            self.position,
        )


async def begin(
    context: GatewayContext,
    caller: Caller,
    person: Person,
    received: Sequence[MessageReceived],
    stack: AsyncExitStack,
    *,
    grace_s: float = 0.0,
) -> Exchange:
    """Record messages, of which the last wants an answer; listen for it until `stack` closes."""
    message = received[-1]
    token = context.identities.conversation(person.id, message.conversation)
    events = [
        new_event(
            caller,
            person,
            payload,
            entity=token,
            event_id=derived_id("evt", "MessageReceived", payload.message_id),
        )
        for payload in received
    ]
    exchange = Exchange(context, person, message.message_id)
    context.backend.foresee(person.shard, events[-1], message)
    await exchange.listen(stack, grace_s=grace_s)
    exchange.position = await context.record(caller, person, events)
    return exchange


async def message_asked(
    context: GatewayContext, person: Person, message_id: str, assistant: str | None = None
) -> Message:
    """Return a message that a person said before.

    Raises:
        NotFound: there is no such message of this person, or not to `assistant`.
    """
    query = GetMessage(user=person.id, message_id=message_id)
    said: Message | None = await context.backend.ask(
        person.shard, "chat", query, timeout_s=context.settings.read_timeout_s
    )
    if said is None or said.in_reply_to or assistant not in (None, said.assistant):
        raise NotFound(f"there is no message {message_id[:100]!r} of this person to this agent")
    return said


async def go_on(
    context: GatewayContext,
    person: Person,
    message: Message,
    stack: AsyncExitStack,
    *,
    after: Place = BEGINNING,
    grace_s: float = 0.0,
) -> Exchange:
    """Listen, from a place on, to the answer to a message that was recorded before."""
    exchange = Exchange(context, person, message.id)
    exchange.position = message.position
    await exchange.listen(stack, grace_s=grace_s, after=after)
    return exchange


def messages_of(
    context: GatewayContext, form: ChatForm, assistant: str, *, model_where: str = "body.model"
) -> tuple[MessageReceived, ...]:
    """Return what a form says to an assistant profile; the last of it wants an answer.

    `context` of the form goes into the log in front of the message, as a system message of the same
    conversation: what an answer was made from can always be read back.
    """
    conversation = form.conversation_id or DEFAULT_CONVERSATION
    message = MessageReceived(
        message_id=random_id("msg"),
        conversation=conversation,
        content=form.message,
        said_at=context.clock(),
        assistant=assistant,
        answer_wanted=True,
        secret_spans=find_secrets(form.message),
        options=_options(context, form, model_where),
    )
    if not form.context:
        return (message,)
    told = _as_text(form.context)
    put_in_front = MessageReceived(
        message_id=derived_id("msg", message.message_id, "context"),
        conversation=conversation,
        role="system",
        content=told,
        said_at=message.said_at,
        assistant=assistant,
        tags=("context",),
        secret_spans=find_secrets(told),
    )
    return put_in_front, message


def _options(context: GatewayContext, form: ChatForm, model_where: str) -> AnswerOptions | None:
    known = context.settings.models
    if form.model and known and form.model not in known:
        raise invalid(model_where, f"is none of the configured ones: {', '.join(known)}")
    options = AnswerOptions(
        model=form.model or "",
        temperature=form.temperature,
        top_p=form.top_p,
        max_tokens=form.max_tokens,
        stop=form.stop,
        seed=form.seed,
    )
    return None if options == AnswerOptions() else options


def _as_text(context: object) -> str:
    return context if isinstance(context, str) else msgspec.json.encode(context).decode()
