"""Answers queries from a projection: pure reading, on the thread that owns the state."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, get_args

import msgspec

from actors.queries import (
    CoreBlockView,
    CountAll,
    GetAbandoned,
    GetAssistant,
    GetCoreBlocks,
    GetMemory,
    GetMessage,
    GetToolCall,
    GetWindow,
    KnownMessages,
    ListAssistants,
    ListMemories,
    ListMessages,
    ListTools,
    MemoryView,
    Page,
    Query,
    RevealSecret,
    ToolCallView,
    Window,
)
from actors.tools import describe_tools
from events.catalogue import AssistantProfile
from events.errors import CommandRejected, NotFound
from events.memory import CoreContent, VaultContent, readable_text, tier_of
from events.nesting import is_too_deep
from events.sealing import KeyRing
from projections.base import Projection
from projections.conversations import ConversationsProjection, Message
from projections.tiers import CORE_BLOCK_CHARS_MAX, Memory, Shelf, Status, TierProjection
from projections.tool_calls import ToolCallsProjection

#: What is answered by looking something up.
BRIEF = (
    GetAbandoned,
    GetAssistant,
    GetCoreBlocks,
    GetMemory,
    GetMessage,
    GetToolCall,
    GetWindow,
    KnownMessages,
)
#: The position of a page's last memory.
_CURSOR = re.compile(r"[0-9]{1,19}", re.ASCII)


def read(projection: Projection, query: Query, keys: KeyRing | None) -> Any:
    """Return the answer of `projection` to `query`; without `keys` no secret is revealed.

    Raises:
        NotFound: there is no such thing.
        CommandRejected: this projection does not answer such queries.
    """
    match projection:
        case TierProjection():
            return _read_tier(projection, query, keys)
        case ConversationsProjection():
            return _read_conversations(projection, query)
        case ToolCallsProjection():
            return _read_tools(projection, query)
        case _:
            raise _refusal(projection, query)


def _refusal(projection: Projection, query: Query) -> CommandRejected:
    return CommandRejected(f"{projection.name} does not answer {type(query).__name__}")


def _read_tier(projection: TierProjection, query: Query, keys: KeyRing | None) -> Any:
    match query:
        case ListMemories():
            return _page(projection, query)
        case GetMemory(user=user, memory_id=memory_id):
            return memory_view(_held(projection, user, memory_id), projection.shelf(user))
        case RevealSecret(user=user, memory_id=memory_id) if keys is not None:
            content = _held(projection, user, memory_id).content
            if not isinstance(content, VaultContent) or not content.secret:
                raise NotFound(f"memory {memory_id} holds no secret")
            return keys.open_secret(user, memory_id, content.secret)
        case GetCoreBlocks(user=user) if projection.tier == "core":
            return tuple(_block(projection, user, name) for name in ("persona", "human"))
        case CountAll(user=user):
            shelves = [projection.shelf(user)] if user else list(projection.shelves.values())
            held = [memory for shelf in shelves for memory in shelf.memories.values()]
            standing = Counter(memory.status for memory in held)
            return {status: standing[status] for status in get_args(Status)}
        case _:
            raise _refusal(projection, query)


def _held(projection: TierProjection, user: str, memory_id: str) -> Memory:
    memory = projection.shelf(user).memories.get(memory_id)
    if memory is None:
        raise NotFound(f"there is no {projection.tier} memory {memory_id}")
    return memory


def _page(projection: TierProjection, query: ListMemories) -> Page:
    shelf = projection.shelf(query.user)
    if query.cursor and not _CURSOR.fullmatch(query.cursor):
        raise CommandRejected(f"cursor {query.cursor!r} is not one of this list; start again")
    after = int(query.cursor or 0)
    # Oldest first, and each from an event of its own: the place stays when the memory is gone.
    wanted = (
        memory
        for memory in shelf.memories.values()
        if memory.position > after and (query.ended or memory.status == "active")
    )
    found = list(islice(wanted, query.limit + 1))
    more = len(found) > query.limit
    page = found[: query.limit]
    return Page(
        items=tuple(memory_view(memory, shelf) for memory in page),
        next_cursor=str(page[-1].position) if more else "",
    )


def memory_view(memory: Memory, shelf: Shelf) -> MemoryView:
    """Return a memory of a shelf as queries answer it."""
    return MemoryView(
        id=memory.id,
        tier=tier_of(memory.content),
        text=readable_text(memory.content),
        content=memory.content,
        tags=memory.tags,
        key=memory.key,
        importance=memory.importance,
        language=memory.language,
        provenance=shelf.sources(memory),
        status=memory.status,
        valid_from=memory.valid_from,
        valid_to=memory.valid_to,
        superseded_by=memory.superseded_by,
        recorded_at=memory.recorded_at,
        position=memory.position,
        revision=memory.revision,
    )


def _block(projection: TierProjection, user: str, name: str) -> CoreBlockView:
    lines = projection.shelf(user).block(name)
    texts = [line.content.text for line in lines if isinstance(line.content, CoreContent)]
    return CoreBlockView(
        block=name,
        value="\n".join(texts),
        limit_chars=CORE_BLOCK_CHARS_MAX,
        memory_ids=tuple(line.id for line in lines),
    )


def _read_conversations(projection: ConversationsProjection, query: Query) -> Any:
    match query:
        case ListMessages():
            held = projection.messages.get(query.user, {}).values()
            wanted = (
                message
                for message in held
                if message.position > query.after_position
                and query.assistant in ("", message.assistant)
                and query.conversation in ("", message.conversation)
            )
            return tuple(islice(wanted, query.limit))
        case GetMessage(user=user, message_id=message_id):
            return projection.messages.get(user, {}).get(message_id)
        case GetWindow():
            return _window(projection, query)
        case GetAbandoned(user=user, message_id=message_id):
            return projection.abandoned.get(user, {}).get(message_id)
        case KnownMessages(user=user, message_ids=ids):
            there = projection.messages.get(user, {})
            return {id_: there[id_].position for id_ in ids if id_ in there}
        case GetAssistant(tenant=tenant, assistant_id=assistant_id):
            held_profile = projection.profiles.get(assistant_id)
            if held_profile is None or held_profile.tenant != tenant:
                raise NotFound(f"there is no assistant {assistant_id}")
            return _portable(held_profile.profile)
        case ListAssistants(tenant=tenant, skip=skip, limit=limit, agent_type=agent_type):
            mine = (
                _portable(held.profile)
                for held in projection.profiles.values()
                if held.tenant == tenant and agent_type in ("", held.profile.agent_type)
            )
            return tuple(islice(mine, skip, skip + limit))
        case CountAll(user=user):
            conversations = (
                [projection.messages.get(user, {})] if user else projection.messages.values()
            )
            return {
                "messages": sum(len(messages) for messages in conversations),
                "assistants": len(projection.profiles),
            }
        case _:
            raise _refusal(projection, query)


def _window(projection: ConversationsProjection, query: GetWindow) -> Window:
    """Return the end of a conversation; looks from the latest message back."""
    held = reversed(projection.conversation(query.user, query.conversation))
    messages = tuple(islice(_latest_first(held, query), query.limit))[::-1]
    summary = projection.summaries.get(query.user, {}).get(query.conversation)
    abandoned = projection.abandoned.get(query.user, {})
    return Window(
        messages=messages,
        summary=summary.text if summary else "",
        summarised=summary.through if summary else 0,
        abandoned=tuple(message.id for message in messages if message.id in abandoned),
    )


def _latest_first(held: Iterator[Message], query: GetWindow) -> Iterator[Message]:
    before = query.before or sys.maxsize
    answers: dict[str, Message] = {}
    for message in held:
        if message.position < before:
            if message.id in answers:
                yield answers[message.id]
            yield message
        elif query.answered and message.in_reply_to:
            answers[message.in_reply_to] = message


def _portable(profile: AssistantProfile) -> AssistantProfile:
    """Leave out settings that are nested too deeply to be pickled into an answer.

    The gateway refuses such ones; the log may hold some from before it did, and one of them must
    not stop the list of the others.
    """
    if not is_too_deep(profile.model_settings):
        return profile
    return msgspec.structs.replace(profile, model_settings={})


def _read_tools(projection: ToolCallsProjection, query: Query) -> Any:
    match query:
        case ListTools():
            return describe_tools()
        case GetToolCall(user=user, call_id=call_id):
            call = projection.calls.get(user, {}).get(call_id)
            if call is None:
                raise NotFound(f"there is no tool call {call_id}")
            return ToolCallView(
                call_id=call.call_id,
                tool=call.tool,
                status=call.status,
                result=call.result,
                error=call.error,
                position=call.position,
            )
        case CountAll(user=user):
            groups = [projection.calls.get(user, {})] if user else projection.calls.values()
            return {"calls": sum(len(calls) for calls in groups)}
        case _:
            raise _refusal(projection, query)
