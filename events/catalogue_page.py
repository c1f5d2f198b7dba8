"""Writes the list of every event: `python -m events.catalogue_page > docs/events.md`.

A test compares the file with what this module would write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from events import done, memory, remembered, said
from events.catalogue import CATALOGUE, Payload
from events.envelope import Envelope
from events.memory import Value

_FAMILY = re.compile(r"^# --- (?P<family>.+?) -+$|^class (?P<event>\w+)\(Payload\b", re.MULTILINE)

_HEAD = """\
# Events

Every fact that the log can hold. Written by `python -m events.catalogue_page > docs/events.md` from
`events/said.py`, `remembered.py` and `done.py`; a test keeps it true.

- **sealed**: the payload is encrypted with the data key of the person it is about (AES-256-GCM, the
  envelope as associated data); destroying that key erases it everywhere.
- **clear**: the payload holds nothing that a person said; it carries a keyed checksum.

A field without a default is always there. New fields get a default; a meaning never changes.
"""


def page() -> str:
    """Return the text of `docs/events.md`."""
    return "\n".join([*_lines(), ""])


def families() -> dict[str, list[type[Payload]]]:
    """Return the events by the family they stand under in the catalogue, in its order."""
    by_family: dict[str, list[type[Payload]]] = {}
    family = ""
    source = "".join(inspect.getsource(module) for module in (said, remembered, done))
    for match in _FAMILY.finditer(source):
        if match["family"]:
            family = match["family"]
        elif match["event"] in CATALOGUE:
            by_family.setdefault(family, []).append(CATALOGUE[match["event"]])
    return by_family


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Envelope\n"
    yield "In clear, in front of every payload; written in this order.\n"
    yield from _table(Envelope)
    for family, kinds in families().items():
        yield f"\n## {family}"
        for kind in kinds:
            guard = "sealed" if kind.personal else "clear"
            yield f"\n### {kind.__name__}\n\nVersion {kind.version}, {guard}. {_doc(kind)}\n"
            yield from _table(kind)
    yield "\n## Values\n\nWhat the fields above are made of."
    for value in _values():
        yield f"\n### {value.__name__}\n\n{_doc(value)}\n"
        yield from _table(value)


def _values() -> Iterator[type[Value]]:
    for module in (memory, said, remembered, done):
        for _, member in inspect.getmembers(module, inspect.isclass):
            is_own = member.__module__ == module.__name__ and member is not Value
            if is_own and issubclass(member, Value):
                yield member


def _table(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield "| field | type | default |"
    yield "|---|---|---|"
    for field in msgspec.structs.fields(kind):
        annotation = str(kind.__annotations__[field.name]).replace("|", "\\|")
        yield f"| `{field.name}` | `{annotation}` | {_default(field)} |"


def _default(field: Any) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"`{field.default!r}`"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{field.default_factory()!r}`"
    return ""


def _doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").replace("\n", " ").replace("  ", "\n\n")


if __name__ == "__main__":
    sys.stdout.write(page())
