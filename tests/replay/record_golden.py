"""Golden bytes of every event: what was once written must be readable for ever.

`python -m tests.replay.record_golden` adds bytes for events, versions and fields that have none.
It never changes what is there: bytes that no longer fit are a broken promise, not an old file.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from events.catalogue import CATALOGUE, Payload
from events.codec import encode_payload

GOLDEN = Path(__file__).parent / "golden" / "payloads.json"
_MOMENT = datetime(2026, 1, 7, 9, 30, 15, 250_000, tzinfo=UTC)


class Golden(msgspec.Struct, frozen=True):
    """One payload as it was written: its bytes (hex) and what they meant, defaults spelled out."""

    hex: str
    meaning: dict[str, Any]


Book = dict[str, dict[str, list[Golden]]]


def read_book() -> Book:
    """Return the golden bytes by event type and version."""
    if not GOLDEN.exists():
        return {}
    return msgspec.json.decode(GOLDEN.read_bytes(), type=Book)


def meaning_of(value: Any) -> Any:
    """Return a payload as JSON-like values, with every default spelled out."""
    if isinstance(value, msgspec.Struct):
        fields = {name: meaning_of(getattr(value, name)) for name in value.__struct_fields__}
        tag = value.__struct_config__.tag
        return {"type": tag, **fields} if tag else fields
    if isinstance(value, tuple | list):
        return [meaning_of(item) for item in value]
    if isinstance(value, dict):
        return {key: meaning_of(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def samples(kind: type[Payload]) -> list[Payload]:
    """Return payloads that use every field and alternative, and one with required fields only."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    made: list[Payload] = list(_values(info, ""))
    required = {f.name: next(_values(f.type, f.name)) for f in info.fields if f.required}
    return [*made, kind(**required)]


def _values(kind: msgspec.inspect.Type, name: str) -> Iterator[Any]:
    """Yield values of a field's type, each different from a likely default."""
    inspect = msgspec.inspect
    match kind:
        case inspect.StructType():
            full = {f.name: list(_values(f.type, f.name)) for f in kind.fields}
            for i in range(max((len(values) for values in full.values()), default=1)):
                yield kind.cls(**{key: values[i % len(values)] for key, values in full.items()})
        case inspect.UnionType():
            alternatives = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
            yield from itertools.chain.from_iterable(_values(t, name) for t in alternatives)
        case inspect.LiteralType():
            yield from reversed(kind.values)
        case inspect.VarTupleType():
            yield tuple(_values(kind.item_type, name))
        case inspect.TupleType():
            yield tuple(next(_values(item, name)) + i for i, item in enumerate(kind.item_types))
        case inspect.DictType():
            yield {"key": ["value", 1, 0.25, None]}
        case inspect.StrType():
            yield f"{name} 你好"
        case inspect.IntType():
            yield 300
        case inspect.FloatType():
            yield 0.25
        case inspect.BoolType():
            yield True
        case inspect.BytesType():
            yield b"\x00\xff\x10"
        case inspect.DateTimeType():
            yield _MOMENT
        case inspect.AnyType():
            yield {"answer": [1, "two", None]}
        case _:
            raise NotImplementedError(f"no sample for {kind} of {name}")


def paths(value: Any, path: str = "") -> set[str]:
    """Return the paths of all fields that are written in a plain (decoded) payload."""
    if isinstance(value, dict):
        return {f"{path}.{key}" for key in value}.union(
            *(paths(item, f"{path}.{key}") for key, item in value.items())
        )
    if isinstance(value, list):
        return set().union(*(paths(item, path) for item in value))
    return set()


def written_paths(encoded: list[bytes]) -> set[str]:
    """Return the paths of all fields that are written in any of the payloads."""
    return set().union(*(paths(msgspec.msgpack.decode(item)) for item in encoded))


def missing(book: Book) -> dict[str, list[Golden]]:
    """Return golden bytes for the current versions of events whose fields are not all covered."""
    found: dict[str, list[Golden]] = {}
    for name, kind in CATALOGUE.items():
        there = book.get(name, {}).get(str(kind.version), [])
        made = samples(kind)
        wanted = written_paths([encode_payload(sample) for sample in made])
        if not there or wanted - written_paths([bytes.fromhex(g.hex) for g in there]):
            found[name] = [
                Golden(hex=encode_payload(sample).hex(), meaning=meaning_of(sample))
                for sample in made
            ]
    return found


def main() -> None:
    """Add what is missing."""
    book = read_book()
    added = missing(book)
    for name, goldens in added.items():
        versions = book.setdefault(name, {})
        there = versions.setdefault(str(CATALOGUE[name].version), [])
        there.extend(golden for golden in goldens if golden not in there)
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(book), indent=1) + b"\n")
    sys.stdout.write(f"added: {', '.join(added) or 'nothing'}\n")


if __name__ == "__main__":
    main()
