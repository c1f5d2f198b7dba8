"""How deep free-form JSON may be nested: what encodes and pickles it on its way recurses."""

from __future__ import annotations

from typing import Any

JSON_DEPTH_MAX = 32


def is_too_deep(value: Any) -> bool:
    """Return whether lists and objects are nested more than `JSON_DEPTH_MAX` deep in `value`."""
    level = [value]
    for _ in range(JSON_DEPTH_MAX + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return False
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True
