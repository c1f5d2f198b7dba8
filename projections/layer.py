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
        #: What was deleted and set again comes last, as in a dictionary.
        self._again: set[K] = set()

    def __getitem__(self, key: K) -> V:
        value = self._top[key] if key in self._top else self._base[key]
        if value is _GONE:
            raise KeyError(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        if self._top.get(key) is _GONE:
            del self._top[key]
            self._again.add(key)
        self._top[key] = value

    def __delitem__(self, key: K) -> None:
        self[key]  # raises KeyError when there is nothing to delete
        self._top[key] = _GONE
        self._again.discard(key)

    def __iter__(self) -> Iterator[K]:
        top, again = self._top, self._again
        yield from (key for key in self._base if top.get(key) is not _GONE and key not in again)
        yield from (
            key
            for key, value in top.items()
            if value is not _GONE and (key not in self._base or key in again)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)
