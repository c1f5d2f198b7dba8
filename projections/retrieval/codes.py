"""Small numbers that stand for names and tags in a shelf's columns, while any row has them.

Nothing is left of a name once its last row is gone: a shelf knows those that its passages have, and
no others, whatever was there before.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Named = TypeVar("Named", bound=Hashable)


class Codes(dict[Named, int], Generic[Named]):
    """The code of each name that rows have now."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[Named, int] = {}
        self._next = 0

    def hold(self, name: Named) -> int:
        """Return the code of a name, for one row more."""
        code = self.get(name)
        if code is None:
            code = self[name] = self._next
            self._next += 1
        self._held[name] = self._held.get(name, 0) + 1
        return code

    def release(self, name: Named) -> None:
        """Note that a row which had this name is gone."""
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name], self[name]


class TagCodes:
    """The code of each set of tags that rows have now. What has no tags has code 0."""

    def __init__(self) -> None:
        self._sets: Codes[frozenset[str]] = Codes()
        self._sets.hold(frozenset())
        self._with: dict[str, set[int]] = {}

    def hold(self, tags: Iterable[str]) -> int:
        """Return the code of a set of tags, for one row more."""
        tagged = frozenset(tags)
        code = self._sets.hold(tagged)
        for tag in tagged:
            self._with.setdefault(tag, set()).add(code)
        return code

    def release(self, tags: Iterable[str]) -> None:
        """Note that a row which had these tags is gone."""
        tagged = frozenset(tags)
        code = self._sets[tagged]
        self._sets.release(tagged)
        if tagged not in self._sets:
            for tag in tagged:
                self._with[tag].discard(code)
                if not self._with[tag]:
                    del self._with[tag]

    def holding(self, tags: Iterable[str]) -> set[int]:
        """Return the codes of the sets that hold all of these tags, one at least."""
        return set[int].intersection(*(self._with.get(tag, set()) for tag in set(tags)))
