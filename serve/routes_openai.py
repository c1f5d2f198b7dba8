"""OpenAI's interface under `/v1`: its official clients work unchanged, with a memory behind them.

Whose memory: `user` of the body, or `X-User-Id`. Which conversation: `X-Conversation-Id`, or one
that derives from the person, the assistant and the first message of the dialogue.
"""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from typing import Annotated

import msgspec
import numpy as np
from fastapi import Header, Request, Response

from actors.models.tokens import estimated_tokens
from actors.queries import GetMessage
from events.errors import VersionConflict
from events.ids import derived_id
from projections.conversations import Message
from serve.chat import STREAM_GRACE_S, Exchange, begin, go_on
from serve.connected import while_connected
from serve.context import caller_of, context_of
from serve.edge import Json, person_named, read_json, written
from serve.identity import Person
from serve.openai_answers import (
    Completion,
    Embeddings,
    EmbeddingShown,
    EmbeddingTokens,
    OpenAIModel,
    OpenAIModels,
)
from serve.openai_dialogue import Answering, received, text_of
from serve.openai_errors import openai_router
from serve.openai_models import answering_as, model_named, models
from serve.openai_requests import CompletionForm, EmbeddingForm
from serve.openai_stream import Asked, CompletionStream, first_told
from serve.openapi import gives, takes
from serve.problems import invalid
from serve.repeats import KEY_CHARS_MAX
from serve.requests import CLIENT_ID_CHARS_MAX, ClientId

router = openai_router()

#: How often a request is asked anew whose answer was given up, before that is what it is told.
ATTEMPTS_MAX = 8

COMPLETION_EXAMPLE = {
    "model": "mirix",
    "user": "alice",
    "messages": [{"role": "user", "content": "Where do I live?"}],
}


class _Wanted:
    """A completion that is asked for: whose, where, by whom, and whether it may be repeated."""

    def __init__(self, request: Request, form: CompletionForm, answering: Answering) -> None:
        headers = request.headers
        self.form = form
        self.answering = answering
        self.person = person_named(request, form.user or _header(request, "X-User-Id"))
        self.key = headers.get("idempotency-key", "")
        retries = headers.get("x-stainless-retry-count", "0")
        self.token = context_of(request).repeats.token(
            self.person.id,
            # Not msgpack, which has no integers beyond 64 bits: those are refused by name later.
            msgspec.json.encode(form),
            key=self.key,
            retries=int(retries[:9]) if retries.isdecimal() else 0,
        )
        self.conversation = _header(request, "X-Conversation-Id") or _conversation(
            self.person, answering, form
        )
        # Who comes back with the same key hears the answer that is being made.
        self.grace_s = STREAM_GRACE_S if self.key else 0.0


def _header(request: Request, name: str) -> str | None:
    """Return an id that a header names in UTF-8, if it does.

    Raises:
        Invalid: it cannot be an id.
    """
    sent = request.headers.get(name)
    try:
        # Of the bytes of a header the server makes characters of Latin-1, one each.
        told = None if sent is None else sent.encode("latin-1").decode("utf-8")
        return msgspec.convert(told, ClientId | None)
    except UnicodeDecodeError as error:
        raise invalid(f"header.{name}", "is not valid UTF-8; send the id in UTF-8") from error
    except msgspec.ValidationError as error:
        what = f"needs 1 to {CLIENT_ID_CHARS_MAX} characters, none of them a control character"
        raise invalid(f"header.{name}", what) from error


def _conversation(person: Person, answering: Answering, form: CompletionForm) -> str:
    first = next((one for one in form.messages if one.role == "user"), form.messages[0])
    said = text_of(first, "body.messages[0]")
    return derived_id("chat", person.id, answering.assistant, answering.model, said)


@router.post(
    "/chat/completions",
    response_class=Json,
    summary="Go on with a dialogue",
    openapi_extra=takes(CompletionForm, COMPLETION_EXAMPLE),
    responses={
        200: gives(Completion, "The answer; with `stream`, server-sent chunks of it."),
    },
)
async def complete_chat(
    request: Request,
    user_id: Annotated[
        str, Header(alias="X-User-Id", description="Whose memory, where the body has no `user`.")
    ] = "",
    conversation_id: Annotated[
        str, Header(alias="X-Conversation-Id", description="Which conversation it belongs to.")
    ] = "",
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=KEY_CHARS_MAX,
            description="Answer the same request once.",
        ),
    ] = "",
) -> Response:
    """Answer the last message with the memory of the person, and record what is new of it.

    What comes behind the assistant's last turn is new. The turns before it are told to the language
    model as the client tells them, and are not recorded again.
    """
    form = await read_json(request, CompletionForm)
    wanted = _Wanted(request, form, await answering_as(request, form.model))
    async with AsyncExitStack() as stack:
        exchange = await _begin(request, wanted, stack)
        asked = Asked(
            id=exchange.message_id,
            model=form.model,
            created=int(context_of(request).clock().timestamp()),
            conversation_id=wanted.conversation,
            include_usage=bool(form.stream_options and form.stream_options.include_usage),
        )
        if not form.stream:
            part = await while_connected(request, exchange.answer())
            return written(asked.completion(part), max(exchange.position, part.position))
        parts = exchange.parts()
        stack.push_async_callback(parts.aclose)
        first = await while_connected(request, first_told(parts, exchange))
        return CompletionStream(asked, exchange, first, parts, stack.pop_all())


async def _begin(request: Request, wanted: _Wanted, stack: AsyncExitStack) -> Exchange:
    """Record what is new and listen; for a repeated request, listen to the answer to the first.

    One whose answer was given up is asked anew.
    """
    context, person, attempt = context_of(request), wanted.person, 0
    while True:
        messages = received(
            wanted.form,
            f"{wanted.token}.{attempt}",
            wanted.conversation,
            wanted.answering,
            context.clock(),
            context.settings.message_chars_max,
        )
        before = await _before(request, person, messages[-1].message_id)
        if before is None:
            caller, grace_s = caller_of(request), wanted.grace_s
            return await begin(context, caller, person, messages, stack, grace_s=grace_s)
        if before.content != messages[-1].content:
            raise VersionConflict("this Idempotency-Key was used for another request")
        so_far = await context.backend.answer_so_far(person.shard, person.id, before.id)
        attempt += 1
        if so_far.state != "abandoned" or attempt == ATTEMPTS_MAX:
            return await go_on(context, person, before, stack, grace_s=wanted.grace_s)


async def _before(request: Request, person: Person, message_id: str) -> Message | None:
    query = GetMessage(user=person.id, message_id=message_id)
    found: Message | None = await context_of(request).backend.ask(person.shard, "chat", query)
    return found


@router.post(
    "/embeddings",
    response_class=Json,
    summary="Embed texts",
    openapi_extra=takes(EmbeddingForm, {"model": "mirix", "input": ["Lisbon"]}),
    responses={200: gives(Embeddings, "A vector a text; `model` says which model made them.")},
)
async def embed(request: Request) -> Response:
    """Return the vectors that memory itself would use, of length one."""
    form = await read_json(request, EmbeddingForm)
    texts = (form.input,) if isinstance(form.input, str) else form.input
    chars_max = context_of(request).settings.message_chars_max
    for at, text in enumerate(texts):
        if not text:
            raise invalid(f"body.input[{at}]", "is empty")
        if len(text) > chars_max:
            raise invalid(f"body.input[{at}]", f"is over {chars_max} characters")
    embedded = await context_of(request).backend.embed(texts)
    size = int(embedded.vectors.shape[1])
    if form.dimensions not in (None, size):
        raise invalid("body.dimensions", f"{embedded.model} has vectors of {size} numbers")
    shown = tuple(
        EmbeddingShown(
            index=at,
            embedding=base64.b64encode(row.astype("<f4").tobytes()).decode()
            if form.encoding_format == "base64"
            else tuple(row.astype(np.float64).tolist()),
        )
        for at, row in enumerate(embedded.vectors)
    )
    tokens = sum(map(estimated_tokens, texts))
    usage = EmbeddingTokens(prompt_tokens=tokens, total_tokens=tokens)
    return Json(Embeddings(data=shown, model=embedded.model, usage=usage))


@router.get(
    "/models",
    response_class=Json,
    summary="List what `model` may name",
    responses={200: gives(OpenAIModels, "The default assistant, language models, agents.")},
)
async def list_models(request: Request) -> Response:
    """List the default assistant, the configured models and the caller's assistant profiles."""
    return Json(OpenAIModels(data=await models(request)))


@router.get(
    "/models/{model:path}",
    response_class=Json,
    summary="Show what `model` names",
    responses={200: gives(OpenAIModel, "It is there."), 404: gives(OpenAIModel, "It is not.")},
)
async def show_model(request: Request, model: str) -> Response:
    """Show a model, or an assistant profile by its id or name."""
    return Json(await model_named(request, model))
