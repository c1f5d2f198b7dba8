"""What is where in a shard's log, from envelopes alone: to find events without opening them.

Columns over the positions 1, 2, 3 … that grow by doubling: 56 bytes an event, however long its ids
are, because ids are kept as hashes of 64 bits. Two ids with one hash are so rare that nothing is
kept to tell them apart: what is found is a candidate, and who reads the event sees whether it is
the one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from events.envelope import Envelope

#: The tenant that also sees what belongs to none: access and the agents' bookkeeping.
KEEPER_TENANT = "default"

_COLUMNS: dict[str, Any] = {
    "event": np.uint64,
    "user": np.uint64,
    "correlation": np.uint64,
    "causation": np.uint64,
    "recorded": np.int64,
    "latest": np.int64,
    "tenant": np.uint32,
    "kind": np.uint16,
    "producer": np.uint16,
}
_CODED = ("tenant", "kind", "producer")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def sees(tenant: str | None, owner: str) -> bool:
    """Say whether `tenant` (None: the operator, who sees all) may see what belongs to `owner`."""
    return tenant is None or owner == tenant or (owner == "" and tenant == KEEPER_TENANT)


class LogIndex:
    """Finds positions by id, user, type, producer, tenant, time, cause and correlation.

    `recorded` is when an event was recorded, in microseconds since 1970; `latest` is the latest
    such time up to it, which is what moments are looked up in: clocks can be set back.
    """

    def __init__(self) -> None:
        self.end = 0
        self._arrays = {name: np.empty(1024, kind) for name, kind in _COLUMNS.items()}
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _CODED}

    def add(self, position: int, envelope: Envelope) -> None:
        """Note the event behind the last one."""
        self.extend(((position, envelope),))

    def extend(self, located: Iterable[tuple[int, Envelope]]) -> None:
        """Note events in log order; much quicker than one by one.

        Raises:
            ValueError: a position does not follow the one before it (a programmer error).
        """
        tenants, kinds, producers = (self._codes[name] for name in _CODED)
        rows: list[tuple[int, ...]] = []
        for position, one in located:
            if position != self.end + len(rows) + 1:
                raise ValueError(f"position {position} cannot follow {self.end + len(rows)}")
            rows.append(
                (
                    _hashed(one.event_id),
                    _hashed(one.user),
                    _hashed(one.correlation_id),
                    _hashed(one.causation_id),
                    _microseconds(one.recorded_at),
                    0,
                    tenants.setdefault(one.tenant, len(tenants)),
                    kinds.setdefault(one.type, len(kinds)),
                    producers.setdefault(one.producer, len(producers)),
                )
            )
        if rows:
            self._append(rows)

    def _append(self, rows: list[tuple[int, ...]]) -> None:
        start, end = self.end, self.end + len(rows)
        self._make_room(end)
        for (name, kind), values in zip(_COLUMNS.items(), zip(*rows, strict=True), strict=True):
            self._arrays[name][start:end] = np.fromiter(values, kind, len(rows))
        times = self._arrays["recorded"][max(start - 1, 0) : end]
        latest = self._arrays["latest"][max(start - 1, 0) : end]
        if start:
            times = np.concatenate([latest[:1], times[1:]])
        latest[:] = np.maximum.accumulate(times)
        self.end = end

    def _make_room(self, wanted: int) -> None:
        room = len(self._arrays["event"])
        if wanted <= room:
            return
        while room < wanted:
            room *= 2
        for name, old in self._arrays.items():
            # What is not written to takes no memory: the system gives pages as they are touched.
            grown = np.empty(room, old.dtype)
            grown[: self.end] = old[: self.end]
            self._arrays[name] = grown

    def position_at(self, moment: datetime) -> int:
        """Return the end of the longest beginning with nothing recorded later than `moment`.

        A moment without a zone is one of UTC.
        """
        return int(np.searchsorted(self._column("latest"), _asked(moment), side="right"))

    def position_of(self, event_id: str) -> int | None:
        """Return the first position that an event with this id can have, or None."""
        found = self.positions_of(event_id)
        return found[0] if found else None

    def positions_of(self, event_id: str) -> list[int]:
        """Return every position that an event with this id can have, in order."""
        rows = np.flatnonzero(self._column("event") == np.uint64(_hashed(event_id)))
        return [int(row) + 1 for row in rows]

    def caused_by(self, event_id: str) -> list[int]:
        """Return the positions of the reactions to an event, in order."""
        return self.select(cause=event_id)

    def reactions(self, causes: Iterable[str], kind: str, producer: str) -> list[int]:
        """Return the positions of the events of a kind that a producer drew from any of `causes`.

        One look through the columns for all of them.
        """
        codes = {"kind": self._codes["kind"].get(kind, -1)}
        codes["producer"] = self._codes["producer"].get(producer, -1)
        fits = np.ones(self.end, np.bool_)
        for name, code in codes.items():
            fits &= self._column(name) == code
        rows = np.flatnonzero(fits)
        wanted = np.array([_hashed(id_) for id_ in causes], np.uint64)
        drawn = rows[np.isin(self._column("causation")[rows], wanted)]
        return [int(row) + 1 for row in drawn]

    def select(
        self,
        *,
        tenant: str | None = None,
        user: str = "",
        kind: str = "",
        producer: str = "",
        correlation: str = "",
        cause: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[int]:
        """Return the positions of the events that pass all filters; an empty one passes all.

        Args:
            tenant: whose events may be seen (`sees`).
            user: the opaque id.
            kind: the event's type.
            producer: who appended it.
            correlation: the correlation id.
            cause: the id of the event that they are reactions to.
            since: the earliest time at which it was recorded, inclusive.
            until: the latest such time, inclusive; times without a zone are of UTC.
            after: where to go on: the first position passed over, in the direction of the order.
            limit: the most positions to return.
            newest_first: whether to begin at the end.
        """
        start, end = self._stretch(after, newest_first)
        fits = np.ones(end - start, np.bool_)
        for name, id_ in (("user", user), ("correlation", correlation), ("causation", cause)):
            if id_:
                fits &= self._column(name)[start:end] == np.uint64(_hashed(id_))
        for name, text in (("kind", kind), ("producer", producer)):
            if text:
                fits &= self._column(name)[start:end] == self._codes[name].get(text, -1)
        if tenant is not None:
            # By code: whether the asking tenant may see what belongs to the tenant of that code.
            seen = np.array([sees(tenant, owner) for owner in self._codes["tenant"]], np.bool_)
            fits &= seen[self._column("tenant")[start:end]]
        recorded = self._column("recorded")[start:end]
        if since is not None:
            fits &= recorded >= _asked(since)
        if until is not None:
            fits &= recorded <= _asked(until)
        found = np.flatnonzero(fits) + start + 1
        return [int(at) for at in (found[::-1] if newest_first else found)[:limit]]

    def _stretch(self, after: int | None, newest_first: bool) -> tuple[int, int]:
        """Return the rows that lie behind the cursor, as a half-open range."""
        if after is None:
            return 0, self.end
        if newest_first:
            return 0, min(max(after - 1, 0), self.end)
        return min(max(after, 0), self.end), self.end

    def _column(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name][: self.end]


@lru_cache(maxsize=8192)  # a user, a cause and a correlation are met again and again nearby
def _hashed(id_: str) -> int:
    """Return 64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(id_.encode(), digest_size=8).digest())


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _asked(moment: datetime) -> int:
    return _microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
