"""Events of what is done besides: searches, tool calls, access, the agents' bookkeeping, jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from events.memory import Value
from events.payload import Payload

# --- Search and tools -----------------------------------------------------------------------------


class SearchHit(Value, frozen=True, kw_only=True):
    """One result of a search, as recorded."""

    id: str
    tier: str
    score: float


class SearchPerformed(Payload, frozen=True, kw_only=True):
    """Somebody searched; what was asked and what was found.

    `position` is that of the index that answered (0: not recorded then). With the filters, days in
    ISO 8601, and `excluded` (ids that were left out) the search can be measured again as it was.
    """

    search_id: str
    query: str
    method: str
    tiers: tuple[str, ...] = ()
    hits: tuple[SearchHit, ...] = ()
    position: int = 0
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    occurred_since: str = ""
    occurred_until: str = ""
    assistant: str = ""
    excluded: tuple[str, ...] = ()


class SearchFeedback(Payload, frozen=True, kw_only=True):
    """Somebody judged what a search of theirs had found; a later judgement of a hit replaces it.

    All ids are of hits of that search: those that helped, those that did not, and those that
    answered what was asked (of the search's other hits, that says that they did not).
    """

    search_id: str
    helpful: tuple[str, ...] = ()
    not_helpful: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()
    note: str = ""


class ToolRequested(Payload, frozen=True, kw_only=True):
    """A tool was asked for, by a client or by the answer to the message `message_id`."""

    call_id: str
    tool: str
    arguments: dict[str, Any] = {}
    message_id: str = ""


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
    """An agent has handled every cause up to and including position `through`, but for `open`.

    `open` are positions of causes whose work takes long; later ones of the same lane wait behind
    them, and are open as well. The marker is in one atomic batch with what came of the others, so a
    crash lost both or neither.
    """

    personal: ClassVar[bool] = False
    agent: str
    through: int
    open: tuple[int, ...] = ()


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
