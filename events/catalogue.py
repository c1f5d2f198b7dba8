"""Every event there is, by family. Past tense; facts, never wishes.

The order of a field never matters, its meaning never changes; a new field gets a default. When a
meaning must change, a new event is added or `version` is raised with an upcaster in `codec`.
`personal` events hold something a person said and are sealed with that person's data key.
"""

from __future__ import annotations

from typing import TypeAlias

from events.done import (
    CauseHandled,
    EventParked,
    JobFinished,
    JobProgressed,
    JobSubmitted,
    SearchFeedback,
    SearchHit,
    SearchPerformed,
    ServiceKeyIssued,
    ServiceKeyRevoked,
    ToolFailed,
    ToolRequested,
    ToolReturned,
)
from events.payload import (
    Payload,
)
from events.remembered import (
    ConsolidationRequested,
    ConsolidationStep,
    CoreBlockRewritten,
    EmbeddingModelSwitched,
    MemoryChangeRejected,
    MemoryChangeRequested,
    MemoryConsolidated,
    MemoryEmbedded,
    MemoryForgotten,
    MemoryMerged,
    MemoryRecorded,
    MemoryRestored,
    MemoryRevised,
    MemorySuperseded,
    ReembeddingBegun,
    SecretRevealed,
)
from events.said import (
    AnswerAbandoned,
    AnswerGiven,
    AssistantCreated,
    AssistantDeleted,
    AssistantProfile,
    AssistantRevised,
    Citation,
    ConversationSummarised,
    DocumentReceived,
    GenerationCompleted,
    GenerationFailed,
    MessageEmbedded,
    MessageReceived,
    Usage,
    UserRegistered,
)

MEMORY_EVENTS: tuple[type[Payload], ...] = (
    MemoryRecorded,
    MemoryRevised,
    MemorySuperseded,
    MemoryMerged,
    MemoryRestored,
    MemoryForgotten,
    CoreBlockRewritten,
)

PayloadType: TypeAlias = type[Payload]

#: Every event by its name: what the codec decodes, what `docs/events.md` lists.
CATALOGUE: dict[str, PayloadType] = {kind.__name__: kind for kind in Payload.__subclasses__()}

__all__ = [
    "CATALOGUE",
    "MEMORY_EVENTS",
    "AnswerAbandoned",
    "AnswerGiven",
    "AssistantCreated",
    "AssistantDeleted",
    "AssistantProfile",
    "AssistantRevised",
    "CauseHandled",
    "Citation",
    "ConsolidationRequested",
    "ConsolidationStep",
    "ConversationSummarised",
    "CoreBlockRewritten",
    "DocumentReceived",
    "EmbeddingModelSwitched",
    "EventParked",
    "GenerationCompleted",
    "GenerationFailed",
    "JobFinished",
    "JobProgressed",
    "JobSubmitted",
    "MemoryChangeRejected",
    "MemoryChangeRequested",
    "MemoryConsolidated",
    "MemoryEmbedded",
    "MemoryForgotten",
    "MemoryMerged",
    "MemoryRecorded",
    "MemoryRestored",
    "MemoryRevised",
    "MemorySuperseded",
    "MessageEmbedded",
    "MessageReceived",
    "Payload",
    "PayloadType",
    "ReembeddingBegun",
    "SearchFeedback",
    "SearchHit",
    "SearchPerformed",
    "SecretRevealed",
    "ServiceKeyIssued",
    "ServiceKeyRevoked",
    "ToolFailed",
    "ToolRequested",
    "ToolReturned",
    "Usage",
    "UserRegistered",
]
