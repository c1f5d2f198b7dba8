"""What a break expression may name: the fields of envelopes and payloads, and what they hold.

The catalogue says which fields there are, so that a name that no event has is told as such before
the first event is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import inspect

from events.catalogue import CATALOGUE
from events.envelope import Event
from events.errors import CommandRejected
from events.hints import hint
from events.memory import Value
from projections.tiers import concerned_tier

#: What a field holds; `several` are texts in a row, `parts` have fields of their own.
Kind: TypeAlias = Literal["text", "number", "truth", "time", "several", "parts", "anything"]
_KIND_OF: Mapping[type[inspect.Type], Kind] = {
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.BoolType: "truth",
    inspect.DateTimeType: "time",
    inspect.VarTupleType: "several",
    inspect.TupleType: "several",
    inspect.ListType: "several",
    inspect.StructType: "parts",
    inspect.DictType: "parts",
    inspect.AnyType: "anything",
}
#: The part of an expression in front of the fields of a payload.
PAYLOAD = "payload"
#: Fields that lie this deep or deeper are none of ours.
_PARTS_MAX = 8
#: More names than this do not help somebody who is looking for one.
_LISTED_MAX = 16


class Field(Value, frozen=True, kw_only=True):
    """A field of events: its name, what it may hold, and how it is read (None: not there)."""

    name: str
    kinds: frozenset[Kind]
    read: Callable[[Event], Any]


def concerned(event: Event) -> str | None:
    """Return the tier that an event is about: one that it changes, asks to change or embeds for."""
    return concerned_tier(event) or getattr(event.payload, "tier", None)


def _of_envelope(name: str, kind: Kind) -> Field:
    return Field(name=name, kinds=frozenset({kind}), read=attrgetter(f"envelope.{name}"))


_TEXTS = ("event_id", "type", "user", "producer", "entity", "tenant")
_CHAIN = ("correlation_id", "causation_id")
ENVELOPE: Mapping[str, Field] = {
    **{name: _of_envelope(name, "text") for name in (*_TEXTS, *_CHAIN)},
    "version": _of_envelope("version", "number"),
    "recorded_at": _of_envelope("recorded_at", "time"),
    "position": Field(
        name="position", kinds=frozenset({"number"}), read=lambda event: event.position
    ),
    "tier": Field(name="tier", kinds=frozenset({"text"}), read=concerned),
}


def field_named(path: tuple[str, ...]) -> Field:
    """Return the field at a path such as `("payload", "memory", "key")`.

    Raises:
        CommandRejected: no event has such a field; says which there are, or the nearest.
    """
    name, *inner = path
    if name != PAYLOAD:
        if name not in ENVELOPE:
            known = (*ENVELOPE, PAYLOAD)
            told = _hint(name, known)
            raise CommandRejected(f"{name} is not a name here (a text stands in quotes); {told}")
        if inner:
            raise CommandRejected(f"{name} has no fields; only {PAYLOAD} has")
        return ENVELOPE[name]
    if not inner:
        raise CommandRejected(f"name a field of the payload: {PAYLOAD}.FIELD")
    return Field(name=".".join(path), kinds=_kinds_at(inner), read=_reader(tuple(inner)))


def _kinds_at(inner: list[str]) -> frozenset[Kind]:
    if len(inner) > _PARTS_MAX:
        raise CommandRejected(f"no payload is {len(inner)} fields deep")
    at: list[inspect.Type] = list(_payload_types())
    for depth, name in enumerate(inner):
        found = [part for kind in at for part in _parts(kind, name)]
        if not found:
            where = ".".join((PAYLOAD, *inner[:depth]))
            known = sorted({field.name for kind in at for field in _fields(kind)})
            raise CommandRejected(f"no event has {where}.{name}; {_hint(name, known)}")
        at = found
    return frozenset(_KIND_OF.get(type(kind), "anything") for kind in at)


@cache
def _payload_types() -> tuple[inspect.Type, ...]:
    return tuple(inspect.multi_type_info(CATALOGUE.values()))


def _fields(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    return kind.fields if isinstance(kind, inspect.StructType) else ()


def _parts(kind: inspect.Type, name: str) -> Iterable[inspect.Type]:
    """Yield the types that the part called `name` may have; none of them is a union or None."""
    match kind:
        case inspect.DictType():
            yield inspect.AnyType()
        case inspect.AnyType():
            yield kind
        case _:
            for field in _fields(kind):
                if field.name == name:
                    yield from _alternatives(field.type)


def _alternatives(kind: inspect.Type) -> Iterable[inspect.Type]:
    if not isinstance(kind, inspect.UnionType):
        return (kind,)
    return (one for one in kind.types if not isinstance(one, inspect.NoneType))


def _reader(inner: tuple[str, ...]) -> Callable[[Event], Any]:
    def read(event: Event) -> Any:
        value: Any = event.payload
        for name in inner:
            if isinstance(value, msgspec.Struct) and name in value.__struct_fields__:
                value = getattr(value, name)
            elif isinstance(value, dict):
                value = value.get(name)
            else:
                return None
        return value

    return read


def _hint(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    if not known:
        return "it has no fields"
    return hint(name, known, "docs/events.md" if len(known) > _LISTED_MAX else "")
