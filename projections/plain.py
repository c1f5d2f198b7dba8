"""A projection's state as plain JSON values: what people see when they step and compare.

Every field is there, also where it holds its default, so that two states can be set side by side
field by field. Secrets of the vault are never there: their keyed hash says whether they are the
same. Vectors are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from events.envelope import NOBODY
from events.memory import readable_text, tier_of
from projections.base import Projection
from projections.conversations import ConversationsProjection
from projections.directory import DirectoryProjection
from projections.retrieval_projection import RetrievalProjection
from projections.tiers import Memory, TierProjection
from projections.tool_calls import ToolCallsProjection

#: What no view shows, wherever it stands: sealed secrets, and what a service key is known by.
_NEVER = frozenset({"secret", "digest"})


def plain(memory: Memory) -> dict[str, Any]:
    """Return a memory's fields, with its tier and its readable text."""
    fields = _plain(memory)
    return {
        "id": memory.id,
        "tier": tier_of(memory.content),
        "text": readable_text(memory.content),
        **fields,
    }


def plain_state(projection: Projection, user: str) -> dict[str, dict[str, Any]]:
    """Return what a projection holds of one user, by id, in its order.

    Raises:
        TypeError: this kind of projection is not known here (a programmer error).
    """
    return {id_: plain_item(one) for id_, one in held(projection, user).items()}


def plain_item(item: msgspec.Struct) -> dict[str, Any]:
    """Return something that a projection holds as plain values."""
    if isinstance(item, Memory):
        return plain(item)
    return _fields(item.__struct_fields__, item)


def held(projection: Projection, user: str) -> dict[str, msgspec.Struct]:
    """Return what a projection holds of one user as it is, by id, in its order.

    Assistant profiles and service keys belong to nobody: they are those of the user `system`.

    Raises:
        TypeError: this kind of projection is not known here (a programmer error).
    """
    match projection:
        case TierProjection():
            return dict(projection.shelf(user).memories)
        case ConversationsProjection() if user == NOBODY:
            return dict(projection.profiles)
        case ConversationsProjection():
            summaries = projection.summaries.get(user, {}).values()
            abandoned = projection.abandoned.get(user, {}).values()
            return {
                **projection.messages.get(user, {}),
                **{f"summary of {one.conversation}": one for one in summaries},
                **{f"no answer to {one.in_reply_to}": one for one in abandoned},
            }
        case RetrievalProjection():
            return {
                f"{one.id}#{one.ordinal}" if one.ordinal else one.id: one
                for one in projection.index.passages(user)
            }
        case ToolCallsProjection():
            return dict(projection.calls.get(user, {}))
        case DirectoryProjection() if user == NOBODY:
            return {one.key_id: one for one in projection.keys.values()}
        case DirectoryProjection():
            person = projection.people.get(user)
            return {} if person is None else {user: person}
        case _:
            raise TypeError(f"{type(projection).__name__} has no plain state")


def _plain(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return _fields(value.__struct_fields__, value)
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime() | bytes():
            return msgspec.to_builtins(value)
        case _:
            return value


def _fields(names: Iterable[str], struct: msgspec.Struct) -> dict[str, Any]:
    return {name: _plain(getattr(struct, name)) for name in names if name not in _NEVER}
