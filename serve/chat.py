"""From a message to its answer: listen first, append then, and wait no longer than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

import msgspec

from actors.extraction import find_secrets
from actors.progress import AnswerPart
from actors.queries import ListMessages
from events.catalogue import MessageReceived
from events.envelope import NewEvent
from events.errors import Unavailable
from events.ids import derived_id, random_id
from serve.context import Caller, GatewayContext, new_event
from serve.identity import DEFAULT_CONVERSATION, Person
from serve.problems import NotHandledYet
from serve.requests import ChatForm


class Exchange:
    """A message that has been recorded, and the answer that is on its way."""

    def __init__(
        self,
        context: GatewayContext,
        person: Person,
        message: MessageReceived,
        position: int,
        parts: AsyncIterator[AnswerPart],
    ) -> None:
        self.message_id = message.message_id
        self.position = position
        self._context = context
        self._person = person
        self._message = message
        self._parts = parts

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
                raise self._too_late()
            if part.kind == "complete":
                await self._settled(part)
            yield part
            if part.kind in ("complete", "error"):
                return

    async def answer(self) -> AnswerPart:
        """Return the whole answer.

        Raises:
            NotHandledYet: there is no answer within the time allowed.
            Unavailable: the answer could not be made.
        """
        async with aclosing(self.parts()) as parts:
            last = [part async for part in parts][-1]  # parts() ends with a last part or raises
        if last.kind == "error":
            raise Unavailable(f"the answer could not be made: {last.text}")
        return last

    async def _settled(self, part: AnswerPart) -> None:
        """Let the conversation show the answer to whoever asks for it next."""
        await self._context.backend.ask(
            self._person.shard,
            "chat",
            ListMessages(user=self._person.id, conversation=self._message.conversation, limit=1),
            min_position=part.position,
            timeout_s=self._context.settings.read_timeout_s,
        )

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
    assistant: str,
    form: ChatForm,
    stack: AsyncExitStack,
) -> Exchange:
    """Record a message to an assistant profile and listen for its answer until `stack` closes.

    `context` of the form goes into the log in front of the message, as a system message of the same
    conversation: what an answer was made from can always be read back.
    """
    conversation_id = form.conversation_id or DEFAULT_CONVERSATION
    message = MessageReceived(
        message_id=random_id("msg"),
        conversation=conversation_id,
        content=form.message,
        said_at=context.clock(),
        assistant=assistant,
        answer_wanted=True,
        secret_spans=find_secrets(form.message),
    )
    received = [message]
    if form.context:
        put_in_front = MessageReceived(
            message_id=derived_id("msg", message.message_id, "context"),
            conversation=conversation_id,
            role="system",
            content=_as_text(form.context),
            said_at=message.said_at,
            assistant=assistant,
            tags=("context",),
        )
        received.insert(0, put_in_front)
    token = context.identities.conversation(person.id, conversation_id)
    events: list[NewEvent] = [
        new_event(
            caller,
            person,
            payload,
            entity=token,
            event_id=derived_id("evt", "MessageReceived", payload.message_id),
        )
        for payload in received
    ]
    parts = await stack.enter_async_context(
        context.backend.listen(person.shard, person.id, message.message_id)
    )
    position = await context.record(caller, person, events)
    return Exchange(context, person, message, position, parts)


def _as_text(context: object) -> str:
    return context if isinstance(context, str) else msgspec.json.encode(context).decode()
