"""Questions to an agent's projection, as values, and what they answer.

The gateway sends them to the agent's actor; tests hand them to `answer` functions directly. Reading
never changes state; what must be recorded about a reading (a search, a revealed secret) is an
event.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from events.catalogue import MessageReceived
from events.memory import Content, Provenance, SearchTier, Tier, Value
from projections.conversations import Abandoned, Message
from projections.retrieval.explained import SignalValue

SearchMethod = Literal["hybrid", "bm25", "embedding", "string_match"]


class MemoryView(Value, frozen=True, kw_only=True):
    """A memory as its tier holds it. `status` is active, superseded, merged or forgotten.

    `provenance` is united with that of the memories merged into it.
    """

    id: str
    tier: Tier
    text: str
    content: Content
    tags: tuple[str, ...] = ()
    key: str = ""
    importance: float = 0.5
    language: str = "en"
    provenance: Provenance = Provenance()
    status: str = "active"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    superseded_by: str = ""
    recorded_at: datetime
    position: int
    revision: int = 1


class Page(Value, frozen=True, kw_only=True):
    """A page of memories; `next_cursor` is empty on the last one."""

    items: tuple[MemoryView, ...]
    next_cursor: str = ""


class ListMemories(Value, frozen=True, kw_only=True):
    """To a memory agent: the memories of one user, oldest first. Answers `Page`."""

    user: str
    limit: int = 50
    cursor: str = ""
    ended: bool = False


class GetMemory(Value, frozen=True, kw_only=True):
    """To a memory agent: one memory. Answers `MemoryView`, or raises `NotFound`."""

    user: str
    memory_id: str


class RevealSecret(Value, frozen=True, kw_only=True):
    """To the vault: a secret in clear. Answers `str`; `SecretRevealed` is appended first."""

    user: str
    memory_id: str


class CoreBlockView(Value, frozen=True, kw_only=True):
    """A core block as it is put in front of a model: its lines joined, within its limit."""

    block: str
    value: str
    limit_chars: int
    memory_ids: tuple[str, ...]


class GetCoreBlocks(Value, frozen=True, kw_only=True):
    """To core memory: the persona and human blocks. Answers `tuple[CoreBlockView, ...]`."""

    user: str


#: Of what is asked in a search, by whomever.
QUERY_CHARS_MAX = 10_000


class SearchMemories(Value, frozen=True, kw_only=True):
    """To the search agent. Answers `SearchOutcome`.

    `tiers` empty means all six and `conversation`. `since` and `until` bound when it was said,
    `occurred_since` and `occurred_until` the day that it speaks of. `assistant` is the profile that
    it was said to; empty: any. `threshold` is a least score.
    """

    user: str
    tenant: str
    query: str
    tiers: tuple[SearchTier, ...] = ()
    limit: int = 10
    method: SearchMethod = "hybrid"
    threshold: float | None = None
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    occurred_since: date | None = None
    occurred_until: date | None = None
    assistant: str = ""
    explain: bool = False
    exclude_ids: tuple[str, ...] = ()


class Foresee(Value, frozen=True, kw_only=True):
    """To the search agent: this message is about to be recorded, and wants an answer.

    It begins the search that the answer will begin with. Answers nothing, at once.
    """

    user: str
    tenant: str
    message: MessageReceived


class FoundMemory(Value, frozen=True, kw_only=True):
    """One hit: a memory of a tier, or a message (`tier == "conversation"`).

    `occurred_at` is the date that it speaks of, `said_at` when it was said. `relevance`, between 0
    and 1, tells how far it is about the question at all; `superseded` marks a message that tells,
    on what was asked, only what no longer holds; `title` is that of a document.
    """

    id: str
    tier: str
    text: str
    score: float
    speaker: str = ""
    conversation: str = ""
    occurred_at: str = ""
    said_at: datetime
    recorded_at: datetime
    message_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    relevance: float = 0.0
    superseded: bool = False
    title: str = ""
    signals: dict[str, SignalValue] | None = None


class SearchOutcome(Value, frozen=True, kw_only=True):
    """What a search found, and the position of the index that answered."""

    search_id: str
    position: int
    results: tuple[FoundMemory, ...]


class AwaitRecorded(Value, frozen=True, kw_only=True):
    """To the search agent: wait until a search that it answered is in the log. Answers None.

    At once for one that is there already, and for one that it knows nothing of.
    """

    user: str
    search_id: str


class ListMessages(Value, frozen=True, kw_only=True):
    """To the chat agent: messages in log order. Answers `tuple[Message, ...]`.

    With `assistant`, only those of conversations with that profile.
    """

    user: str
    assistant: str = ""
    conversation: str = ""
    limit: int = 50
    after_position: int = 0


class GetMessage(Value, frozen=True, kw_only=True):
    """To the chat agent: one message by id. Answers `Message` or None."""

    user: str
    message_id: str


class GetAbandoned(Value, frozen=True, kw_only=True):
    """To the chat agent: why a message will have no answer. Answers `Abandoned` or None."""

    user: str
    message_id: str


class GetAnswerSoFar(Value, frozen=True, kw_only=True):
    """To the chat agent: how far the answer to a message is. Answers `AnswerSoFar`.

    Who asks listens: an answer that was about to be given up goes on.
    """

    user: str
    message_id: str


class AnswerSoFar(Value, frozen=True, kw_only=True):
    """An answer in the making: its text and round so far.

    `state` is `making`, `given` (`answer` is there), `abandoned` (`abandoned` is there), or
    `unknown`: no answer to such a message is being made, or was asked for.
    """

    state: Literal["making", "given", "abandoned", "unknown"]
    text: str = ""
    round: int = 0
    answer: Message | None = None
    abandoned: Abandoned | None = None


class GetWindow(Value, frozen=True, kw_only=True):
    """To the chat agent: the end of a conversation as a prompt needs it. Answers `Window`.

    The last `limit` messages before the position `before` (0: the end). With `answered` an answer
    to one of them stands behind it, also where it was given after `before`: who wrote twice before
    the first answer was there is not answered twice.
    """

    user: str
    conversation: str
    before: int = 0
    limit: int = 20
    answered: bool = False


class Window(Value, frozen=True, kw_only=True):
    """The last messages of a conversation, oldest first.

    `summary` tells what was said through the position `summarised` (empty and 0: nothing has been
    summarised). `abandoned` are the ids of messages in it that will have no answer.
    """

    messages: tuple[Message, ...] = ()
    summary: str = ""
    summarised: int = 0
    abandoned: tuple[str, ...] = ()


class KnownMessages(Value, frozen=True, kw_only=True):
    """To the chat agent: which of these messages are there. Answers `dict[id, position]`."""

    user: str
    message_ids: tuple[str, ...]


class GetAssistant(Value, frozen=True, kw_only=True):
    """To the chat agent. Answers `AssistantProfile`, or raises `NotFound`."""

    tenant: str
    assistant_id: str


class ListAssistants(Value, frozen=True, kw_only=True):
    """To the chat agent. Answers `tuple[AssistantProfile, ...]`, in order of creation."""

    tenant: str
    skip: int = 0
    limit: int = 50
    agent_type: str = ""


class ListTools(Value, frozen=True, kw_only=True):
    """To the tool agent. Answers `tuple[dict, ...]`: name, description, JSON schema."""


class GetToolCall(Value, frozen=True, kw_only=True):
    """To the tool agent: what came of a call. Answers `ToolCallView`, or raises `NotFound`."""

    user: str
    call_id: str


class ToolCallView(Value, frozen=True, kw_only=True):
    """A tool call: `status` is requested, returned or failed."""

    call_id: str
    tool: str
    status: str
    result: Any = None
    error: str = ""
    position: int


class CountAll(Value, frozen=True, kw_only=True):
    """To any agent: how much its projection holds. Answers `dict[str, int]`. `user` narrows it."""

    user: str = ""


class GetState(Value, frozen=True, kw_only=True):
    """To any agent: where its projection is, and its state hash there. Answers `StateView`."""


class StateView(Value, frozen=True, kw_only=True):
    """A projection at a position: rebuilt from the log up to there, it must have the same hash."""

    projection: str
    version: int
    position: int
    state_hash: str
    pid: int


class AdoptState(Value, frozen=True, kw_only=True):
    """To any agent: put the rebuilt state of `position` in the place of the live one.

    The state is the snapshot `rebuilt` of that position (`projections.snapshots`); the agent folds
    the tail on top of it and keeps its old state for one `RollBackState`. Answers `StateView` of
    the state that is live then.
    """

    position: int


class RollBackState(Value, frozen=True, kw_only=True):
    """To any agent: put back the state that the last `AdoptState` replaced. Answers `StateView`.

    Raises `NotFound` when there is none.
    """


Query = (
    ListMemories
    | GetMemory
    | RevealSecret
    | GetCoreBlocks
    | SearchMemories
    | Foresee
    | AwaitRecorded
    | ListMessages
    | GetMessage
    | GetWindow
    | GetAbandoned
    | GetAnswerSoFar
    | KnownMessages
    | GetAssistant
    | ListAssistants
    | ListTools
    | GetToolCall
    | CountAll
    | GetState
    | AdoptState
    | RollBackState
)
