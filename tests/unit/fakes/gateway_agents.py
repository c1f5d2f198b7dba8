"""The nine agents' twin for the gateway's tests: what follows from events, what is answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from actors.names import OWNER_OF, Agent
from actors.progress import AnswerPart
from actors.queries import (
    AdoptState,
    AwaitRecorded,
    CoreBlockView,
    FoundMemory,
    GetAssistant,
    GetCoreBlocks,
    GetMemory,
    GetMessage,
    GetToolCall,
    KnownMessages,
    ListAssistants,
    ListMemories,
    ListMessages,
    ListTools,
    MemoryView,
    Page,
    Query,
    RevealSecret,
    RollBackState,
    SearchMemories,
    SearchOutcome,
    StateView,
    ToolCallView,
)
from events.catalogue import (
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    Citation,
    MemoryChangeRequested,
    MessageReceived,
    ToolRequested,
    Usage,
)
from events.envelope import NewEvent
from events.errors import CommandRejected, NotFound
from events.memory import CoreContent, readable_text
from projections.conversations import Message
from projections.retrieval.explained import SignalValue

NOW = datetime(2026, 1, 7, 9, 0, tzinfo=UTC)
TOOLS = (
    {"name": "echo", "description": "Say it back.", "input_schema": {"type": "object"}},
    {"name": "broken", "description": "Fail.", "input_schema": {"type": "object"}},
)


class FakeAgents:
    """Applies every event at once and answers questions from dictionaries."""

    def __init__(self, shards: int) -> None:
        self.logs: list[list[NewEvent]] = [[] for _ in range(shards)]
        self.mute = self.stubborn = False
        self._assistants: list[dict[str, tuple[str, AssistantProfile]]] = [
            {} for _ in range(shards)
        ]
        self._memories: dict[tuple[str, str], tuple[MemoryView, bytes]] = {}
        self._messages: dict[str, list[Message]] = {}
        self._calls: dict[tuple[str, str], ToolCallView] = {}
        self._listeners: list[tuple[str, asyncio.Queue[AnswerPart]]] = []

    def _apply(self, shard: int, event: NewEvent, position: int) -> None:
        match event.payload:
            case AssistantCreated(profile=profile) | AssistantRevised(profile=profile):
                self._assistants[shard][profile.id] = (event.tenant, profile)
            case AssistantDeleted(assistant_id=assistant_id):
                self._assistants[shard].pop(assistant_id, None)
            case MessageReceived() as message:
                self._hear(event.user, message, position)
            case MemoryChangeRequested() as request if not self.stubborn:
                self._change(event.user, request, position)
            case ToolRequested(call_id=call_id, tool=tool, arguments=arguments):
                failed = tool == "broken"
                self._calls[event.user, call_id] = ToolCallView(
                    call_id=call_id,
                    tool=tool,
                    status="failed" if failed else "returned",
                    result=None if failed else arguments,
                    error="it is broken" if failed else "",
                    position=position,
                )
            case _:
                pass

    def _hear(self, user: str, message: MessageReceived, position: int) -> None:
        said = self._messages.setdefault(user, [])
        said.append(
            Message(
                id=message.message_id,
                conversation=message.conversation,
                role=message.role,
                name=message.name,
                content=message.content,
                said_at=message.said_at,
                external_id=message.external_id,
                assistant=message.assistant,
                position=position,
            )
        )
        if message.answer_wanted and not self.mute:
            self._reply(user, message, position)

    def _reply(self, user: str, message: MessageReceived, position: int) -> None:
        text = f"You said: {message.content}"
        citation = Citation(
            id=message.message_id, tier="conversation", text=message.content, mark=1
        )
        answer = Message(
            id=f"ans_{message.message_id}",
            conversation=message.conversation,
            role="assistant",
            content=text,
            said_at=NOW,
            assistant=message.assistant,
            in_reply_to=message.message_id,
            citations=(citation,),
            model="extractive",
            usage=Usage(prompt_tokens=3, completion_tokens=4),
            position=position,
        )
        self._messages[user].append(answer)
        parts = [AnswerPart(kind="start"), AnswerPart(kind="thinking", text="looking")]
        if message.content == "fail":
            parts.append(AnswerPart(kind="error", text="the model is gone"))
        else:
            parts += (
                AnswerPart(kind="content", text=text[:5]),
                AnswerPart(kind="content", text=text[5:], offset=5),
                AnswerPart(
                    kind="complete",
                    text=text,
                    message_id=answer.id,
                    citations=(citation,),
                    usage=Usage(prompt_tokens=3, completion_tokens=4),
                    model="extractive",
                    position=position,
                    offset=len(text),
                ),
            )
        for listening, queue in self._listeners:
            if listening == message.message_id:
                for part in parts:
                    queue.put_nowait(part)

    def _change(self, user: str, request: MemoryChangeRequested, position: int) -> None:
        at = (user, request.memory_id)
        held = self._memories.get(at)
        match request.change:
            case "record":
                assert request.content is not None
                content, secret = _parted(request.content)
                view = MemoryView(
                    id=request.memory_id,
                    tier=request.tier,
                    text=readable_text(content),
                    content=content,
                    tags=request.tags or (),
                    recorded_at=NOW,
                    position=position,
                )
                self._memories[at] = (view, secret)
            case "revise" if held is not None:
                assert request.content is not None
                content, secret = _parted(request.content)
                if held[1] and not secret:
                    content = msgspec.structs.replace(content, secret=b"sealed")
                view = msgspec.structs.replace(
                    held[0],
                    content=content,
                    text=readable_text(content),
                    tags=held[0].tags if request.tags is None else request.tags,
                    revision=held[0].revision + 1,
                )
                self._memories[at] = (view, secret or held[1])
            case "forget" if held is not None:
                del self._memories[at]
            case _:
                pass

    def _answer(self, shard: int, agent: Agent, query: Query) -> Any:
        match query:
            case GetAssistant(tenant=tenant, assistant_id=id_):
                held = self._assistants[shard].get(id_)
                if held is None or held[0] != tenant:
                    raise NotFound(f"there is no assistant profile {id_!r}")
                return held[1]
            case ListAssistants(tenant=tenant, agent_type=type_):
                profiles = [p for t, p in self._assistants[shard].values() if t == tenant]
                fitting = [p for p in profiles if type_ in ("", p.agent_type)]
                return tuple(fitting[query.skip : query.skip + query.limit])
            case GetMemory(user=user, memory_id=id_):
                found = self._memories.get((user, id_))
                if found is None or OWNER_OF[found[0].tier] != agent:
                    raise NotFound(f"there is no memory {id_!r}")
                return found[0]
            case RevealSecret(user=user, memory_id=id_):
                return self._memories[user, id_][1].decode()
            case ListMemories():
                return self._page(agent, query)
            case GetCoreBlocks(user=user):
                return self._blocks(user)
            case ListMessages():
                return tuple(m for m in self._messages.get(query.user, []) if _fits(m, query))[
                    : query.limit
                ]
            case KnownMessages(user=user, message_ids=ids):
                return {
                    view.id: view.position
                    for view in self._messages.get(user, [])
                    if view.id in ids
                }
            case GetMessage(user=user, message_id=id_):
                return next((m for m in self._messages.get(user, []) if m.id == id_), None)
            case SearchMemories():
                return self._search(shard, query)
            case AwaitRecorded():
                return None  # the twin records no search
            case ListTools():
                return TOOLS
            case GetToolCall(user=user, call_id=call_id):
                return self._calls[user, call_id]
            case AdoptState() | RollBackState():
                end = len(self.logs[shard])
                return StateView(
                    projection=agent, version=1, position=end, state_hash="same", pid=1
                )
            case _:
                raise AssertionError(query)

    def _page(self, agent: Agent, query: ListMemories) -> Page:
        if query.cursor and not query.cursor.isdigit():
            raise CommandRejected(f"cursor {query.cursor!r} is not one of ours")
        start = int(query.cursor or 0)
        views = [
            view
            for (user, _), (view, _) in self._memories.items()
            if user == query.user and OWNER_OF[view.tier] == agent and view.status == "active"
        ]
        end = start + query.limit
        return Page(items=tuple(views[start:end]), next_cursor=str(end) if end < len(views) else "")

    def _blocks(self, user: str) -> tuple[CoreBlockView, ...]:
        return tuple(
            CoreBlockView(
                block=block,
                value="\n".join(view.text for view in lines),
                limit_chars=5_000,
                memory_ids=tuple(view.id for view in lines),
            )
            for block in ("persona", "human")
            if (lines := self._lines(user, block)) is not None
        )

    def _lines(self, user: str, block: str) -> list[MemoryView]:
        return [
            view
            for (owner, _), (view, _) in self._memories.items()
            if owner == user
            and isinstance(view.content, CoreContent)
            and view.content.block == block
        ]

    def _search(self, shard: int, query: SearchMemories) -> SearchOutcome:
        words = set(query.query.lower().split())
        results = []
        for message in self._messages.get(query.user, []):
            shared = len(words & set(message.content.lower().split()))
            if shared and (not query.tiers or "conversation" in query.tiers):
                results.append(
                    FoundMemory(
                        id=message.id,
                        tier="conversation",
                        text=message.content,
                        score=shared / len(words),
                        conversation=message.conversation,
                        said_at=message.said_at,
                        recorded_at=NOW,
                        message_ids=(message.id,),
                        external_ids=(message.external_id,) if message.external_id else (),
                        signals=_shared(shared) if query.explain else None,
                    )
                )
        return SearchOutcome(
            search_id="srh_1",
            position=len(self.logs[shard]),
            results=tuple(results[: query.limit]),
        )


def _shared(words: int) -> dict[str, SignalValue]:
    return {"words": SignalValue(value=words, rank=1, weight=0.3)}


def _parted(content: Any) -> tuple[Any, bytes]:
    """Part a content from its secret; what is held looks sealed."""
    secret = getattr(content, "secret", b"")
    return (
        (msgspec.structs.replace(content, secret=b"sealed"), secret) if secret else (content, b"")
    )


def _fits(message: Message, query: ListMessages) -> bool:
    return (
        message.position > query.after_position
        and query.assistant in ("", message.assistant)
        and query.conversation in ("", message.conversation)
    )
