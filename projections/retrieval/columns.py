"""The facts about one person's passages that ranking reads for many rows at once.

Arrays that grow by doubling; a row number indexes them all. From `REUSED_FROM` rows on, the number
of one that was released goes to the next that is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: Stands for "no such row" and "no such day".
NONE = -1
#: Fewer rows are filled afresh in no time (`index`), and a new number spares the words' index to
#: be made anew (`word_index_tantivy`).
REUSED_FROM = 8192
_KINDS: dict[str, tuple[Any, Any]] = {
    "live": (np.bool_, False),
    "ended": (np.bool_, False),
    "resting": (np.bool_, False),
    "asks": (np.bool_, False),
    "asking": (np.float32, 0),
    "kinds": (np.uint8, 0),
    "length": (np.float32, 0),
    "before": (np.int32, NONE),
    "after": (np.int32, NONE),
    "session": (np.int32, NONE),
    "source": (np.int32, NONE),
    "speaker": (np.int32, NONE),
    "tier": (np.int8, NONE),
    "assistant": (np.int32, NONE),
    "tags": (np.int32, 0),
    "said_s": (np.float64, 0),
    "day": (np.int32, NONE),
    "position": (np.int64, 0),
    "ordinal": (np.int32, 0),
}


class Columns:
    """Columns by name; `column(name)` is a view of the rows in use.

    `live` is False once removed, `ended` when superseded, `resting` when merged or faded. `asks`
    marks questions, `asking` is the share of a text that asks, `kinds` are the bits of `kinds.Kind`
    for what it holds. `length` counts terms. `before` and `after`
    are the rows of the adjacent messages of the session; `session`, `speaker`, `tier`, `assistant`
    and `tags` are codes of the shelf. `source` is the row of the message that a memory was drawn
    from. `said_s` is POSIX seconds, `day` the day that the passage speaks of, in days since 1970.
    """

    def __init__(self) -> None:
        self.size = 0
        self.free: list[int] = []
        self._arrays: dict[str, npt.NDArray[Any]] = {
            name: np.full(0, empty, kind) for name, (kind, empty) in _KINDS.items()
        }

    def append(self, **values: Any) -> int:
        """Add a row with these values, the others empty; return its number."""
        if self.free and self.size >= REUSED_FROM:
            row = self.free.pop()
        else:
            row = self.size
            self._grow(row + 1)
            self.size += 1
        self.set(row, **values)
        return row

    def set(self, row: int, **values: Any) -> None:
        """Give a row these values; it keeps the others."""
        for name, value in values.items():
            self._arrays[name][row] = value

    def release(self, row: int) -> None:
        """Empty a row and note that it is free."""
        for name, (_, empty) in _KINDS.items():
            self._arrays[name][row] = empty
        self.free.append(row)

    def extend(self, count: int, **values: npt.ArrayLike) -> None:
        """Add `count` rows behind the last with these values, one for all or one a row.

        Columns that are not named are empty.
        """
        start, self.size = self.size, self.size + count
        for name, (kind, empty) in _KINDS.items():
            more = np.full(count, empty, kind)
            if name in values:
                more[:] = values[name]
            self._arrays[name] = np.concatenate([self._arrays[name][:start], more])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column over the rows in use; writing to it writes to the column."""
        return self._arrays[name][: self.size]

    def _grow(self, size: int) -> None:
        room = len(self._arrays["live"])
        if size > room:
            for name, (kind, empty) in _KINDS.items():
                more = np.full(max(size - room, room, 16), empty, kind)
                self._arrays[name] = np.concatenate([self._arrays[name], more])
