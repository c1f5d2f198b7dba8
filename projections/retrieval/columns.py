"""The facts about one person's passages that ranking reads for many rows at once.

Arrays that grow by doubling; a row number indexes them all. Rows are never reused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: Stands for "no such row" and "no such day".
NONE = -1
_KINDS: dict[str, tuple[Any, Any]] = {
    "live": (np.bool_, False),
    "ended": (np.bool_, False),
    "resting": (np.bool_, False),
    "asks": (np.bool_, False),
    "timely": (np.bool_, False),
    "length": (np.float32, 0),
    "before": (np.int32, NONE),
    "after": (np.int32, NONE),
    "session": (np.int32, NONE),
    "speaker": (np.int32, NONE),
    "tier": (np.int8, NONE),
    "said_s": (np.float64, 0),
    "day": (np.int32, NONE),
    "position": (np.int64, 0),
    "ordinal": (np.int32, 0),
}


class Columns:
    """Columns by name; `column(name)` is a view of the rows in use.

    `live` is False once removed, `ended` when superseded, `resting` when merged or faded. `asks`
    marks questions, `timely` texts that speak of time. `length` counts terms. `before` and `after`
    are the rows of the adjacent messages of the session, `session`, `speaker` and `tier` are codes
    of the shelf. `said_s` is POSIX seconds, `day` the day that the passage speaks of, in days since
    1970.
    """

    def __init__(self) -> None:
        self.size = 0
        self._arrays: dict[str, npt.NDArray[Any]] = {
            name: np.full(0, empty, kind) for name, (kind, empty) in _KINDS.items()
        }

    def append(self, **values: Any) -> int:
        """Add a row with these values, the others empty; return its number."""
        row = self.size
        if row == len(self._arrays["live"]):
            for name, (kind, empty) in _KINDS.items():
                more = np.full(max(row, 16), empty, kind)
                self._arrays[name] = np.concatenate([self._arrays[name], more])
        self.size += 1
        for name, value in values.items():
            self._arrays[name][row] = value
        return row

    def extend(self, count: int, **values: npt.ArrayLike) -> None:
        """Add `count` rows with these values, one for all or one a row, the others empty."""
        start, self.size = self.size, self.size + count
        for name, (kind, empty) in _KINDS.items():
            more = np.full(count, empty, kind)
            if name in values:
                more[:] = values[name]
            self._arrays[name] = np.concatenate([self._arrays[name][:start], more])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column over the rows in use; writing to it writes to the column."""
        return self._arrays[name][: self.size]
