"""Gathers what an answer is made from, and puts the request to the model together.

The time to the first word is spent here, so nothing waits that need not: memory is searched while
profile, conversation and core blocks are read. Only a message that leans on what was said before
waits for the conversation, which this very process holds.
"""

from __future__ import annotations

import asyncio

import structlog

from actors.chatting.context import Context, Material, compose
from actors.chatting.dialogue import client_turns, message_turn, question_of, remembered_turns
from actors.chatting.making import Making
from actors.chatting.retrieving import Retrieving, fresh_first
from actors.chatting.tokens import tokens_of_tools
from actors.chatting.tool_rounds import ToolRounds, client_tools
from actors.chatting.wishes import Wishes, context_tokens, quotes_only, wishes_of
from actors.models.port import (
    GenerationRequest,
    LanguageModel,
    OutputSchema,
    ToolOffered,
    Turn,
)
from actors.models.settings import ModelSettings
from actors.ports import ChatPeers, Recall
from actors.queries import CoreBlockView, FoundMemory, Window
from actors.tools import describe_tools
from events.catalogue import AssistantProfile, MessageReceived
from events.envelope import Event
from events.errors import DeadlineExceeded, Unavailable
from events.ids import derived_id
from events.memory import Value
from events.said import AnswerOptions

log = structlog.get_logger(__name__)


class Before(Value, frozen=True, kw_only=True):
    """What was said before a message, and what its client put in front for the system.

    `ids` are those of the messages that the turns are, where they are remembered ones.
    """

    system: str = ""
    summary: str = ""
    turns: tuple[Turn, ...] = ()
    ids: frozenset[str] = frozenset()


class Prepared(Value, frozen=True, kw_only=True):
    """A request to the model, and the room that is left beside it, in tokens."""

    request: GenerationRequest
    left: int


class Preparing:
    """Makes requests out of messages."""

    def __init__(
        self,
        recall: Recall,
        model: LanguageModel,
        settings: ModelSettings,
        peers: ChatPeers | None,
    ) -> None:
        """Put it together; without `peers` answers are made from what is recalled alone."""
        self._retrieving = Retrieving(recall, model, settings.topic)
        self._settings = settings
        self._peers = peers

    async def prepare(
        self, cause: Event, message: MessageReceived, making: Making
    ) -> tuple[Prepared, ToolRounds]:
        """Return what the model is asked first, and the tools that it may call.

        Raises:
            MessageTooLong: the message alone does not fit into what the model takes in.
            Unavailable: memory cannot be searched at the moment.
        """
        options = message.options or AnswerOptions()
        if self._peers is None or quotes_only(self._settings):
            profile, before = None, Before()
            blocks: tuple[CoreBlockView, ...] = ()
            found = await self._retrieving.search(cause, message, message.content)
        else:
            before_soon = asyncio.ensure_future(self._before(self._peers, cause, message))

            async def turns_before() -> tuple[Turn, ...]:
                return (await before_soon).turns

            found, profile, before, blocks = await asyncio.gather(
                self._retrieving.search_topic(cause, message, turns_before, making),
                self._profile(self._peers, cause, message),
                before_soon,
                self._blocks(self._peers, cause.user),
            )
            found = fresh_first(found, before.ids, question_of(message))
        wishes = wishes_of(profile, options, self._settings)
        rounds = ToolRounds(
            cause, message.message_id, self._peers, _ours(wishes), client_tools(options.tools)
        )
        context = compose(
            _material(message, wishes, before, blocks, found),
            context_tokens=context_tokens(self._settings, wishes.model),
            max_tokens=wishes.max_tokens,
            tools_tokens=tokens_of_tools(rounds.offered),
        )
        request = _request(cause, message, wishes, context, rounds.offered)
        return Prepared(request=request, left=context.left), rounds

    # --- what is gathered ------------------------------------------------------------------------

    async def _before(self, peers: ChatPeers, cause: Event, message: MessageReceived) -> Before:
        options = message.options
        if options is not None and options.turns is not None:
            system, turns = client_turns(options.turns)
            return Before(system=system, turns=turns)
        limit = self._settings.window_messages
        if not limit:
            return Before()
        try:
            window: Window = await peers.window(
                cause.user,
                message.conversation,
                before=cause.position,
                limit=limit,
                answered=True,
            )
        except DeadlineExceeded as error:
            # Far behind, with much to answer. An answer from memory alone is better than none.
            log.warning("conversation_left_out", cause=cause.id, error=error.message)
            return Before()
        ids = frozenset(one.id for one in window.messages)
        return Before(summary=window.summary, turns=remembered_turns(window), ids=ids)

    async def _profile(
        self, peers: ChatPeers, cause: Event, message: MessageReceived
    ) -> AssistantProfile | None:
        if not message.assistant:
            return None
        return await peers.assistant(cause.envelope.tenant, message.assistant)

    async def _blocks(self, peers: ChatPeers, user: str) -> tuple[CoreBlockView, ...]:
        try:
            return await peers.blocks(user)
        except Unavailable as error:
            # An answer that does not know the blocks is better than none until they are there.
            log.warning("core_blocks_left_out", error=error.message)
            return ()


def _ours(wishes: Wishes) -> tuple[ToolOffered, ...]:
    if not wishes.tools:
        return ()
    return tuple(ToolOffered(**tool) for tool in describe_tools() if tool["name"] in wishes.tools)


def _material(
    message: MessageReceived,
    wishes: Wishes,
    before: Before,
    blocks: tuple[CoreBlockView, ...],
    found: tuple[FoundMemory, ...],
) -> Material:
    return Material(
        message=message_turn(message),
        said_at=message.said_at,
        instructions="\n\n".join(filter(None, (wishes.instructions, before.system))),
        blocks=blocks,
        recalled=found,
        summary=before.summary,
        turns=before.turns,
    )


def _request(
    cause: Event,
    message: MessageReceived,
    wishes: Wishes,
    context: Context,
    tools: tuple[ToolOffered, ...],
) -> GenerationRequest:
    schema = message.options.output_schema if message.options else None
    return GenerationRequest(
        turns=context.turns,
        purpose="answer",
        user=cause.user,
        generation_id=derived_id("gen", message.message_id),
        model=wishes.model,
        max_tokens=context.max_tokens,
        temperature=wishes.temperature,
        top_p=wishes.top_p,
        stop=wishes.stop,
        seed=wishes.seed,
        output=OutputSchema(name="answer", schema=schema) if schema else None,
        tools=tools,
        question=question_of(message),
        recalled=context.recalled,
    )
