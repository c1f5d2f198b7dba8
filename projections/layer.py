"""A mapping laid over another: what an agent has concluded but not yet read back from the log."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_GONE: Any = object()


class Layer(MutableMapping[K, V]):
    """Reads fall through to `base`; writes and deletions stay in the layer."""

    def __init__(self, base: MutableMapping[K, V]) -> None:
        self._base = base
        self._top: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        value = self._top[key] if key in self._top else self._base[key]
        if value is _GONE:
            raise KeyError(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._top[key] = value

    def __delitem__(self, key: K) -> None:
        self[key]  # raises KeyError when there is nothing to delete
        self._top[key] = _GONE

    def __iter__(self) -> Iterator[K]:
        yield from (key for key in self._base if self._top.get(key) is not _GONE)
        yield from (
            key for key, value in self._top.items() if key not in self._base and value is not _GONE
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)
