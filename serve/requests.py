"""What clients may send, one struct a body. Unknown fields are refused, all texts are bounded.

The forms of memories are derived from the tiers' own contents, in `memory_forms`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.deciders.settings import DeciderSettings, ExtractorName
from actors.names import Owner
from actors.queries import QUERY_CHARS_MAX, SearchMethod
from events.memory import SearchTier

CLIENT_ID_CHARS_MAX = 256
#: No control characters, to the very end (`$` alone would let a closing line feed pass).
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*(?![\s\S])"

ClientId = Annotated[str, Meta(min_length=1, max_length=CLIENT_ID_CHARS_MAX, pattern=_NO_CONTROLS)]
UserId = Annotated[ClientId, Meta(description='Whose; left out: "default".', examples=["alice"])]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=50)]
DateTime = Annotated[
    str,
    Meta(
        max_length=64,
        description="ISO 8601; without a zone it is UTC.",
        examples=["2026-01-07T09:30:00Z"],
    ),
]
Role = Literal["user", "assistant", "system", "tool"]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
#: Digits are a position, as text too.
Moment = Annotated[
    Position | Annotated[str, Meta(min_length=1, max_length=64)],
    Meta(
        description="A position of the log, or a time in ISO 8601: find what was found then.",
        examples=[120, "2026-01-07T09:30:00Z"],
    ),
]


StopText = Annotated[str, Meta(min_length=1, max_length=200)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all bodies; subclasses repeat `kw_only=True`."""


class MessageForm(Body, frozen=True, kw_only=True):
    """A message; the same `external_id` in a conversation is the same message."""

    role: Role
    content: Annotated[str, Meta(description="At most 100,000 characters by default.")]
    name: Annotated[str, Meta(max_length=200)] | None = None
    created_at: DateTime | None = None
    external_id: ClientId | None = None
    tags: Tags = ()


class MessagesForm(Body, frozen=True, kw_only=True):
    """Messages of one conversation, in order."""

    messages: Annotated[tuple[MessageForm, ...], Meta(min_length=1)]
    user_id: UserId | None = None
    conversation_id: ClientId | None = None


class DocumentForm(Body, frozen=True, kw_only=True):
    """A document, as text."""

    title: Annotated[str, Meta(min_length=1, max_length=1_000)]
    text: str
    user_id: UserId | None = None
    media_type: Annotated[str, Meta(min_length=1, max_length=200)] = "text/plain"
    uri: Annotated[str, Meta(max_length=4_000)] = ""
    created_at: DateTime | None = None
    tags: Tags = ()


class AgentForm(Body, frozen=True, kw_only=True):
    """An assistant profile to be made."""

    name: Name
    agent_type: Annotated[str, Meta(min_length=1, max_length=64)] = "chat"
    description: Annotated[str, Meta(max_length=4_000)] = ""
    system_prompt: Annotated[str, Meta(max_length=50_000)] = ""
    model_settings: dict[str, Any] = msgspec.field(default_factory=dict, name="model_config")


class AgentChangeForm(Body, frozen=True, kw_only=True):
    """A change of an assistant profile; what is left out stays as it is."""

    name: Name | UnsetType = UNSET
    agent_type: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=4_000)] | UnsetType = UNSET
    system_prompt: Annotated[str, Meta(max_length=50_000)] | UnsetType = UNSET
    model_settings: dict[str, Any] | UnsetType = msgspec.field(default=UNSET, name="model_config")


class ChatForm(Body, frozen=True, kw_only=True):
    """A message to an assistant profile; `context` is put in front of it, for this answer.

    The options of the generation are as the profile has them where they are left out.
    """

    message: str
    context: str | dict[str, Any] | None = None
    user_id: UserId | None = None
    conversation_id: ClientId | None = None
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    stop: Annotated[tuple[StopText, ...], Meta(max_length=4)] = ()
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None


class SearchFilters(Body, frozen=True, kw_only=True):
    """What to leave out: all but these tags, and all but what was said to the profile `agent_id`.

    `since` and `until` bound when it was said, `occurred_since` and `occurred_until` the day that
    it speaks of; the bounds themselves are found.
    """

    tags: Tags = ()
    agent_id: Annotated[str, Meta(max_length=200)] = ""
    since: DateTime | None = None
    until: DateTime | None = None
    occurred_since: date | None = None
    occurred_until: date | None = None


class SearchForm(Body, frozen=True, kw_only=True):
    """A search; `tiers` left out means all six and the messages themselves."""

    query: Annotated[str, Meta(min_length=1, max_length=QUERY_CHARS_MAX)]
    user_id: UserId | None = None
    tiers: Annotated[tuple[SearchTier, ...], Meta(max_length=7)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    search_method: SearchMethod = "hybrid"
    filters: SearchFilters | None = None
    threshold: float | None = None
    min_position: Position = 0
    explain: bool = False
    as_of: Moment | None = None


Verdict = Literal["helpful", "not_helpful"]


class FeedbackForm(Body, frozen=True, kw_only=True):
    """What somebody makes of the hits of a search; `answered_by` are those that answered it."""

    user_id: UserId | None = None
    judgements: Annotated[
        dict[ClientId, Verdict], Meta(max_length=100, description="A verdict for a hit's id.")
    ] = {}
    answered_by: Annotated[tuple[ClientId, ...], Meta(max_length=100)] = ()
    note: Annotated[str, Meta(max_length=4_000)] = ""


class RevealForm(Body, frozen=True, kw_only=True):
    """Why a secret is read; kept with the record of it."""

    reason: Annotated[str, Meta(max_length=1_000)] = ""


class ToolCallForm(Body, frozen=True, kw_only=True):
    """The arguments of a tool call."""

    arguments: dict[str, Any] = {}
    user_id: UserId | None = None


class ForkForm(Body, frozen=True, kw_only=True):
    """From where to decide again, and how: `agents` empty means all six owners of a tier."""

    at: Moment
    until: Moment | None = None
    user_id: UserId | None = None
    agents: Annotated[tuple[Owner, ...], Meta(max_length=6)] = ()
    extractor: ExtractorName = "rules"
    settings: DeciderSettings = DeciderSettings()


class SwapForm(Body, frozen=True, kw_only=True):
    """Which rebuilt state to put in place: that of a shard, as of a position."""

    shard: Annotated[int, Meta(ge=0, le=1023)] = 0
    position: Annotated[int, Meta(ge=1, le=2**63 - 1)]


class RollBackForm(Body, frozen=True, kw_only=True):
    """In which shard to put the state back that was replaced last."""

    shard: Annotated[int, Meta(ge=0, le=1023)] = 0
