"""Every event there is, by family. Past tense; facts, never wishes.

The order of a field never matters, its meaning never changes; a new field gets a default. When a
meaning must change, a new event is added or `version` is raised with an upcaster in `codec`.
`personal` events hold something a person said and are sealed with that person's data key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from events.memory import Content, MemoryDraft, Tier, Value


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all payloads. `version` counts the shape, `personal` says whether it is sealed."""

    version: ClassVar[int] = 1
    personal: ClassVar[bool] = True


# --- People and what they say ---------------------------------------------------------------------


class UserRegistered(Payload, frozen=True, kw_only=True):
    """A person was first seen, under the id that their client gave."""

    external_id: str
    name: str = ""


class MessageReceived(Payload, frozen=True, kw_only=True):
    """Somebody said something in a conversation.

    `assistant` is the profile that is addressed; `answer_wanted` asks the chat agent for an answer.
    `said_at` is when it was said (the client may tell it late), with its zone. `secret_spans` are
    the places of secrets in `content`, in characters: they are never shown where memory is.
    """

    message_id: str
    conversation: str
    role: Literal["user", "assistant", "system", "tool"] = "user"
    name: str = ""
    content: str
    said_at: datetime
    external_id: str = ""
    assistant: str = ""
    answer_wanted: bool = False
    tags: tuple[str, ...] = ()
    secret_spans: tuple[tuple[int, int], ...] = ()


class MessageEmbedded(Payload, frozen=True, kw_only=True):
    """A message got its vector (float16, little endian) from `model`."""

    message_id: str
    model: str
    vector: bytes


class DocumentReceived(Payload, frozen=True, kw_only=True):
    """A document was handed in, as text."""

    document_id: str
    title: str
    text: str
    media_type: str = "text/plain"
    uri: str = ""
    said_at: datetime
    tags: tuple[str, ...] = ()


class Citation(Value, frozen=True, kw_only=True):
    """A memory or message that an answer rests on."""

    id: str
    tier: str
    text: str
    score: float = 0.0
    message_ids: tuple[str, ...] = ()


class Usage(Value, frozen=True, kw_only=True):
    """Tokens that a generation used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class AnswerGiven(Payload, frozen=True, kw_only=True):
    """The chat agent answered a message, citing what it found."""

    message_id: str
    conversation: str
    assistant: str
    in_reply_to: str
    content: str
    citations: tuple[Citation, ...] = ()
    model: str
    usage: Usage = Usage()


class GenerationCompleted(Payload, frozen=True, kw_only=True):
    """A language model (or the extractive answerer) produced an output."""

    generation_id: str
    model: str
    prompt_hash: str
    parameters: dict[str, Any] = {}
    output: str
    usage: Usage = Usage()


# --- Assistant profiles ---------------------------------------------------------------------------


class AssistantProfile(Value, frozen=True, kw_only=True):
    """What the HTTP API calls an agent: a name, a type, a system prompt, model settings."""

    id: str
    name: str
    agent_type: str = "chat"
    description: str = ""
    system_prompt: str = ""
    model_settings: dict[str, Any] = msgspec.field(default_factory=dict)


class AssistantCreated(Payload, frozen=True, kw_only=True):
    """An assistant profile was made."""

    personal: ClassVar[bool] = False
    profile: AssistantProfile


class AssistantRevised(Payload, frozen=True, kw_only=True):
    """An assistant profile was changed; it now reads as given."""

    personal: ClassVar[bool] = False
    profile: AssistantProfile


class AssistantDeleted(Payload, frozen=True, kw_only=True):
    """An assistant profile was taken out of use; its conversations stay."""

    personal: ClassVar[bool] = False
    assistant_id: str


# --- Memory ---------------------------------------------------------------------------------------


class MemoryRecorded(Payload, frozen=True, kw_only=True):
    """A tier has a new memory."""

    memory: MemoryDraft
    secret_span: tuple[int, int] = (0, 0)


class MemoryRevised(Payload, frozen=True, kw_only=True):
    """A memory now reads as given; it is about the same matter and holds since the same time."""

    tier: Tier
    memory_id: str
    content: Content
    tags: tuple[str, ...] | None = None
    reason: str = ""


class MemorySuperseded(Payload, frozen=True, kw_only=True):
    """A memory stopped holding, at `valid_to` in the world, because another took its place."""

    tier: Tier
    memory_id: str
    superseded_by: str
    valid_to: datetime
    reason: str = ""


class MemoryForgotten(Payload, frozen=True, kw_only=True):
    """A memory was taken out of its tier."""

    tier: Tier
    memory_id: str
    reason: str = ""


class CoreBlockRewritten(Payload, frozen=True, kw_only=True):
    """A core block passed 90 % of its limit and now shows only these lines, in this order.

    The lines left out stay in the tier and can still be found.
    """

    block: str
    memory_ids: tuple[str, ...]


class MemoryEmbedded(Payload, frozen=True, kw_only=True):
    """A memory's passages got their vectors (float16, little endian), one each, from `model`.

    `vectors` are those of the passages from `first` on.
    """

    tier: Tier
    memory_id: str
    model: str
    vectors: tuple[bytes, ...]
    first: int = 0


class MemoryChangeRequested(Payload, frozen=True, kw_only=True):
    """A client asked a tier's owner to record, revise or forget a memory.

    The owning agent is the only writer of its tier; it answers with what it did or with
    `MemoryChangeRejected`. A revision rests on `expected_revision` and is rejected when the memory
    has another one by then; 0 stands for any.
    """

    tier: Tier
    change: Literal["record", "revise", "forget"]
    memory_id: str
    content: Content | None = None
    tags: tuple[str, ...] | None = None
    reason: str = ""
    expected_revision: int = 0


class MemoryChangeRejected(Payload, frozen=True, kw_only=True):
    """A requested change could not be made, and why."""

    tier: Tier
    memory_id: str
    request_id: str
    reason: str


class SecretRevealed(Payload, frozen=True, kw_only=True):
    """Somebody read a secret of the vault in clear."""

    memory_id: str
    key_id: str
    reason: str = ""


# --- Search and tools -----------------------------------------------------------------------------


class SearchHit(Value, frozen=True, kw_only=True):
    """One result of a search, as recorded."""

    id: str
    tier: str
    score: float


class SearchPerformed(Payload, frozen=True, kw_only=True):
    """Somebody searched; what was asked and what was found."""

    search_id: str
    query: str
    method: str
    tiers: tuple[str, ...] = ()
    hits: tuple[SearchHit, ...] = ()


class ToolRequested(Payload, frozen=True, kw_only=True):
    """A tool was asked for, by a client or an agent."""

    call_id: str
    tool: str
    arguments: dict[str, Any] = {}


class ToolReturned(Payload, frozen=True, kw_only=True):
    """A tool call came back with a result."""

    call_id: str
    tool: str
    result: Any = None


class ToolFailed(Payload, frozen=True, kw_only=True):
    """A tool call failed, and how."""

    call_id: str
    tool: str
    error: str


# --- Access and bookkeeping -----------------------------------------------------------------------


class ServiceKeyIssued(Payload, frozen=True, kw_only=True):
    """A service key of an organisation came into use; only its keyed hash is kept."""

    personal: ClassVar[bool] = False
    key_id: str
    digest: str
    label: str = ""


class ServiceKeyRevoked(Payload, frozen=True, kw_only=True):
    """A service key went out of use."""

    personal: ClassVar[bool] = False
    key_id: str


class CauseHandled(Payload, frozen=True, kw_only=True):
    """An agent has handled every cause up to and including position `through`.

    It is in one atomic batch with what came of them, so a crash either lost both or neither.
    """

    personal: ClassVar[bool] = False
    agent: str
    through: int


class EventParked(Payload, frozen=True, kw_only=True):
    """An agent gave up on a cause after bounded attempts; everything after it goes on."""

    personal: ClassVar[bool] = False
    agent: str
    position: int
    cause_id: str
    error: str
    attempts: int


# --- Jobs -----------------------------------------------------------------------------------------


class JobSubmitted(Payload, frozen=True, kw_only=True):
    """A job began its work, for the first time or again after its driver was lost.

    `job_id` depends on kind and arguments alone, `attempt` counts from 1. `arguments` hold paths
    and options, never what a person said.
    """

    personal: ClassVar[bool] = False
    job_id: str
    kind: str
    arguments: tuple[str, ...] = ()
    attempt: int = 1


class JobProgressed(Payload, frozen=True, kw_only=True):
    """A job finished one unit of its work; submitted again, it does not do that one again."""

    personal: ClassVar[bool] = False
    job_id: str
    unit: str
    done: int
    total: int
    result: dict[str, Any] = {}


class JobFinished(Payload, frozen=True, kw_only=True):
    """A job came to its end: `succeeded`, or `failed` with the reason."""

    personal: ClassVar[bool] = False
    job_id: str
    status: Literal["succeeded", "failed"]
    result: dict[str, Any] = {}
    error: str = ""


MEMORY_EVENTS: tuple[type[Payload], ...] = (
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    MemoryForgotten,
    CoreBlockRewritten,
)

PayloadType: TypeAlias = type[Payload]

#: Every event by its name: what the codec decodes, what `docs/events.md` lists.
CATALOGUE: dict[str, PayloadType] = {kind.__name__: kind for kind in Payload.__subclasses__()}
