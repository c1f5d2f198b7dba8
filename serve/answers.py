"""What clients get, one struct an answer. Client-chosen ids are shown as the client chose them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from actors.progress import AnswerPart
from actors.queries import CoreBlockView, FoundMemory, StateView
from events.catalogue import AssistantProfile, Citation, Usage
from projections.conversations import Message
from projections.retrieval.explained import SignalValue


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers; subclasses repeat `kw_only=True`."""


class MessagesAccepted(Answer, frozen=True, kw_only=True):
    """The messages are in the log, the last of them at `position`; `new` were not before."""

    position: int
    message_ids: tuple[str, ...]
    new: int


class DocumentAccepted(Answer, frozen=True, kw_only=True):
    """The document is in the log."""

    position: int
    document_id: str


class AgentShown(Answer, frozen=True, kw_only=True):
    """An assistant profile."""

    id: str
    name: str
    agent_type: str
    description: str
    system_prompt: str
    model_settings: dict[str, Any] = msgspec.field(name="model_config")

    @classmethod
    def of(cls, profile: AssistantProfile) -> AgentShown:
        """Show a profile."""
        return cls(**msgspec.structs.asdict(profile))


class CitationShown(Answer, frozen=True, kw_only=True):
    """A memory or message that an answer rests on; `mark` is its number in the answer's text."""

    id: str
    tier: str
    text: str
    score: float
    message_ids: tuple[str, ...]
    mark: int

    @classmethod
    def of(cls, citation: Citation) -> CitationShown:
        """Show a citation."""
        return cls(**msgspec.structs.asdict(citation))


class UsageShown(Answer, frozen=True, kw_only=True):
    """Tokens that a generation used; `cached_tokens` of the prompt came from a prefix cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> UsageShown:
        """Show a usage."""
        return cls(**msgspec.structs.asdict(usage))


class ChatAnswer(Answer, frozen=True, kw_only=True):
    """What an assistant profile answered; `in_reply_to` is the message that it answers.

    `finish_reason` is stop, length (it was cut at `max_tokens`), tool_calls or content_filter.
    """

    response: str
    citations: tuple[CitationShown, ...]
    usage: UsageShown
    model: str
    finish_reason: str
    position: int
    message_id: str
    in_reply_to: str

    @classmethod
    def of(cls, part: AnswerPart, in_reply_to: str, asked_at: int) -> ChatAnswer:
        """Show an answer by its closing part; the message is at position `asked_at`."""
        return cls(
            response=part.text,
            citations=tuple(map(CitationShown.of, part.citations)),
            usage=UsageShown.of(part.usage),
            model=part.model,
            finish_reason=part.finish_reason or "stop",
            position=max(asked_at, part.position),
            message_id=part.message_id,
            in_reply_to=in_reply_to,
        )


class ModelShown(Answer, frozen=True, kw_only=True):
    """A configured language model, by the name that `model` in a request means it by."""

    name: str
    kind: str
    default: bool


class ModelsShown(Answer, frozen=True, kw_only=True):
    """The configured language models, in the order in which they are tried."""

    models: tuple[ModelShown, ...]


class MessageShown(Answer, frozen=True, kw_only=True):
    """A message or an answer."""

    id: str
    conversation_id: str
    role: str
    name: str
    content: str
    created_at: datetime
    external_id: str
    agent_id: str
    in_reply_to: str
    citations: tuple[CitationShown, ...]
    position: int

    @classmethod
    def of(cls, view: Message) -> MessageShown:
        """Show a message."""
        return cls(
            id=view.id,
            conversation_id=view.conversation,
            role=view.role,
            name=view.name,
            content=view.content,
            created_at=view.said_at,
            external_id=view.external_id,
            agent_id=view.assistant,
            in_reply_to=view.in_reply_to,
            citations=tuple(map(CitationShown.of, view.citations)),
            position=view.position,
        )


class Source(Answer, frozen=True, kw_only=True):
    """Where something came from, and for a memory by what: rules, client, or a model's name."""

    message_ids: tuple[str, ...]
    external_ids: tuple[str, ...]
    event_ids: tuple[str, ...] = ()
    document_id: str = ""
    extractor: str = ""


class ResultShown(Answer, frozen=True, kw_only=True):
    """A hit: a memory, or a message (`tier` is `conversation`).

    `occurred_at` is the date that it speaks of, `said_at` when it was said. When asked for,
    `explain` holds the value of each signal, its rank among the candidates and its weight.
    """

    id: str
    tier: str
    text: str
    score: float
    speaker: str
    conversation_id: str
    occurred_at: str | None
    said_at: datetime
    recorded_at: datetime
    source: Source
    explain: dict[str, SignalValue] | UnsetType = UNSET

    @classmethod
    def of(cls, found: FoundMemory) -> ResultShown:
        """Show a hit."""
        return cls(
            id=found.id,
            tier=found.tier,
            text=found.text,
            score=found.score,
            speaker=found.speaker,
            conversation_id=found.conversation,
            occurred_at=found.occurred_at or None,
            said_at=found.said_at,
            recorded_at=found.recorded_at,
            source=Source(
                message_ids=found.message_ids,
                external_ids=found.external_ids,
                event_ids=found.event_ids,
            ),
            explain=UNSET if found.signals is None else found.signals,
        )


class SearchAnswer(Answer, frozen=True, kw_only=True):
    """What a search found, from an index that had applied `position`."""

    search_id: str
    position: int
    results: tuple[ResultShown, ...]


class CoreBlockShown(Answer, frozen=True, kw_only=True):
    """A core block, as it is put in front of a model."""

    block: str
    value: str
    limit_chars: int
    memory_ids: tuple[str, ...]

    @classmethod
    def of(cls, view: CoreBlockView) -> CoreBlockShown:
        """Show a block."""
        return cls(**msgspec.structs.asdict(view))


class CoreBlocksShown(Answer, frozen=True, kw_only=True):
    """The persona and human blocks."""

    blocks: tuple[CoreBlockShown, ...]


class SecretShown(Answer, frozen=True, kw_only=True):
    """A secret in clear; that it was read is recorded at `position`."""

    id: str
    secret: str
    position: int


class FeedbackAccepted(Answer, frozen=True, kw_only=True):
    """The feedback on a search is in the log, at `position`."""

    search_id: str
    position: int


class ToolsShown(Answer, frozen=True, kw_only=True):
    """The tools: name, description, JSON schema of the arguments."""

    tools: tuple[dict[str, Any], ...]


class ToolCallShown(Answer, frozen=True, kw_only=True):
    """What came of a tool call: `status` is returned or failed."""

    call_id: str
    tool: str
    status: str
    result: Any
    error: str
    position: int


class HealthShown(Answer, frozen=True, kw_only=True):
    """The gateway lives."""

    status: str


class AgentPosition(Answer, frozen=True, kw_only=True):
    """How far one of the nine agents is; `lag` is what it has still to handle.

    `open` counts what it still works on of what it has come past: answers, calls, generations.
    `state` is where its projection is, with the state hash there; only where it was asked for.
    """

    shard: int
    agent: str
    alive: bool
    through: int
    lag: int
    open: int = 0
    parked: int
    pid: int = 0
    state: StateView | None = None


class StatusShown(Answer, frozen=True, kw_only=True):
    """How far all agents are, and where each shard's log ends."""

    shards: int
    last_positions: dict[str, int]
    agents: tuple[AgentPosition, ...]
